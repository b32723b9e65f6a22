//! What a process that died, or a disk, left in the spool: it is read without a panic, nothing twice, and nothing
//! beyond what was forwarded.
//!
//! ```text
//! total (8 bytes) │ (kind, file and length: 3 bytes, bytes)*    kind 0: the bytes as they are
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| spool::fuzzing::spool(input));

//! Objects: a zstd frame within its bound, and a journal object's lines.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| storage::fuzzing::chunk(input));

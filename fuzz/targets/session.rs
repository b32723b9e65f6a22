//! The bytes of both sides behind a 101, over every transport: SPDY, WebSocket channels, tunnel. Whole or cut, the
//! recording is the same; it can always be ended at a frame boundary; its lines can be read back.
//!
//! ```text
//! choice │ cut │ (side and length: 2 bytes, bytes)*
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| recorder::fuzzing::session(input));

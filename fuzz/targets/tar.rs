//! A tar stream, cut in two ways.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| recorder::fuzzing::tar(input));

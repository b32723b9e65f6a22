//! Objects: a zstd frame within its bound, and a journal object's lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use recording::Key;
use storage::{chunk, journal};

/// A compression bomb must not expand beyond this.
const BOUND: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    if let Ok(lines) = chunk::decompress(input, BOUND) {
        assert!(lines.len() <= BOUND);
        let key = Key::chunk(recording::RecordingId(uuid::Uuid::nil()), 0);
        let _ = journal::decode(&key, input);
    }
    // Tests the lines too, without having to guess the checksum of a frame.
    if let Ok(frame) = chunk::compress(&input[..input.len().min(BOUND)]) {
        assert_eq!(chunk::decompress(&frame, BOUND).expect("a frame of ours"), &input[..input.len().min(BOUND)]);
        let key = Key::chunk(recording::RecordingId(uuid::Uuid::nil()), 0);
        let _ = journal::decode(&key, &frame);
    }
});

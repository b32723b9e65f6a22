//! What `fuzz/` drives: compiled with `--cfg fuzzing` only.

use recording::Key;

use crate::{chunk, journal};

/// Most bytes that a frame may unpack to here: a bomb must not get further.
const MAX: usize = 1 << 20;

/// Unpacks bytes that may be a frame, and reads the lines of a journal object from them; then packs the bytes as lines and
/// does it again, so that nobody has to guess a frame's checksum.
///
/// # Panics
/// If more than the bound is unpacked, or lines do not come back as they were.
pub fn chunk(input: &[u8]) {
    let key = Key::chunk(recording::RecordingId(uuid::Uuid::nil()), 0);
    if let Ok(lines) = chunk::decompress(input, MAX) {
        assert!(lines.len() <= MAX);
        let _ = journal::decode(&key, input);
    }
    let lines = &input[..input.len().min(MAX)];
    if let Ok(frame) = chunk::compress(lines) {
        assert_eq!(chunk::decompress(&frame, MAX).expect("a frame of ours"), lines);
        let _ = journal::decode(&key, &frame);
    }
}

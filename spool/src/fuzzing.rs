//! What `fuzz/` drives: compiled with `--cfg fuzzing` only.

use crate::{
    checkpoint_file::newest_of,
    frame,
    segment::{first_time, last_time, segment_of},
    tail::held_of,
};
use recording::cast::events;

/// Reads files of a spool as a disk may have left them: frames, and bytes that are none.
///
/// ```text
/// total (8 bytes) │ (kind, file and length: 3 bytes, bytes)*    kind 0: the bytes as they are
/// ```
///
/// # Panics
/// If something is read twice, out of order, or more is read than was written.
pub fn spool(input: &[u8]) {
    let Some((total, mut records)) = input.split_first_chunk::<8>() else { return };
    let total = u64::from_le_bytes(*total);
    let mut files = [const { Vec::new() }; 2];
    while let [kind, first, second, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([first & 0x7f, *second])).min(rest.len());
        let (bytes, later) = rest.split_at(length);
        let file = &mut files[usize::from(first >> 7)];
        match kind {
            0 => file.extend_from_slice(bytes),
            _ => file.extend(frame::encode(*kind, bytes)),
        }
        records = later;
    }
    let [segment, checkpoints] = &files;
    let read = segment_of(segment).forwarded(None);
    // An annotation for each damaged place, and no line twice.
    assert!(read.lines.len() <= segment.len() + read.damaged * 200);
    assert_eq!(read.torn, 0);
    assert!(segment_of(segment).unforwarded().torn <= segment.len() as u64);
    let _ = events(&read.lines).count();
    let _ = (first_time(&read.lines), last_time(&read.lines), newest_of(checkpoints));

    let held = held_of(&files, total);
    let mut behind = 0;
    for (_, at, bytes) in &held.pieces {
        assert!(*at >= behind && !bytes.is_empty());
        behind = at + bytes.len() as u64;
    }
    assert!(behind <= total);
}

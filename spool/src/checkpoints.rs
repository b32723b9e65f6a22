//! What changes without a line: counts, digests, the time last seen. It is written over itself, in two slots in turn, so that
//! hours of it take no room, and that one is whole whenever the process dies.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::frame::{self, Checkpoint, Frame, MARK_FRAME};

/// Bytes of both slots.
const BYTES: u64 = 2 * MARK_FRAME as u64;

/// Where a session's marks are.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("marks")
}

/// The file, made where there is none, and the bytes that it is larger by: it has room for both slots from the start.
pub(super) fn open(folder: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path(folder))?;
    let there = file.metadata()?.len();
    if there == 0 {
        file.write_all_at(&[0; 2 * MARK_FRAME], 0)?;
    }
    Ok((file, BYTES.saturating_sub(there)))
}

/// Writes the `counter`th mark, over the one before the last.
pub(super) fn write(file: &File, counter: u64, mark: &Checkpoint) -> io::Result<()> {
    file.write_all_at(&frame::mark_alone(counter, mark), counter % 2 * MARK_FRAME as u64)
}

/// The newest; none where nothing was written.
pub(super) fn read(folder: &Path) -> io::Result<Option<Checkpoint>> {
    Ok(newest(folder)?.map(|(_, mark)| mark))
}

/// Writes a mark behind those of a process that is gone, unless it is the newest already. The file is to be synced.
pub(super) fn keep(folder: &Path, mark: &Checkpoint) -> io::Result<Option<File>> {
    let counter = match newest(folder)? {
        Some((_, known)) if known == *mark => return Ok(None),
        Some((counter, _)) => counter + 1,
        None => 0,
    };
    let (file, _) = open(folder)?;
    write(&file, counter, mark)?;
    Ok(Some(file))
}

fn newest(folder: &Path) -> io::Result<Option<(u64, Checkpoint)>> {
    let bytes = match std::fs::read(path(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    Ok(newest_of(&bytes))
}

/// The newest mark of a file's slots, and its counter.
pub(super) fn newest_of(bytes: &[u8]) -> Option<(u64, Checkpoint)> {
    let marks = bytes.chunks(MARK_FRAME).filter_map(|slot| match frame::first(slot)? {
        (Frame::Checkpoint(counter, mark), _) => Some((counter, mark)),
        _ => None,
    });
    marks.max_by_key(|(counter, _)| *counter)
}

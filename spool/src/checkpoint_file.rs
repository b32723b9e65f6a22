//! The file `marks`: what changes without a line, such as counts, digests and the time last seen.
//!
//! Checkpoints are written over each other, in two slots in turn: hours of them take no room, and one is whole whenever the
//! process dies.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    Checkpoint,
    error::FileError,
    frame::{self, CHECKPOINT_FRAME, Frame},
};

/// Bytes of both slots.
const BYTES: u64 = 2 * CHECKPOINT_FRAME as u64;

/// Where a session's checkpoints are.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("marks")
}

/// Opens the file, or makes it with room for both slots. The number is by how many bytes it grew.
pub(crate) fn open(folder: &Path) -> Result<(File, u64), FileError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(path(folder));
    let file = file.map_err(FileError::Open)?;
    let there = file.metadata().map_err(FileError::Open)?.len();
    if there == 0 {
        file.write_all_at(&[0; 2 * CHECKPOINT_FRAME], 0).map_err(FileError::Write)?;
    }
    Ok((file, BYTES.saturating_sub(there)))
}

/// Writes the `counter`th checkpoint, over the one before the last.
pub(crate) fn write(file: &File, counter: u64, checkpoint: &Checkpoint) -> Result<(), FileError> {
    let frame = frame::checkpoint_alone(counter, checkpoint);
    file.write_all_at(&frame, counter % 2 * CHECKPOINT_FRAME as u64).map_err(FileError::Write)
}

/// The newest checkpoint; `None` if none was written.
pub(crate) fn read(folder: &Path) -> io::Result<Option<Checkpoint>> {
    Ok(newest(folder)?.map(|(_, checkpoint)| checkpoint))
}

/// Writes and syncs a checkpoint behind those of a process that is gone, unless it is the newest already.
pub(crate) fn keep(folder: &Path, checkpoint: &Checkpoint) -> Result<(), FileError> {
    let counter = match newest(folder).map_err(FileError::Open)? {
        Some((_, known)) if known == *checkpoint => return Ok(()),
        Some((counter, _)) => counter + 1,
        None => 0,
    };
    let (file, _) = open(folder)?;
    write(&file, counter, checkpoint)?;
    file.sync_data().map_err(FileError::Sync)
}

fn newest(folder: &Path) -> io::Result<Option<(u64, Checkpoint)>> {
    match fs::read(path(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => Ok(newest_of(&bytes?)),
    }
}

/// The newest checkpoint in a file's slots, and its counter.
pub(crate) fn newest_of(bytes: &[u8]) -> Option<(u64, Checkpoint)> {
    let checkpoints = bytes.chunks(CHECKPOINT_FRAME).filter_map(|slot| match frame::first(slot)? {
        (Frame::Checkpoint(counter, checkpoint), _) => Some((counter, checkpoint)),
        _ => None,
    });
    checkpoints.max_by_key(|(counter, _)| *counter)
}

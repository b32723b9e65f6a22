//! The end of a stream that an output limit holds back: for the process that finishes the recording of one that died.
//!
//! ```text
//!             ┌ the stream's bytes ───────────────────────────────────────────────▶
//!  stdout.0   │  [file 0       ]                [file 2       ]
//!  stdout.1   │                 [file 1        ]                [file 3 …
//! ```
//!
//! Each stream has two files, the one being written and the one before it. The newer says what was omitted before the older:
//! their bytes and that omission are, together, all that was held back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use recording::{Micros, Omission};

use crate::{
    StdStream,
    error::FileError,
    frame::{self, Frame, Part},
};

/// Most bytes in a frame.
const PIECE: usize = 1 << 20;

/// Bytes on their way to a stream's files, as frames.
#[derive(Debug, Default)]
pub struct TailWrite {
    frames: Vec<u8>,
    /// Where in `frames` a file begins, and its counter.
    begins: Vec<(usize, u64)>,
}

impl TailWrite {
    /// Begins a file of its own for the next bytes: the `counter`th, counted from 0. `before` is what was omitted before the file
    /// that was the newest until now.
    pub fn begin(&mut self, counter: u64, before: Option<&Omission>) {
        self.begins.push((self.frames.len(), counter));
        // Numbers and strings: serialising them to memory has no way to fail.
        let json = serde_json::to_vec(&before).unwrap_or_default();
        self.frames.extend(frame::encode(b'B', &[&counter.to_le_bytes()[..], &json].concat()));
    }

    /// Adds bytes that came at `time`; the first of them is the `at`th of the stream.
    pub fn bytes(&mut self, time: Micros, mut at: u64, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            frame::push_held(&mut self.frames, time, at, piece);
            at += piece.len() as u64;
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Forgets the bytes, once they are written. Memory for a usual read's worth is kept.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.frames.shrink_to(PIECE / 4);
        self.begins.clear();
    }

    /// What goes to the open file, and what to new ones.
    fn parts(&self) -> (&[u8], impl Iterator<Item = (u64, &[u8])>) {
        let first = self.begins.first().map_or(self.frames.len(), |(start, _)| *start);
        let ends = self.begins.iter().skip(1).map(|(start, _)| *start).chain([self.frames.len()]);
        let new = self.begins.iter().zip(ends).map(|((start, counter), end)| (*counter, &self.frames[*start..end]));
        (&self.frames[..first], new)
    }
}

/// What was held back of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldTail {
    /// What was omitted before it; `None` if nothing was.
    pub omission: Option<Omission>,
    /// When they came, place in the stream, and bytes. Pieces that the disk has damaged are missing.
    pub pieces: Vec<(Micros, u64, Vec<u8>)>,
}

/// The files of a stream, of which the newest is open.
#[derive(Debug)]
pub(crate) struct TailFiles {
    folder: PathBuf,
    stream: StdStream,
    /// Bytes of each.
    lengths: [u64; 2],
    counter: u64,
}

impl TailFiles {
    pub(crate) fn new(folder: &Path, stream: StdStream) -> Self {
        Self { folder: folder.to_owned(), stream, lengths: [0; 2], counter: 0 }
    }

    pub(crate) fn path(&self) -> PathBuf {
        path(&self.folder, self.stream, self.counter)
    }

    /// Bytes of both.
    pub(crate) fn bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    /// Writes to the open file and to those that begin. Returns the newest of the latter. After an error the caller may try again
    /// with the same bytes: what is there twice is read once.
    pub(crate) fn write(&mut self, open: Option<&File>, tail: &TailWrite) -> Result<Option<File>, FileError> {
        let (more, new) = tail.parts();
        if let Some(mut file) = open
            && !more.is_empty()
        {
            let length = self.lengths[slot(self.counter)];
            if let Err(error) = file.write_all(more) {
                file.set_len(length).map_err(FileError::Write)?;
                return Err(FileError::Write(error));
            }
            self.lengths[slot(self.counter)] += more.len() as u64;
        }
        let mut newest = None;
        for (counter, frames) in new {
            newest = Some(self.replace(counter, frames)?);
        }
        Ok(newest)
    }

    /// Puts a file in the place of the one before the last, at once.
    fn replace(&mut self, counter: u64, frames: &[u8]) -> Result<File, FileError> {
        let next = self.folder.join(format!("{}.next", self.stream.name()));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&next);
        let mut file = file.map_err(FileError::Open)?;
        file.set_len(0).map_err(FileError::Write)?;
        file.write_all(frames).map_err(FileError::Write)?;
        fs::rename(&next, path(&self.folder, self.stream, counter)).map_err(FileError::Open)?;
        self.lengths[slot(counter)] = frames.len() as u64;
        self.counter = counter;
        Ok(file)
    }

    /// Removes the files: what was held is in lines now.
    pub(crate) fn remove(self) {
        for counter in 0..2 {
            // What is left goes with the session's folder.
            let _ = fs::remove_file(path(&self.folder, self.stream, counter));
        }
    }
}

fn slot(counter: u64) -> usize {
    usize::from(counter % 2 == 1)
}

fn path(folder: &Path, stream: StdStream, counter: u64) -> PathBuf {
    folder.join(format!("{}.{}", stream.name(), slot(counter)))
}

/// Reads what is held of a stream's first `total` bytes; more was never forwarded.
pub(crate) fn read(folder: &Path, stream: StdStream, total: u64) -> io::Result<HeldTail> {
    let mut files = Vec::new();
    for counter in 0..2 {
        match fs::read(path(folder, stream, counter)) {
            Ok(bytes) => files.push(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held_of(&files, total))
}

/// What the files' bytes say, in any order of the files.
pub(crate) fn held_of(files: &[Vec<u8>], total: u64) -> HeldTail {
    let mut files: Vec<TailFile> = files.iter().filter_map(|bytes| read_file(bytes)).collect();
    files.sort_unstable_by_key(|file| file.counter);
    let omission = files.last().and_then(|newest| newest.before.clone());
    let mut pieces: Vec<_> = files.into_iter().flat_map(|file| file.pieces).collect();
    let mut behind = 0_u64;
    pieces.retain_mut(|(_, at, bytes)| {
        bytes.truncate(usize::try_from(total.saturating_sub(*at)).unwrap_or(usize::MAX));
        let twice = usize::try_from(behind.saturating_sub(*at)).unwrap_or(usize::MAX).min(bytes.len());
        bytes.drain(..twice);
        *at += twice as u64;
        behind = behind.max(*at + bytes.len() as u64);
        !bytes.is_empty()
    });
    HeldTail { omission, pieces }
}

/// What one of the two files says.
struct TailFile {
    counter: u64,
    before: Option<Omission>,
    pieces: Vec<(Micros, u64, Vec<u8>)>,
}

/// Reads a file; `None` if its beginning is damaged.
fn read_file(bytes: &[u8]) -> Option<TailFile> {
    let mut at = 0;
    let mut file: Option<TailFile> = None;
    while let Some((part, next)) = frame::part(bytes, at) {
        at = next;
        match (part, &mut file) {
            (Part::Frame(Frame::Begin(counter, json)), _) => {
                let before = serde_json::from_slice(json).ok().flatten();
                file = Some(TailFile { counter, before, pieces: Vec::new() });
            }
            (Part::Frame(Frame::HeldTail(time, at, bytes)), Some(file)) => {
                file.pieces.push((time, at, bytes.to_vec()));
            }
            _ => {}
        }
    }
    file
}

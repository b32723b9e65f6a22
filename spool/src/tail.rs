//! The end of a stream that a flood policy holds back: for whoever finishes the recording of a process that died.
//!
//! ```text
//!             ┌ the stream's bytes ───────────────────────────────────────────────▶
//!  stdout.0   │  [file 0       ]                [file 2       ]
//!  stdout.1   │                 [file 1        ]                [file 3 …
//! ```
//!
//! Of each stream two files are there, the one being written and the one before it. The newer says what was omitted before
//! the older: their bytes and that are, together, all that was held back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::frame::{self, Frame, Part};
use recording::Omission;

/// Most bytes in a frame.
const PIECE: usize = 1 << 20;
/// By their places in [`super::Mark::held`].
const NAMES: [&str; 3] = ["stdout", "stderr", "stdin"];

/// Bytes on their way to a stream's files, as frames.
#[derive(Debug, Default)]
pub struct TailWrite {
    frames: Vec<u8>,
    /// Where in `frames` a file begins, and its counter.
    begins: Vec<(usize, u64)>,
}

impl TailWrite {
    /// The next bytes are in a file of their own, the `counter`th, counted from 0. `before` is what was omitted before the
    /// file that is the newest until now.
    pub fn begin(&mut self, counter: u64, before: Option<&Omission>) {
        self.begins.push((self.frames.len(), counter));
        // Numbers and strings: serialising them to memory has no way to fail.
        let json = serde_json::to_vec(&before).unwrap_or_default();
        self.frames.extend(frame::encode(b'B', &[&counter.to_le_bytes()[..], &json].concat()));
    }

    /// Bytes that came at `micros`, the first of them the `at`th of the stream.
    pub fn bytes(&mut self, micros: u64, mut at: u64, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            frame::push_held(&mut self.frames, micros, at, piece);
            at += piece.len() as u64;
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// They are on the disk. Memory for a usual read's worth is kept.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.frames.shrink_to(PIECE / 4);
        self.begins.clear();
    }

    /// What goes to the file that is open, and what to new ones.
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
    /// What was omitted before it.
    pub omission: Option<Omission>,
    /// Microseconds since the start, place in the stream, and bytes. Where the disk has damaged them places are missing.
    pub pieces: Vec<(u64, u64, Vec<u8>)>,
}

/// The files of a stream, of which the newest is open.
#[derive(Debug)]
pub(super) struct TailFiles {
    folder: PathBuf,
    name: &'static str,
    /// Bytes of each.
    lengths: [u64; 2],
    counter: u64,
}

impl TailFiles {
    pub(super) fn new(folder: &Path, place: usize) -> Self {
        Self { folder: folder.to_owned(), name: NAMES[place], lengths: [0; 2], counter: 0 }
    }

    pub(super) fn path(&self) -> PathBuf {
        path(&self.folder, self.name, self.counter)
    }

    /// Bytes of both.
    pub(super) fn bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    /// Writes to the open file and to those that begin. Gives the newest of the latter. Where it fails the caller may try
    /// again with the same: what is there twice is read once.
    pub(super) fn write(&mut self, open: Option<&File>, holding: &TailWrite) -> io::Result<Option<File>> {
        let (more, new) = holding.parts();
        if let Some(mut file) = open
            && !more.is_empty()
        {
            let length = self.lengths[slot(self.counter)];
            if let Err(error) = file.write_all(more) {
                file.set_len(length)?;
                return Err(error);
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
    fn replace(&mut self, counter: u64, frames: &[u8]) -> io::Result<File> {
        let next = self.folder.join(format!("{}.next", self.name));
        let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&next)?;
        file.set_len(0)?;
        file.write_all(frames)?;
        fs::rename(&next, path(&self.folder, self.name, counter))?;
        self.lengths[slot(counter)] = frames.len() as u64;
        self.counter = counter;
        Ok(file)
    }

    /// What was held is in lines now.
    pub(super) fn remove(self) {
        for counter in 0..2 {
            // What is left goes with the session's folder.
            let _ = fs::remove_file(path(&self.folder, self.name, counter));
        }
    }
}

fn slot(counter: u64) -> usize {
    usize::from(counter % 2 == 1)
}

fn path(folder: &Path, name: &str, counter: u64) -> PathBuf {
    folder.join(format!("{name}.{}", slot(counter)))
}

/// What is held of the stream at `place`, of its first `total` bytes; more was never forwarded.
pub(super) fn read(folder: &Path, place: usize, total: u64) -> io::Result<HeldTail> {
    let mut files = Vec::new();
    for counter in 0..2 {
        match fs::read(path(folder, NAMES[place], counter)) {
            Ok(bytes) => files.push(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(held_of(&files, total))
}

/// The same from the files' contents, in any order.
pub(super) fn held_of(files: &[Vec<u8>], total: u64) -> HeldTail {
    let mut files: Vec<Read> = files.iter().filter_map(|bytes| read_file(bytes)).collect();
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

struct Read {
    counter: u64,
    before: Option<Omission>,
    pieces: Vec<(u64, u64, Vec<u8>)>,
}

/// A file; none where its beginning is damaged.
fn read_file(bytes: &[u8]) -> Option<Read> {
    let mut at = 0;
    let mut file: Option<Read> = None;
    while let Some((part, next)) = frame::part(bytes, at) {
        at = next;
        match (part, &mut file) {
            (Part::Frame(Frame::Begin(counter, json)), _) => {
                let before = serde_json::from_slice(json).ok().flatten();
                file = Some(Read { counter, before, pieces: Vec::new() });
            }
            (Part::Frame(Frame::HeldTail(micros, at, bytes)), Some(file)) => {
                file.pieces.push((micros, at, bytes.to_vec()));
            }
            _ => {}
        }
    }
    file
}

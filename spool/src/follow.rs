use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use tokio::sync::watch;

use crate::{
    SpoolError, disk_threads, files,
    frame::{self, Frame},
    spooled::{SpooledSession, WritePosition},
};

/// Most bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// What a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolEvent {
    /// These chunks are in the store and no longer here: read them there.
    Stored {
        /// The first.
        from: u32,
        /// The last.
        to: u32,
    },
    /// Whole asciicast lines, in order, each once. They are, or will be, a part of this chunk.
    Lines {
        /// The chunk's number.
        number: u32,
        /// UTF-8, each line with its `\n`.
        lines: Vec<u8>,
    },
}

/// A session's lines from some chunk on: everything so far, then what comes. Made by [`crate::SpoolReader::follow`].
///
/// A follower holds nothing up: what is stored while it reads elsewhere comes as [`SpoolEvent::Stored`].
#[derive(Debug)]
pub struct Follow {
    session: Arc<SpooledSession>,
    position: watch::Receiver<WritePosition>,
    number: u32,
    offset: u64,
    /// The segment that is being read: open, so that its rest can be read when it is removed meanwhile.
    file: Option<Arc<File>>,
}

impl Follow {
    pub(crate) fn new(session: Arc<SpooledSession>, from: u32) -> Self {
        let position = session.position.subscribe();
        Self { session, position, number: from, offset: 0, file: None }
    }

    /// Resolves with the next lines, or with `None` once the session has ended and everything was read.
    ///
    /// # Errors
    /// A file that cannot be read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call reads the same lines.
    pub async fn next(&mut self) -> Result<Option<SpoolEvent>, SpoolError> {
        loop {
            let position = *self.position.borrow_and_update();
            if let Some(event) = self.read(position).await? {
                return Ok(Some(event));
            }
            // At the end of what `position` says.
            if position.ended {
                return Ok(None);
            }
            if self.position.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Like [`Self::next`], without waiting for the session: `None` if everything so far was read.
    ///
    /// # Errors
    /// A file that cannot be read.
    ///
    /// # Cancel safety
    /// As of [`Self::next`].
    pub async fn ready(&mut self) -> Result<Option<SpoolEvent>, SpoolError> {
        let position = *self.position.borrow_and_update();
        self.read(position).await
    }

    /// Whether the session has ended and everything was read. Then no file is kept open.
    pub fn is_over(&mut self) -> bool {
        let position = *self.position.borrow();
        let over = position.ended && (self.number, self.offset) >= (position.number, position.length);
        if over {
            self.file = None;
        }
        over
    }

    /// What stands between here and `position`; `None` if nothing does.
    async fn read(&mut self, position: WritePosition) -> Result<Option<SpoolEvent>, SpoolError> {
        while self.number < position.number || (self.number == position.number && self.offset < position.length) {
            let (session, number, offset) = (Arc::clone(&self.session), self.number, self.offset);
            let file = self.file.clone();
            let until = if number == position.number { position.length } else { u64::MAX };
            let read = disk_threads::run_blocking(move || Ok(piece(&session, number, file, offset, until))).await?;
            match read {
                Ok(Some((lines, next, file))) => {
                    self.offset = next;
                    self.file = Some(file);
                    if !lines.is_empty() {
                        return Ok(Some(SpoolEvent::Lines { number, lines }));
                    }
                }
                Ok(None) => self.next_segment(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if let Some(event) = self.stored(position) {
                        return Ok(Some(event));
                    }
                }
                Err(error) => {
                    return Err(SpoolError::failed("read", &files::numbered(&self.session.folder, number), error));
                }
            }
        }
        Ok(None)
    }

    fn next_segment(&mut self) {
        self.number += 1;
        self.offset = 0;
        self.file = None;
    }

    /// The segment is gone: it is in the store, and so are those up to the first that is still here.
    fn stored(&mut self, position: WritePosition) -> Option<SpoolEvent> {
        let from = self.number;
        let there = |number: &u32| files::numbered(&self.session.folder, *number).exists();
        let last = if position.ended { position.number + 1 } else { position.number };
        self.number = (from + 1..=position.number).find(there).unwrap_or(last.max(from + 1));
        self.offset = 0;
        let to = (self.number - 1).min(position.chunks);
        (to >= from).then_some(SpoolEvent::Stored { from, to })
    }
}

/// Lines, the offset behind them, and the file that they are from.
type Read = (Vec<u8>, u64, Arc<File>);

/// Reads lines of a file's frames from `offset` on; `None` at the file's end.
fn piece(
    session: &SpooledSession,
    number: u32,
    file: Option<Arc<File>>,
    offset: u64,
    until: u64,
) -> io::Result<Option<Read>> {
    let file = match file {
        Some(file) => file,
        None => Arc::new(File::open(files::numbered(&session.folder, number))?),
    };
    let end = file.metadata()?.len().min(until);
    let mut want = end.saturating_sub(offset).min(PIECE);
    while want > 0 {
        let mut bytes = vec![0; usize::try_from(want).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, offset)?;
        let (mut lines, mut at) = (Vec::new(), 0);
        while let Some((frame, length)) = frame::first(&bytes[at..]) {
            if let Frame::Lines(_, more) | Frame::LinesBegun(more) = frame {
                lines.extend_from_slice(more);
            }
            at += length;
        }
        if at > 0 {
            return Ok(Some((lines, offset + at as u64, file)));
        }
        if offset + want >= end {
            break;
        }
        // A frame longer than a piece.
        want = (want * 4).min(end - offset);
    }
    Ok(None)
}

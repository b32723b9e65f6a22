use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use tokio::sync::watch;

use super::{
    SpoolError,
    frame::{self, Frame},
    spooled::{SpooledSession, WritePosition},
    writer::segment,
};

/// Most bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// What a follower gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpoolEvent {
    /// These chunks are in the store and no longer here: read them there ([`storage::RecordingReader::chunk`]).
    Stored {
        /// The first.
        from: u32,
        /// The last.
        to: u32,
    },
    /// Whole asciicast lines, in order, each once. They are, or will be, a part of that chunk.
    Lines {
        /// The chunk's number.
        number: u32,
        /// UTF-8, each line with its `\n`.
        lines: Vec<u8>,
    },
}

/// A session's lines from some chunk on: everything so far, then what comes. Made by [`super::Spool::follow`].
///
/// It holds nothing up: what is stored while it reads elsewhere comes as [`SpoolEvent::Stored`].
#[derive(Debug)]
pub struct Follow {
    live: Arc<SpooledSession>,
    extent: watch::Receiver<WritePosition>,
    number: u32,
    offset: u64,
    /// The segment that is being read: kept open, so that its rest can be read when it is removed meanwhile.
    file: Option<Arc<File>>,
}

impl Follow {
    pub(super) fn new(live: Arc<SpooledSession>, from: u32) -> Self {
        let extent = live.extent.subscribe();
        Self { live, extent, number: from, offset: 0, file: None }
    }

    /// The next lines; waits where there are none yet. None once the session has ended and everything was read. Dropping
    /// the future loses nothing.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn next(&mut self) -> Result<Option<SpoolEvent>, SpoolError> {
        loop {
            let extent = *self.extent.borrow_and_update();
            if let Some(news) = self.read(extent).await? {
                return Ok(Some(news));
            }
            // At the end of what `extent` says.
            if extent.ended {
                return Ok(None);
            }
            if self.extent.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Like [`Self::next`], without waiting for the session: none where everything that it said so far was read.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn ready(&mut self) -> Result<Option<SpoolEvent>, SpoolError> {
        let extent = *self.extent.borrow_and_update();
        self.read(extent).await
    }

    /// Whether the session has ended and everything was read. Then no file is kept open.
    pub fn is_over(&mut self) -> bool {
        let extent = *self.extent.borrow();
        let over = extent.ended && (self.number, self.offset) >= (extent.number, extent.length);
        if over {
            self.file = None;
        }
        over
    }

    /// Something between here and `extent`, if there is.
    async fn read(&mut self, extent: WritePosition) -> Result<Option<SpoolEvent>, SpoolError> {
        while self.number < extent.number || (self.number == extent.number && self.offset < extent.length) {
            let (live, number, offset) = (Arc::clone(&self.live), self.number, self.offset);
            let file = self.file.clone();
            let until = if number == extent.number { extent.length } else { u64::MAX };
            let task = tokio::task::spawn_blocking(move || piece(&live, number, file, offset, until));
            let read = task.await.unwrap_or_else(|gone| Err(io::Error::other(gone)));
            match read {
                Ok(Some((lines, next, file))) => {
                    self.offset = next;
                    self.file = Some(file);
                    if !lines.is_empty() {
                        return Ok(Some(SpoolEvent::Lines { number, lines }));
                    }
                }
                Ok(None) => self.turn(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if let Some(news) = self.stored(extent) {
                        return Ok(Some(news));
                    }
                }
                Err(error) => {
                    return Err(SpoolError::failed("read", &segment(&self.live.folder, number), error));
                }
            }
        }
        Ok(None)
    }

    fn turn(&mut self) {
        self.number += 1;
        self.offset = 0;
        self.file = None;
    }

    /// The segment is gone: it is in the store, and so are those up to the first that is there.
    fn stored(&mut self, extent: WritePosition) -> Option<SpoolEvent> {
        let from = self.number;
        let there = |number: &u32| segment(&self.live.folder, *number).exists();
        let last = if extent.ended { extent.number + 1 } else { extent.number };
        self.number = (from + 1..=extent.number).find(there).unwrap_or(last.max(from + 1));
        self.offset = 0;
        let to = (self.number - 1).min(extent.chunks);
        (to >= from).then_some(SpoolEvent::Stored { from, to })
    }
}

/// Lines, the offset behind them, and the file they are from.
type Read = (Vec<u8>, u64, Arc<File>);

/// Lines of a file's frames from `offset` on; none at the file's end.
fn piece(
    live: &SpooledSession,
    number: u32,
    file: Option<Arc<File>>,
    offset: u64,
    until: u64,
) -> io::Result<Option<Read>> {
    let file = match file {
        Some(file) => file,
        None => Arc::new(File::open(segment(&live.folder, number))?),
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

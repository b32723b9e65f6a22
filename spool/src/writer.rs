use std::{
    fs::{self, File},
    io::{self, IoSlice, Write},
    sync::Arc,
    time::Duration,
};

use recording::{RecordingId, cast::pieces};

use crate::{
    Checkpoint, SessionRecord, SpoolError, StdStream, TailWrite, checkpoint_file, files,
    frame::{self, LINES_HEAD, PIECE},
    record_file,
    shared::Shared,
    spooled::{Kept, SpooledSession, WritePosition},
    tail::TailFiles,
};

/// A checkpoint that says nothing new but the time is not written more often.
const TIME_ALONE: Duration = Duration::from_secs(1);
/// Most bytes of lines in a segment, even within one append: its chunk must stay below the 64 MiB that a reader unpacks
/// (`storage::chunk::MAX_UNCOMPRESSED`), annotations about damage included.
const LARGEST: u64 = 32 << 20;

/// The writer of one session, the only one. Dropped without [`Self::end`], the session looks like one whose process died.
///
/// All calls write to the disk on the caller's thread, and none syncs.
#[derive(Debug)]
pub struct SpoolWriter {
    shared: Arc<Shared>,
    session: Arc<SpooledSession>,
    /// The segment being written; `None` before its first line.
    file: Option<Arc<File>>,
    number: u32,
    length: u64,
    lines: u64,
    /// What was known at the last append.
    last: Checkpoint,
    /// The checkpoint file, if one was written since the last segment began.
    checkpoints: Option<Arc<Kept>>,
    /// What the checkpoint file has, and how many checkpoints were written to it.
    checkpointed: Checkpoint,
    counter: u64,
    /// What is held of each [`StdStream`].
    held: [Option<(TailFiles, Option<Arc<Kept>>)>; 3],
    /// A failure of the session that the append which met it could not tell: its lines were written.
    untold: Option<SpoolError>,
}

impl SpoolWriter {
    pub(crate) fn new(shared: Arc<Shared>, session: Arc<SpooledSession>) -> Self {
        Self {
            shared,
            session,
            file: None,
            number: 1,
            length: 0,
            lines: 0,
            last: Checkpoint::default(),
            checkpoints: None,
            checkpointed: Checkpoint::default(),
            counter: 0,
            held: [const { None }; 3],
            untold: None,
        }
    }

    /// The recording's id.
    pub fn id(&self) -> RecordingId {
        self.session.id
    }

    /// Bytes of lines in the segment that is being written.
    pub fn segment_bytes(&self) -> u64 {
        self.lines
    }

    /// Appends whole lines and the checkpoint behind them: one `write(2)`, if the lines are shorter than a MiB. When this returns,
    /// `kill -9` loses nothing of them; the disk has them after the next sync. A checkpoint without lines takes no room: it
    /// stands in the place of the one before.
    ///
    /// # Errors
    /// Nothing was appended. [`SpoolError::Full`] may pass, others do not.
    pub fn append(&mut self, checkpoint: &Checkpoint, lines: &[u8]) -> Result<(), SpoolError> {
        if let Some(error) = &self.untold {
            return Err(error.clone());
        }
        if lines.is_empty() {
            self.shared.capacity.is_open()?;
        } else {
            self.shared.capacity.has_room(&self.session, (LINES_HEAD + lines.len()) as u64)?;
        }
        self.append_last(checkpoint, lines)
    }

    /// As [`Self::append`], for a session's last lines: the limits leave room for them, and only a disk that has no byte left
    /// refuses.
    ///
    /// # Errors
    /// As of [`Self::append`].
    pub fn append_last(&mut self, checkpoint: &Checkpoint, lines: &[u8]) -> Result<(), SpoolError> {
        if !lines.is_empty() {
            self.write_lines(checkpoint, lines)?;
            // Digests stand nowhere else. The lines are written, and a caller that got an error would append them again: the
            // next append tells of one that does not pass.
            if checkpoint.digests != self.checkpointed.digests
                && let Err(error) = self.write_checkpoint(checkpoint)
                && !error.is_full()
            {
                self.untold = Some(error);
            }
        } else if self.is_news(checkpoint) {
            self.write_checkpoint(checkpoint)?;
        }
        self.last = *checkpoint;
        self.release(checkpoint.held);
        Ok(())
    }

    /// Writes what an output limit holds back of a stream. The next [`Self::append`] counts it, and its checkpoint says that it
    /// is held; one that does not say so removes it.
    ///
    /// # Errors
    /// As of [`Self::append`]; the caller may try again with the same bytes.
    pub fn hold(&mut self, stream: StdStream, tail: &TailWrite) -> Result<(), SpoolError> {
        self.shared.capacity.is_open()?;
        let Self { shared, session, held, .. } = self;
        let (files, open) = held[stream.index()].get_or_insert_with(|| (TailFiles::new(&session.folder, stream), None));
        let before = files.bytes();
        let written = files.write(open.as_deref().map(|kept| &kept.file), tail);
        let after = files.bytes();
        // The limit counts what is there, not what passed.
        match after.checked_sub(before) {
            Some(more) => shared.capacity.took(session, more),
            None => shared.capacity.gave_back(session, before - after),
        }
        match written {
            Ok(Some(newest)) => *open = Some(session.keep_open(newest)),
            Ok(None) => open.iter().for_each(|kept| session.wrote_kept(kept)),
            Err(error) => return Err(shared.capacity.failed(&files.path(), error)),
        }
        Ok(())
    }

    /// Ends the segment: what comes next is in another file, and this one may be stored. Does nothing if it has no line.
    pub fn roll(&mut self) {
        if self.lines == 0 {
            return;
        }
        // What is known stays when the segment is gone. The next append tells of a disk that is full or fails.
        self.checkpoint_last();
        // A session that is idle for some time has no file open.
        (self.file, self.checkpoints) = (None, None);
        self.number += 1;
        self.length = 0;
        self.lines = 0;
        self.publish(false);
    }

    /// Appends a record to the session's.
    ///
    /// # Errors
    /// As of [`Self::append_last`].
    pub fn note(&mut self, record: &SessionRecord) -> Result<(), SpoolError> {
        record_file::append(&self.shared.capacity, &self.session, record)
    }

    /// Ends the session: nothing more will be written, and the last record says how it ended. It is synced soon.
    pub fn end(mut self) {
        self.publish(true);
        self.let_go();
    }

    /// Has everything synced, after closing it: files that are open at that sync stay open until the session is in the store.
    fn let_go(&mut self) {
        (self.file, self.checkpoints, self.held) = (None, None, [const { None }; 3]);
        self.shared.sync_soon(&self.session);
    }

    /// Shows readers and uploader how far the session is written.
    fn publish(&self, ended: bool) {
        let chunks = self.number - u32::from(self.lines == 0);
        self.session.position.send_replace(WritePosition { number: self.number, length: self.length, chunks, ended });
    }

    /// Writes all of the lines, or none.
    fn write_lines(&mut self, checkpoint: &Checkpoint, lines: &[u8]) -> Result<(), SpoolError> {
        let first = self.file()?;
        let before = (self.number, self.length, self.lines);
        let written = self.write_pieces(checkpoint, lines);
        if written.is_err() {
            self.take_back(first, before)?;
        }
        self.shared.capacity.took(&self.session, written?);
        self.session.mark_dirty();
        self.publish(false);
        Ok(())
    }

    /// Writes frames that can be read again, to segments whose chunks can. Returns the bytes that they take.
    fn write_pieces(&mut self, checkpoint: &Checkpoint, lines: &[u8]) -> Result<u64, SpoolError> {
        let (mut pieces, mut bytes) = (pieces(lines, PIECE).peekable(), 0);
        while let Some(piece) = pieces.next() {
            if self.lines > 0 && self.lines + piece.len() as u64 > LARGEST {
                (self.number, self.file, self.length, self.lines) = (self.number + 1, None, 0, 0);
            }
            bytes += match pieces.peek() {
                Some(_) => self.write_frame(&frame::begun_head(piece), piece)?,
                None => self.write_frame(&frame::lines_head(checkpoint, piece), piece)?,
            };
        }
        Ok(bytes)
    }

    fn write_frame(&mut self, head: &[u8], lines: &[u8]) -> Result<u64, SpoolError> {
        let path = files::numbered(&self.session.folder, self.number);
        // Lines that are too long are this session's: the disk is not at fault.
        frame::fits(head.len() + lines.len()).map_err(|error| SpoolError::failed("write", &path, error))?;
        let file = self.file()?;
        write_both(&file, head, lines).map_err(|error| self.shared.capacity.write_failed("write", &path, error))?;
        let bytes = (head.len() + lines.len()) as u64;
        self.length += bytes;
        self.lines += lines.len() as u64;
        Ok(bytes)
    }

    /// Removes what was written of an append that failed: it must not stand before the next one.
    fn take_back(&mut self, first: Arc<File>, before: (u32, u64, u64)) -> Result<(), SpoolError> {
        for number in before.0 + 1..=self.number {
            let path = files::numbered(&self.session.folder, number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.shared.capacity.open_failed("remove", &path, error));
                }
                _ => {}
            }
        }
        (self.number, self.length, self.lines) = before;
        let path = files::numbered(&self.session.folder, self.number);
        first.set_len(self.length).map_err(|error| self.shared.capacity.write_failed("cut", &path, error))?;
        self.file = Some(first);
        Ok(())
    }

    /// Whether the checkpoint by itself would say something new.
    fn is_news(&self, checkpoint: &Checkpoint) -> bool {
        let known = Checkpoint { time: checkpoint.time, ..self.checkpointed };
        *checkpoint != known || checkpoint.time.since(self.checkpointed.time) >= TIME_ALONE
    }

    /// Writes the last checkpoint by itself if it says something new, as far as the disk lets it.
    fn checkpoint_last(&mut self) {
        let last = self.last;
        if self.is_news(&last) {
            let _ = self.write_checkpoint(&last);
        }
    }

    fn write_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), SpoolError> {
        let Self { shared, session, checkpoints, .. } = self;
        let failed = |error| shared.capacity.failed(&checkpoint_file::path(&session.folder), error);
        let kept = match checkpoints {
            Some(kept) => kept,
            None => {
                let (file, bytes) = checkpoint_file::open(&session.folder).map_err(failed)?;
                shared.capacity.took(session, bytes);
                checkpoints.insert(session.keep_open(file))
            }
        };
        checkpoint_file::write(&kept.file, self.counter, checkpoint).map_err(failed)?;
        session.wrote_kept(kept);
        self.counter += 1;
        self.checkpointed = *checkpoint;
        Ok(())
    }

    /// Removes what is held of streams whose end is in lines by now.
    fn release(&mut self, held: [bool; 3]) {
        for (files, _) in self.held.iter_mut().zip(held).filter_map(|(files, held)| files.take_if(|_| !held)) {
            let bytes = files.bytes();
            files.remove();
            self.shared.capacity.gave_back(&self.session, bytes);
        }
    }

    fn file(&mut self) -> Result<Arc<File>, SpoolError> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let path = files::numbered(&self.session.folder, self.number);
        let file = files::create(&path).map_err(|error| self.shared.capacity.open_failed("create", &path, error))?;
        let file = Arc::new(file);
        self.session.created(&file);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        if self.session.position.borrow().ended {
            return;
        }
        // What is known stays, as of a session whose process died.
        self.checkpoint_last();
        // Readers and uploader must not wait for more.
        self.session.position.send_modify(|position| position.ended = true);
        self.let_go();
    }
}

fn write_both(mut file: &File, head: &[u8], lines: &[u8]) -> io::Result<()> {
    let written = loop {
        match file.write_vectored(&[IoSlice::new(head), IoSlice::new(lines)]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    match written.checked_sub(head.len()) {
        Some(of_lines) => file.write_all(&lines[of_lines..]),
        None => {
            file.write_all(&head[written..])?;
            file.write_all(lines)
        }
    }
}

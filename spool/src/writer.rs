use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use super::{
    Checkpoint, SessionRecord, SpoolError, TailWrite, checkpoints,
    frame::{self, LINES_HEAD, PIECE},
    inner::Inner,
    spooled::{Kept, SpooledSession, WritePosition},
    tail::TailFiles,
};
use recording::{RecordingId, cast::pieces};

/// A mark that says nothing new but the time is not written more often than this.
const TIME_ALONE: u64 = 1_000_000;
/// A segment does not grow beyond so many bytes of lines, even within one append: the chunk of it must stay below what a reader
/// unpacks ([`crate::chunk::MAX_UNCOMPRESSED`]), annotations about damage included.
const LARGEST: u64 = 32 << 20;

/// The writer of one session. There is one; dropped without [`Self::end`] the session looks like one whose process died.
#[derive(Debug)]
pub struct SpoolWriter {
    inner: Arc<Inner>,
    live: Arc<SpooledSession>,
    /// The segment being written, once something was.
    file: Option<Arc<File>>,
    number: u32,
    length: u64,
    lines: u64,
    /// What was known at the last append.
    last: Checkpoint,
    /// The file of marks by themselves, where one was written to it since the last segment; what it has, and how many were
    /// written.
    marks: Option<Arc<Kept>>,
    marked: Checkpoint,
    counter: u64,
    /// By stdout, stderr and stdin.
    held: [Option<(TailFiles, Option<Arc<Kept>>)>; 3],
}

impl SpoolWriter {
    pub(super) fn new(inner: Arc<Inner>, live: Arc<SpooledSession>) -> Self {
        let (last, marked) = (Checkpoint::default(), Checkpoint::default());
        let held = [const { None }; 3];
        Self { inner, live, file: None, number: 1, length: 0, lines: 0, last, marks: None, marked, counter: 0, held }
    }

    /// The recording's id.
    pub fn id(&self) -> RecordingId {
        self.live.id
    }

    /// Bytes of lines in the segment that is being written.
    pub fn segment_bytes(&self) -> u64 {
        self.lines
    }

    /// Appends whole lines, and what is known beside them: one `write`, of lines below a MiB. When this returns, `kill -9` loses nothing of it;
    /// the disk has it after the next sync. Without lines it takes no room: what is known takes the place of what was known.
    ///
    /// # Errors
    /// Nothing was appended: [`SpoolError::Full`] may pass, others do not.
    pub fn append(&mut self, mark: &Checkpoint, lines: &[u8]) -> Result<(), SpoolError> {
        if lines.is_empty() {
            self.inner.open()?;
        } else {
            self.inner.room(&self.live, (LINES_HEAD + lines.len()) as u64)?;
        }
        self.append_anyway(mark, lines)
    }

    /// The same for a session's last lines, which the bounds leave room for. Only a disk that has no byte left refuses.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_anyway(&mut self, mark: &Checkpoint, lines: &[u8]) -> Result<(), SpoolError> {
        if !lines.is_empty() {
            self.write_lines(mark, lines)?;
            // Digests stand nowhere else. The lines are there, and a caller that was told otherwise would append them again:
            // a disk that fails here is told of by the next append.
            if mark.digests != self.marked.digests {
                let _ = self.write_mark(mark);
            }
        } else if self.is_news(mark) {
            self.write_mark(mark)?;
        }
        self.last = *mark;
        self.release(mark.held);
        Ok(())
    }

    /// Writes down what a flood policy holds back of the stream at `place` (0 to 2: stdout, stderr, stdin). The next
    /// [`Self::append`] counts it, and says by its mark that it is held; one that does not removes what is held.
    ///
    /// # Errors
    /// As [`Self::append`]; the caller may try again with the same.
    pub fn hold(&mut self, place: usize, holding: &TailWrite) -> Result<(), SpoolError> {
        self.inner.open()?;
        let Self { inner, live, held, .. } = self;
        let (files, open) = held[place].get_or_insert_with(|| (TailFiles::new(&live.folder, place), None));
        let before = files.bytes();
        let written = files.write(open.as_deref().map(|kept| &kept.file), holding);
        let after = files.bytes();
        // The bound counts what is there, not what passed.
        match after.checked_sub(before) {
            Some(more) => inner.took(live, more),
            None => inner.shrunk(live, before - after),
        }
        match written {
            Ok(Some(newest)) => *open = Some(live.keeps(newest)),
            Ok(None) => open.iter().for_each(|kept| live.wrote_to(kept)),
            Err(error) => return Err(inner.failed("write", &files.path(), error)),
        }
        Ok(())
    }

    /// Ends the segment: what comes next is in another file, and this one may be stored. Does nothing where it has no line.
    pub fn roll(&mut self) {
        if self.lines == 0 {
            return;
        }
        // What is known stays when the segment is gone. A disk that is full, or failed, is told of by the next append.
        let last = self.last;
        if self.is_news(&last) {
            let _ = self.write_mark(&last);
        }
        // A session that says nothing for some time has no file open.
        (self.file, self.marks) = (None, None);
        self.number += 1;
        self.length = 0;
        self.lines = 0;
        self.tell(false);
    }

    /// Writes down a fact.
    ///
    /// # Errors
    /// As [`Self::append_anyway`].
    pub fn fact(&mut self, fact: &SessionRecord) -> Result<(), SpoolError> {
        self.inner.write_fact(&self.live, fact)
    }

    /// Nothing more will be written, and the last fact says how the session ended. It is synced soon.
    pub fn end(mut self) {
        self.tell(true);
        self.let_go();
    }

    /// Has everything synced and closed. What is still open when that is done would be until the session is in the store.
    fn let_go(&mut self) {
        (self.file, self.marks, self.held) = (None, None, [const { None }; 3]);
        self.inner.sync_soon(&self.live);
    }

    fn tell(&self, ended: bool) {
        let chunks = self.number - u32::from(self.lines == 0);
        self.live.extent.send_replace(WritePosition { number: self.number, length: self.length, chunks, ended });
    }

    /// All of the lines, or none.
    fn write_lines(&mut self, mark: &Checkpoint, lines: &[u8]) -> Result<(), SpoolError> {
        let first = self.file()?;
        let before = (self.number, self.length, self.lines);
        let written = self.write_pieces(mark, lines);
        if written.is_err() {
            self.take_back(first, before)?;
        }
        self.inner.took(&self.live, written?);
        self.live.wrote();
        self.tell(false);
        Ok(())
    }

    /// In frames that can be read again, in segments whose chunks can. The answer is the bytes that they take.
    fn write_pieces(&mut self, mark: &Checkpoint, lines: &[u8]) -> Result<u64, SpoolError> {
        let (mut pieces, mut bytes) = (pieces(lines, PIECE).peekable(), 0);
        while let Some(piece) = pieces.next() {
            if self.lines > 0 && self.lines + piece.len() as u64 > LARGEST {
                (self.number, self.file, self.length, self.lines) = (self.number + 1, None, 0, 0);
            }
            bytes += match pieces.peek() {
                Some(_) => self.write_frame(&frame::begun_head(piece), piece)?,
                None => self.write_frame(&frame::lines_head(mark, piece), piece)?,
            };
        }
        Ok(bytes)
    }

    fn write_frame(&mut self, head: &[u8], lines: &[u8]) -> Result<u64, SpoolError> {
        let path = segment(&self.live.folder, self.number);
        // Of this session alone: the disk is not at fault.
        frame::fits(head.len() + lines.len()).map_err(|error| SpoolError::failed("write", &path, error))?;
        let file = self.file()?;
        write_both(&file, head, lines).map_err(|error| self.inner.failed("write", &path, error))?;
        let bytes = (head.len() + lines.len()) as u64;
        self.length += bytes;
        self.lines += lines.len() as u64;
        Ok(bytes)
    }

    /// What was written of an append that failed is none, and must not stand before the next one.
    fn take_back(&mut self, first: Arc<File>, before: (u32, u64, u64)) -> Result<(), SpoolError> {
        for number in before.0 + 1..=self.number {
            let path = segment(&self.live.folder, number);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(self.inner.failed("remove", &path, error));
                }
                _ => {}
            }
        }
        (self.number, self.length, self.lines) = before;
        let path = segment(&self.live.folder, self.number);
        first.set_len(self.length).map_err(|error| self.inner.failed("cut", &path, error))?;
        self.file = Some(first);
        Ok(())
    }

    /// Whether the mark by itself would say something new.
    fn is_news(&self, mark: &Checkpoint) -> bool {
        let Checkpoint { micros, .. } = self.marked;
        *mark != Checkpoint { micros: mark.micros, ..self.marked } || mark.micros.saturating_sub(micros) >= TIME_ALONE
    }

    fn write_mark(&mut self, mark: &Checkpoint) -> Result<(), SpoolError> {
        let Self { inner, live, marks, .. } = self;
        let failed = |error| inner.failed("write", &checkpoints::path(&live.folder), error);
        let kept = match marks {
            Some(kept) => kept,
            None => {
                let (file, bytes) = checkpoints::open(&live.folder).map_err(failed)?;
                inner.took(live, bytes);
                marks.insert(live.keeps(file))
            }
        };
        checkpoints::write(&kept.file, self.counter, mark).map_err(failed)?;
        live.wrote_to(kept);
        self.counter += 1;
        self.marked = *mark;
        Ok(())
    }

    /// Removes what is held of streams whose end is in lines by now.
    fn release(&mut self, held: [bool; 3]) {
        for (files, _) in self.held.iter_mut().zip(held).filter_map(|(files, held)| files.take_if(|_| !held)) {
            let bytes = files.bytes();
            files.remove();
            self.inner.shrunk(&self.live, bytes);
        }
    }

    fn file(&mut self) -> Result<Arc<File>, SpoolError> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let path = segment(&self.live.folder, self.number);
        let file = create(&path).map_err(|error| match self.live.is_gone() {
            // Set aside: the folder is elsewhere, and only this session ends by it.
            true => SpoolError::failed("create", &path, error),
            false => self.inner.failed("create", &path, error),
        })?;
        let file = Arc::new(file);
        self.live.made(&file);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        if self.live.extent.borrow().ended {
            return;
        }
        // What is known stays, as for one whose process died.
        let last = self.last;
        if self.is_news(&last) {
            let _ = self.write_mark(&last);
        }
        // Readers and uploader must not wait for more.
        self.live.extent.send_modify(|extent| extent.ended = true);
        self.let_go();
    }
}

/// `000001` of a session's folder.
pub(super) fn segment(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:06}"))
}

/// A new file to append to, of mode 0600.
pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
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

impl Inner {
    /// Bytes that a session took.
    pub(super) fn took(&self, live: &SpooledSession, bytes: u64) {
        live.used.fetch_add(bytes, Ordering::Relaxed);
        self.grown(bytes);
    }
}

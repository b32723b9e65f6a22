use std::{
    fs::{File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use super::{
    Fact, Mark, SpoolError,
    frame::{self, LINES_HEAD},
    inner::Inner,
    live::{Extent, Live},
};
use crate::RecordingId;

/// The writer of one session. There is one; dropped without [`Self::end`] the session looks like one whose process died.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
    live: Arc<Live>,
    /// The segment being written, once something was.
    file: Option<Arc<File>>,
    number: u32,
    length: u64,
    lines: u64,
}

impl Session {
    pub(super) fn new(inner: Arc<Inner>, live: Arc<Live>) -> Self {
        Self { inner, live, file: None, number: 1, length: 0, lines: 0 }
    }

    /// The recording's id.
    pub fn id(&self) -> RecordingId {
        self.live.id
    }

    /// Bytes of lines in the segment that is being written.
    pub fn segment_bytes(&self) -> u64 {
        self.lines
    }

    /// Appends whole lines, which may be none, and what is known beside them: one `write`. When this returns, `kill -9`
    /// loses nothing of it; the disk has it after the next sync.
    ///
    /// # Errors
    /// Nothing was appended: [`SpoolError::Full`] may pass, others do not.
    pub fn append(&mut self, mark: &Mark, lines: &[u8]) -> Result<(), SpoolError> {
        let bytes = (LINES_HEAD + lines.len()) as u64;
        self.inner.room(&self.live, bytes)?;
        self.append_anyway(mark, lines)
    }

    /// The same for a session's last lines, which the bounds leave room for. Only a disk that has no byte left refuses.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_anyway(&mut self, mark: &Mark, lines: &[u8]) -> Result<(), SpoolError> {
        let file = self.file()?;
        let head = frame::lines_head(mark, lines);
        let written = write_both(&file, &head, lines);
        if let Err(error) = written {
            let path = segment(&self.live.folder, self.number);
            // What was written of it is no frame, and must not stand before the next one.
            if let Err(error) = file.set_len(self.length) {
                return Err(self.inner.failed("cut", &path, error));
            }
            return Err(self.inner.failed("write", &path, error));
        }
        let bytes = (LINES_HEAD + lines.len()) as u64;
        self.length += bytes;
        self.lines += lines.len() as u64;
        self.inner.took(&self.live, bytes);
        self.live.wrote();
        self.tell(false);
        Ok(())
    }

    /// Ends the segment: what comes next is in another file, and this one may be stored. Does nothing where it has no line.
    pub fn roll(&mut self) {
        if self.lines == 0 {
            return;
        }
        self.file = None;
        self.number += 1;
        self.length = 0;
        self.lines = 0;
        self.tell(false);
    }

    /// Writes down a fact.
    ///
    /// # Errors
    /// As [`Self::append_anyway`].
    pub fn fact(&mut self, fact: &Fact) -> Result<(), SpoolError> {
        self.inner.write_fact(&self.live, fact)
    }

    /// Nothing more will be written, and the last fact says how the session ended. It is synced soon.
    pub fn end(mut self) {
        self.file = None;
        self.tell(true);
        self.inner.sync_soon(&self.live);
    }

    fn tell(&self, ended: bool) {
        let chunks = self.number - u32::from(self.lines == 0);
        self.live.extent.send_replace(Extent { number: self.number, length: self.length, chunks, ended });
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

impl Drop for Session {
    fn drop(&mut self) {
        // Readers and uploader must not wait for more.
        self.live.extent.send_if_modified(|extent| !std::mem::replace(&mut extent.ended, true));
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
    pub(super) fn took(&self, live: &Live, bytes: u64) {
        live.used.fetch_add(bytes, Ordering::Relaxed);
        self.grown(bytes);
    }
}

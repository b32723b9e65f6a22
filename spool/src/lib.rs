//! The local write-ahead log: what is accepted stands here before it is forwarded, and until it is in the store.
//!
//! ```text
//! <folder>/lock                    held by the process that writes here
//! <folder>/<recording id>/000000   header and facts           see `frame`
//!                         000001   the lines of chunk 000001, frame by frame, each checked by a CRC
//!                         …        removed once the chunk is in the store; the folder, once the manifest is
//!                         marks    counts and digests that no line has
//!                         stdout.0 the end of a stream that a flood policy holds back, see `held`
//! <folder>/<recording id>.stored/  is being removed: whoever finds it goes on with that
//! <folder>/aside/<id>/             sessions that cannot be stored: for a person
//! ```
//!
//! Writers: [`Spool::begin`] gives a [`SpoolWriter`]; each [`SpoolWriter::append`] is one `write`. One thread syncs.
//!
//! Readers in the same process: [`Spool::live`] lists, [`Spool::follow`] reads everything so far and then follows.
//!
//! ```ignore
//! let mut follow = spool.follow(id, 1)?;            // none: the session is not here; read the store
//! while let Some(news) = follow.next().await? {
//!     match news {
//!         News::Stored { from, to } => { /* these chunks: recordings.chunk(id, number) */ }
//!         News::Lines { lines, .. } => { /* cast::events(&lines) */ }
//!     }
//! }                                                 // ended: the manifest follows in the store
//! ```

mod checkpoints;
mod error;
mod follow;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod inner;
mod limits;
mod record;
mod recovery;
mod spooled;
mod sync;
mod tail;
mod writer;

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

pub use error::{LimitKind, SpoolError};
pub use follow::{Follow, SpoolEvent};
pub use frame::{Checkpoint, PartialUtf8};
use inner::Inner;
pub use limits::{SpoolLimits, SpoolUsage};
pub use record::{SessionRecord, SessionRecords, boot_id};
pub use recovery::{Segment, gap};
use spooled::{SpooledSession, WritePosition};
pub use tail::{HeldTail, TailWrite};
use tokio::sync::watch;
pub use writer::SpoolWriter;

use recording::{RecordingId, cast::Header};

/// What the name of a session's folder ends with while it is removed, file by file.
const STORED: &str = ".stored";
/// Sessions that cannot be stored are moved here.
const ASIDE: &str = "aside";

/// A spool folder, held by this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spool {
    inner: Arc<Inner>,
    _thread: Arc<Thread>,
}

#[derive(Debug)]
struct Thread {
    inner: Arc<Inner>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.inner.syncs().over = true;
        self.inner.wake.notify_one();
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            let _ = handle.join();
        }
    }
}

impl Spool {
    /// Opens the folder, making it where it is missing, and starts the syncing thread. Sessions that an earlier process left
    /// are there and ended: [`Self::sessions`] lists them.
    ///
    /// # Errors
    /// [`SpoolError::Taken`], or a folder that cannot be used.
    pub fn open(folder: impl AsRef<Path>, limits: SpoolLimits) -> Result<Self, SpoolError> {
        let folder = folder.as_ref().to_owned();
        make_dir(&folder).map_err(|error| SpoolError::failed("make", &folder, error))?;
        let lock = Inner::lock(&folder)?;
        let inner = Arc::new(Inner::new(folder.clone(), limits, lock));
        inner.look();
        adopt(&inner).map_err(|error| SpoolError::failed("read", &folder, error))?;
        let started = sync::start(&inner);
        let handle = started.map_err(|error| SpoolError::failed("sync", &folder, error))?;
        let thread = Thread { inner: Arc::clone(&inner), handle: Mutex::new(Some(handle)) };
        Ok(Self { inner, _thread: Arc::new(thread) })
    }

    /// Opens a session. When this returns, its header is on the disk, synced.
    ///
    /// # Errors
    /// [`SpoolError::Full`] at the limits for all sessions; the disk's error.
    pub async fn begin(&self, id: RecordingId, header: &Header) -> Result<SpoolWriter, SpoolError> {
        self.inner.may_begin()?;
        let folder = self.inner.folder.join(id.to_string());
        let made = DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| self.inner.failed("make", &folder, error))?;
        let live =
            Arc::new(SpooledSession::new(id, folder, true, WritePosition { number: 1, ..WritePosition::default() }, 0));
        let written = self.inner.write_header(&live, &header.to_line(), &SessionRecord::Opened { boot: boot_id() });
        let synced = match written {
            Ok(()) => self.inner.synced(&live).await,
            Err(error) => Err(error),
        };
        if let Err(error) = synced {
            let _ = fs::remove_dir_all(&live.folder);
            return Err(error);
        }
        self.inner.sessions().insert(id, Arc::clone(&live));
        self.inner.changes.send_modify(|count| *count += 1);
        Ok(SpoolWriter::new(Arc::clone(&self.inner), live))
    }

    /// Whether a session could begin now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), SpoolError> {
        self.inner.may_begin()
    }

    /// The sessions that this process is recording now.
    pub fn live(&self) -> Vec<RecordingId> {
        let sessions = self.inner.sessions();
        let live = sessions.values().filter(|live| live.recorded_here && !live.extent.borrow().ended);
        live.map(|live| live.id).collect()
    }

    /// All sessions of which something is not in the store yet, those of earlier processes included.
    pub fn sessions(&self) -> Vec<RecordingId> {
        self.inner.sessions().keys().copied().collect()
    }

    /// Those that an earlier process left.
    pub fn left(&self) -> Vec<RecordingId> {
        let sessions = self.inner.sessions();
        sessions.values().filter(|live| !live.recorded_here).map(|live| live.id).collect()
    }

    /// Whether it is one that an earlier process left.
    pub fn is_left(&self, id: RecordingId) -> bool {
        self.find(id).is_some_and(|live| !live.recorded_here)
    }

    /// Whether something of the session is not in the store yet.
    pub fn has(&self, id: RecordingId) -> bool {
        self.inner.sessions().contains_key(&id)
    }

    /// Changes whenever a session begins, or is in the store with its manifest.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// The lines of a session from chunk `from` on (1 is the first with events): everything so far, then what comes. None
    /// for a session that is not here: its manifest is in the store, or another gateway records it.
    pub fn follow(&self, id: RecordingId, from: u32) -> Option<Follow> {
        Some(Follow::new(self.find(id)?, from.max(1)))
    }

    /// A session's header, of one that is here.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn header(&self, id: RecordingId) -> Result<Option<Header>, SpoolError> {
        let facts = self.facts(id)?;
        Ok(facts.and_then(|facts| Header::parse(&facts.header).ok()))
    }

    /// What a session's first file says; none for one that is not here, or whose header is not whole: [`Self::is_unopened`]
    /// tells whether it ever was.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn facts(&self, id: RecordingId) -> Result<Option<SessionRecords>, SpoolError> {
        let Some(live) = self.find(id) else { return Ok(None) };
        recovery::facts(&live.folder)
    }

    /// Whether a session without [`Self::facts`] was never opened: its folder has nothing but the beginning of a header that
    /// was being written. Otherwise the disk has damaged the header of one that was.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn is_unopened(&self, id: RecordingId) -> Result<bool, SpoolError> {
        let Some(live) = self.find(id) else { return Ok(true) };
        recovery::is_unopened(&live.folder).map_err(|error| SpoolError::failed("read", &live.folder, error))
    }

    /// Writes down a fact of a session that has ended, for whoever goes on after this process.
    ///
    /// # Errors
    /// The disk's.
    pub fn note(&self, id: RecordingId, fact: &SessionRecord) -> Result<(), SpoolError> {
        match self.find(id) {
            Some(live) => self.inner.write_fact(&live, fact),
            None => Ok(()),
        }
    }

    /// Numbers of a session's segments that are whole: for one that ended, all.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn closed_segments(&self, id: RecordingId) -> Result<Vec<u32>, SpoolError> {
        let Some(live) = self.find(id) else { return Ok(Vec::new()) };
        let extent = *live.extent.borrow();
        let numbers =
            recovery::numbers(&live.folder).map_err(|error| SpoolError::failed("read", &live.folder, error))?;
        Ok(numbers.into_iter().filter(|number| extent.ended || *number < extent.number).collect())
    }

    /// A segment's content. Half a frame at its end was never forwarded, unless it is known that more came: then it is damage.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn segment(&self, id: RecordingId, number: u32) -> Result<Segment, SpoolError> {
        let live = self.find(id);
        let closed = live.is_some_and(|live| live.recorded_here && number < live.extent.borrow().number);
        recovery::read(&self.inner.folder.join(id.to_string()), number, closed)
    }

    /// What was known beside the lines, last of all; `of_lines` is what the last line's frame says. None for a session that
    /// is not here, or that said nothing.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn mark(&self, id: RecordingId, of_lines: Option<Checkpoint>) -> Result<Option<Checkpoint>, SpoolError> {
        let Some(live) = self.find(id) else { return Ok(of_lines) };
        let alone = checkpoints::read(&live.folder);
        let alone = alone.map_err(|error| SpoolError::failed("read", &checkpoints::path(&live.folder), error))?;
        Ok(recovery::last(of_lines, alone))
    }

    /// Keeps a mark of a session that has ended, whatever becomes of its segments.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep(&self, id: RecordingId, mark: &Checkpoint) -> Result<(), SpoolError> {
        let Some(live) = self.find(id) else { return Ok(()) };
        let path = checkpoints::path(&live.folder);
        let kept = checkpoints::keep(&live.folder, mark).map_err(|error| self.inner.failed("write", &path, error))?;
        let synced = kept.map_or(Ok(()), |file| file.sync_data());
        synced.map_err(|error| self.inner.failed_sync(&path, error))
    }

    /// What a flood policy held back of the stream at `place` (0 to 2: stdout, stderr, stdin), of its first `total` bytes.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn held(&self, id: RecordingId, place: usize, total: u64) -> Result<HeldTail, SpoolError> {
        let Some(live) = self.find(id) else { return Ok(HeldTail::default()) };
        tail::read(&live.folder, place, total).map_err(|error| SpoolError::failed("read", &live.folder, error))
    }

    /// Resolves with each change of a session: lines, a closed segment, its end. None for one that is not here.
    pub fn watch(&self, id: RecordingId) -> Option<Watch> {
        let extent = self.find(id)?.extent.subscribe();
        let seen = state(&extent.borrow());
        Some(Watch { extent, seen })
    }

    /// The segment is in the store: it is removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn stored(&self, id: RecordingId, number: u32) -> Result<(), SpoolError> {
        let Some(live) = self.find(id) else { return Ok(()) };
        let path = writer::segment(&live.folder, number);
        let removed = fs::metadata(&path).and_then(|file| fs::remove_file(&path).map(|()| file.len()));
        match removed {
            Ok(bytes) => self.inner.shrunk(&live, bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(SpoolError::failed("remove", &path, error)),
        }
        Ok(())
    }

    /// The whole session is in the store, manifest included: its folder is removed.
    ///
    /// # Errors
    /// The disk's.
    pub fn finished(&self, id: RecordingId) -> Result<(), SpoolError> {
        let Some(live) = self.find(id) else { return Ok(()) };
        live.leave();
        // Half a folder would be taken for a session of which the disk has lost something, and told of.
        let stored = self.inner.folder.join(format!("{id}{STORED}"));
        if let Err(error) = fs::rename(&live.folder, &stored)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(SpoolError::failed("move", &live.folder, error));
        }
        // What is left goes at the next start.
        let _ = fs::remove_dir_all(&stored);
        self.inner.forget(&live);
        Ok(())
    }

    /// The session cannot be stored, as the store has something else under its name, or its header is damaged: its folder is
    /// moved to `aside/` for a person. The answer says where it is.
    ///
    /// # Errors
    /// The disk's.
    pub fn set_aside(&self, id: RecordingId) -> Result<PathBuf, SpoolError> {
        let aside = self.inner.folder.join(ASIDE);
        let place = aside.join(id.to_string());
        let Some(live) = self.find(id) else { return Ok(place) };
        // Who still writes must not take its absence for a disk that fails.
        live.leave();
        let moved = make_dir(&aside).and_then(|()| fs::rename(&live.folder, &place));
        moved.map_err(|error| SpoolError::failed("move", &live.folder, error))?;
        self.inner.forget(&live);
        Ok(place)
    }

    /// Resolves when there may be room that was not there when this was called.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.inner.freed.notified()
    }

    /// How full it is.
    pub fn usage(&self) -> SpoolUsage {
        SpoolUsage { sessions: self.inner.sessions().len(), bytes: self.inner.used(), free: self.inner.free() }
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> SpoolLimits {
        self.inner.limits
    }

    /// Syncs what a session has so far. For tests and for who must know it on the disk.
    ///
    /// # Errors
    /// The disk's.
    pub async fn sync(&self, id: RecordingId) -> Result<(), SpoolError> {
        match self.find(id) {
            Some(live) => self.inner.synced(&live).await,
            None => Ok(()),
        }
    }

    fn find(&self, id: RecordingId) -> Option<Arc<SpooledSession>> {
        self.inner.sessions().get(&id).cloned()
    }
}

/// Waits for a session's changes.
#[derive(Debug)]
pub struct Watch {
    extent: watch::Receiver<WritePosition>,
    seen: (bool, u32),
}

impl Watch {
    /// Whether the session ended, and how many segments it closed. Later changes wake [`Self::changed`].
    pub fn seen(&mut self) -> (bool, u32) {
        self.seen = state(&self.extent.borrow_and_update());
        self.seen
    }

    /// Resolves once that is not as it was seen last.
    pub async fn changed(&mut self) {
        let seen = self.seen;
        let _ = self.extent.wait_for(|extent| state(extent) != seen).await;
    }
}

fn state(extent: &WritePosition) -> (bool, u32) {
    (extent.ended, extent.number.saturating_sub(1))
}

/// Knows what an earlier process left.
fn adopt(inner: &Arc<Inner>) -> io::Result<()> {
    for entry in fs::read_dir(&inner.folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.ends_with(STORED) {
            fs::remove_dir_all(entry.path())?;
        }
        let Ok(id) = name.parse::<RecordingId>() else { continue };
        let (folder, mut used) = (entry.path(), 0);
        for file in fs::read_dir(&folder)? {
            used += file?.metadata()?.len();
        }
        let number = recovery::numbers(&folder)?.last().copied().unwrap_or(1);
        let length = fs::metadata(writer::segment(&folder, number)).map_or(0, |file| file.len());
        let live =
            SpooledSession::new(id, folder, false, WritePosition { number, length, chunks: number, ended: true }, 0);
        inner.took(&live, used);
        inner.sessions().insert(id, Arc::new(live));
    }
    Ok(())
}

fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

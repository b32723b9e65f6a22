use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, oneshot, watch};

use super::{
    LimitKind, SessionRecord, SpoolError, SpoolLimits, frame,
    spooled::SpooledSession,
    writer::{create, segment},
};
use recording::RecordingId;

/// Bytes after which the disk's free space is looked at, beside each sync.
const LOOK: u64 = 8 << 20;

/// What everything of a spool shares.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) folder: PathBuf,
    pub(super) limits: SpoolLimits,
    pub(super) sessions: Mutex<HashMap<RecordingId, Arc<SpooledSession>>>,
    /// Counts sessions that begin or end.
    pub(super) changes: watch::Sender<u64>,
    /// There may be room again.
    pub(super) freed: Notify,
    pub(super) syncs: Mutex<Syncs>,
    pub(super) wake: Condvar,
    used: AtomicU64,
    /// Written since the disk was looked at.
    unlooked: AtomicU64,
    free: AtomicU64,
    low: AtomicBool,
    failure: OnceLock<SpoolError>,
    /// Held while the process lives.
    _lock: File,
}

/// Who waits for a sync, and is told how it went.
pub(super) type Waiting = oneshot::Sender<Result<(), SpoolError>>;

/// What the syncing thread has been asked for.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    pub(super) asked: Vec<(Arc<SpooledSession>, Option<Waiting>)>,
    pub(super) over: bool,
}

impl Inner {
    pub(super) fn new(folder: PathBuf, limits: SpoolLimits, lock: File) -> Self {
        Self {
            folder,
            limits,
            sessions: Mutex::default(),
            changes: watch::Sender::new(0),
            freed: Notify::new(),
            syncs: Mutex::default(),
            wake: Condvar::new(),
            used: AtomicU64::new(0),
            unlooked: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
            low: AtomicBool::new(false),
            failure: OnceLock::new(),
            _lock: lock,
        }
    }

    /// Whether a session may write so many bytes more.
    pub(super) fn room(&self, live: &SpooledSession, bytes: u64) -> Result<(), SpoolError> {
        self.open()?;
        if live.used.load(Ordering::Relaxed) + bytes > self.limits.session_bytes {
            return Err(SpoolError::Full(LimitKind::Session));
        }
        Ok(())
    }

    /// Whether a session may begin.
    pub(super) fn may_begin(&self) -> Result<(), SpoolError> {
        self.open()?;
        if self.sessions().len() >= self.limits.sessions {
            return Err(SpoolError::Full(LimitKind::Sessions));
        }
        Ok(())
    }

    /// Whether anything may be written at all.
    pub(super) fn open(&self) -> Result<(), SpoolError> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        if self.used.load(Ordering::Relaxed) >= self.limits.total_bytes {
            return Err(SpoolError::Full(LimitKind::Total));
        }
        if self.low.load(Ordering::Relaxed) {
            return Err(SpoolError::Full(LimitKind::Disk));
        }
        Ok(())
    }

    pub(super) fn grown(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        if self.unlooked.fetch_add(bytes, Ordering::Relaxed) + bytes >= LOOK {
            self.look();
        }
    }

    /// Files of a session are gone.
    pub(super) fn shrunk(&self, live: &SpooledSession, bytes: u64) {
        let subtract = |number: &AtomicU64| {
            let _ = number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(bytes)));
        };
        subtract(&live.used);
        subtract(&self.used);
        self.look();
        self.freed.notify_waiters();
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Looks how much the disk has left.
    pub(super) fn look(&self) {
        self.unlooked.store(0, Ordering::Relaxed);
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        self.free.store(free, Ordering::Relaxed);
        let low = free < self.limits.disk_floor;
        if self.low.swap(low, Ordering::Relaxed) && !low {
            self.freed.notify_waiters();
        }
    }

    /// The disk's error for a caller. One that is not about room ends the spool: what a failed write or sync left behind
    /// is not known.
    pub(super) fn failed(&self, action: &'static str, path: &Path, error: io::Error) -> SpoolError {
        let error = SpoolError::failed(action, path, error);
        if error.is_full() {
            self.look();
        } else {
            let _ = self.failure.set(error.clone());
            self.freed.notify_waiters();
        }
        error
    }

    /// The same of a sync. Whatever it says, it is said once, and what was written before it may be lost: that there is no room
    /// ends the spool as well.
    pub(super) fn failed_sync(&self, path: &Path, error: io::Error) -> SpoolError {
        let error = SpoolError::broken("sync", path, error);
        let _ = self.failure.set(error.clone());
        self.freed.notify_waiters();
        error
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, HashMap<RecordingId, Arc<SpooledSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn syncs(&self) -> MutexGuard<'_, Syncs> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a session synced without waiting for it.
    pub(super) fn sync_soon(&self, live: &Arc<SpooledSession>) {
        self.syncs().asked.push((Arc::clone(live), None));
        self.wake.notify_one();
    }

    /// Resolves once everything that was written of a session is on the disk.
    pub(super) async fn synced(&self, live: &Arc<SpooledSession>) -> Result<(), SpoolError> {
        let (done, waiting) = oneshot::channel();
        self.syncs().asked.push((Arc::clone(live), Some(done)));
        self.wake.notify_one();
        let gone = || SpoolError::failed("sync", &self.folder, io::ErrorKind::BrokenPipe.into());
        waiting.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Makes a session's first file.
    pub(super) fn write_header(
        &self,
        live: &SpooledSession,
        header: &[u8],
        fact: &SessionRecord,
    ) -> Result<(), SpoolError> {
        let path = segment(&live.folder, 0);
        frame::fits(header.len()).map_err(|error| SpoolError::failed("write", &path, error))?;
        let bytes = [frame::encode(b'H', header), frame::encode_fact(&json(fact))].concat();
        let file = create(&path).map_err(|error| self.failed("create", &path, error))?;
        (&file).write_all(&bytes).map_err(|error| self.failed("write", &path, error))?;
        live.made(&Arc::new(file));
        self.took(live, bytes.len() as u64);
        Ok(())
    }

    pub(super) fn write_fact(&self, live: &SpooledSession, fact: &SessionRecord) -> Result<(), SpoolError> {
        let path = segment(&live.folder, 0);
        let bytes = frame::encode_fact(&json(fact));
        // Whose write fails cuts the file to what it was before.
        let _alone = live.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || -> io::Result<File> {
            let mut file = OpenOptions::new().append(true).open(&path)?;
            let length = file.metadata()?.len();
            if let Err(error) = file.write_all(&bytes) {
                file.set_len(length)?;
                return Err(error);
            }
            Ok(file)
        };
        let file = write().map_err(|error| match live.is_gone() {
            true => SpoolError::failed("write", &path, error),
            false => self.failed("write", &path, error),
        })?;
        live.knows_more(&Arc::new(file));
        self.took(live, bytes.len() as u64);
        Ok(())
    }

    /// A session is in the store, or elsewhere: it is known no more.
    pub(super) fn forget(&self, live: &SpooledSession) {
        live.leave();
        self.sessions().remove(&live.id);
        self.shrunk(live, live.used.load(Ordering::Relaxed));
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes the folder for this process.
    pub(super) fn lock(folder: &Path) -> Result<File, SpoolError> {
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create(true).truncate(false), 0o600);
        let lock = options.open(&path).map_err(|error| SpoolError::failed("open", &path, error))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => Err(SpoolError::Taken(folder.display().to_string())),
            Err(fs::TryLockError::Error(error)) => Err(SpoolError::failed("lock", &path, error)),
        }
    }
}

/// Facts are strings, numbers and lists: serialising them to memory has no way to fail.
fn json(fact: &SessionRecord) -> Vec<u8> {
    serde_json::to_vec(fact).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(folder: &Path) -> Inner {
        let limits = SpoolLimits { disk_floor: 0, ..SpoolLimits::default() };
        Inner::new(folder.to_owned(), limits, Inner::lock(folder).unwrap())
    }

    #[test]
    fn a_full_disk_may_have_room_later_unless_a_sync_says_so() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let folder = tempfile::tempdir().unwrap();
            let inner = inner(folder.path());
            assert!(inner.failed("write", folder.path(), kind.into()).is_full());
            assert!(inner.open().is_ok());
            assert!(!inner.failed_sync(folder.path(), kind.into()).is_full());
            assert!(matches!(inner.open(), Err(SpoolError::Failed { action: "sync", .. })), "{kind}");
        }
    }
}

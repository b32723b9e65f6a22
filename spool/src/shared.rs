use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, atomic::Ordering},
};

use recording::RecordingId;
use tokio::sync::{oneshot, watch};

use crate::{
    LatencyObserver, LimitKind, SpoolError, SpoolLimits, capacity::Capacity, disk_threads::DiskJobs, files,
    spooled::SpooledSession,
};

/// What the name of a session's folder ends with while it is removed, file by file.
pub(crate) const STORED: &str = ".stored";
/// Where sessions that cannot be stored are moved. The name is older than the word.
const QUARANTINE: &str = "aside";

/// What all handles, writers and threads of a spool share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    /// Open, so that a process with too many open files can sync it.
    pub(crate) open_folder: File,
    pub(crate) capacity: Capacity,
    sessions: Mutex<HashMap<RecordingId, Arc<SpooledSession>>>,
    /// Counts sessions that begin or leave.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) jobs: Arc<DiskJobs>,
    syncs: Mutex<Syncs>,
    /// Told of every sync.
    pub(crate) sync_latency: OnceLock<LatencyObserver>,
    /// Wakes the syncing thread.
    pub(crate) wake: Condvar,
    /// Held while the process lives.
    _lock: File,
}

/// A session to sync, and where its caller learns how that went, if it waits.
pub(crate) type SyncRequest = (Arc<SpooledSession>, Option<oneshot::Sender<Result<(), SpoolError>>>);

/// What the syncing thread has been asked for.
#[derive(Debug, Default)]
pub(crate) struct Syncs {
    pub(crate) asked: Vec<SyncRequest>,
    pub(crate) over: bool,
}

impl Shared {
    /// Takes the folder for this process.
    pub(crate) fn lock(folder: PathBuf, limits: SpoolLimits) -> Result<Self, SpoolError> {
        let open_folder = File::open(&folder).map_err(|error| SpoolError::failed("open", &folder, error))?;
        Ok(Self {
            open_folder,
            capacity: Capacity::new(folder.clone(), limits),
            sessions: Mutex::default(),
            changes: watch::Sender::new(0),
            jobs: Arc::default(),
            syncs: Mutex::default(),
            sync_latency: OnceLock::new(),
            wake: Condvar::new(),
            _lock: lock(&folder)?,
            folder,
        })
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, HashMap<RecordingId, Arc<SpooledSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn syncs(&self) -> MutexGuard<'_, Syncs> {
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session may begin.
    pub(crate) fn may_begin(&self) -> Result<(), SpoolError> {
        self.capacity.is_open()?;
        if self.sessions().len() >= self.capacity.limits.sessions {
            return Err(SpoolError::Full(LimitKind::Sessions));
        }
        Ok(())
    }

    /// Has a session synced without waiting for it.
    pub(crate) fn sync_soon(&self, session: &Arc<SpooledSession>) {
        self.syncs().asked.push((Arc::clone(session), None));
        self.wake.notify_one();
    }

    /// Resolves once everything that was written of a session is on the disk.
    pub(crate) async fn synced(&self, session: &Arc<SpooledSession>) -> Result<(), SpoolError> {
        let (done, waiting) = oneshot::channel();
        self.syncs().asked.push((Arc::clone(session), Some(done)));
        self.wake.notify_one();
        let gone = || SpoolError::failed("sync", &self.folder, io::ErrorKind::BrokenPipe.into());
        waiting.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Removes a session's folder. It gets another name first: half a folder would be taken by the next process for a session
    /// of which the disk has lost something.
    pub(crate) fn remove_folder(&self, session: &SpooledSession) -> Result<(), SpoolError> {
        let stored = self.folder.join(format!("{}{STORED}", session.id));
        if let Err(error) = fs::rename(&session.folder, &stored)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(SpoolError::failed("move", &session.folder, error));
        }
        // The next process removes what is left.
        let _ = fs::remove_dir_all(&stored);
        Ok(())
    }

    /// Where a session's folder is in the quarantine.
    pub(crate) fn quarantine_of(&self, id: RecordingId) -> PathBuf {
        self.folder.join(QUARANTINE).join(id.to_string())
    }

    pub(crate) fn move_to_quarantine(&self, session: &SpooledSession) -> Result<(), SpoolError> {
        let place = self.quarantine_of(session.id);
        let moved = files::make_dir(&self.folder.join(QUARANTINE)).and_then(|()| fs::rename(&session.folder, &place));
        moved.map_err(|error| SpoolError::failed("move", &session.folder, error))
    }

    /// Forgets a session whose folder is gone.
    pub(crate) fn forget(&self, session: &SpooledSession) {
        self.sessions().remove(&session.id);
        self.capacity.gave_back(session, session.used.load(Ordering::Relaxed));
        self.changes.send_modify(|count| *count += 1);
    }
}

fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = lock.map_err(|error| SpoolError::failed("open", &path, error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::Taken(folder.display().to_string())),
        Err(fs::TryLockError::Error(error)) => Err(SpoolError::failed("lock", &path, error)),
    }
}

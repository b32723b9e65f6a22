//! How much the spool has taken, and whether it takes more.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{LimitKind, SpoolError, SpoolLimits, error::FileError, spooled::SpooledSession};

/// Bytes after which the disk's free space is looked at, beside each sync.
const MEASURE_EVERY: u64 = 8 << 20;

/// The counters of all writers against the limits, and the failure that ends the spool.
#[derive(Debug)]
pub(crate) struct Capacity {
    folder: PathBuf,
    pub(crate) limits: SpoolLimits,
    /// Notified when there may be room again, and when the spool has failed.
    pub(crate) freed: Notify,
    used: AtomicU64,
    /// Bytes written since the disk was measured.
    unmeasured: AtomicU64,
    free: AtomicU64,
    low: AtomicBool,
    failure: OnceLock<SpoolError>,
}

impl Capacity {
    pub(crate) fn new(folder: PathBuf, limits: SpoolLimits) -> Self {
        Self {
            folder,
            limits,
            freed: Notify::new(),
            used: AtomicU64::new(0),
            unmeasured: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
            low: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    /// Whether a session may write so many bytes more.
    pub(crate) fn has_room(&self, session: &SpooledSession, bytes: u64) -> Result<(), SpoolError> {
        self.is_open()?;
        if session.used.load(Ordering::Relaxed) + bytes > self.limits.session_bytes {
            return Err(SpoolError::Full(LimitKind::Session));
        }
        Ok(())
    }

    /// Whether anything may be written at all.
    pub(crate) fn is_open(&self) -> Result<(), SpoolError> {
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

    /// Counts bytes that a session wrote.
    pub(crate) fn took(&self, session: &SpooledSession, bytes: u64) {
        session.used.fetch_add(bytes, Ordering::Relaxed);
        self.used.fetch_add(bytes, Ordering::Relaxed);
        if self.unmeasured.fetch_add(bytes, Ordering::Relaxed) + bytes >= MEASURE_EVERY {
            self.measure_disk();
        }
    }

    /// Gives back bytes of a session's files that are removed.
    pub(crate) fn gave_back(&self, session: &SpooledSession, bytes: u64) {
        let subtract = |number: &AtomicU64| {
            let _ = number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(bytes)));
        };
        subtract(&session.used);
        subtract(&self.used);
        self.measure_disk();
        self.freed.notify_waiters();
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn free(&self) -> u64 {
        self.free.load(Ordering::Relaxed)
    }

    /// Learns how much the disk has left.
    pub(crate) fn measure_disk(&self) {
        self.unmeasured.store(0, Ordering::Relaxed);
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        self.free.store(free, Ordering::Relaxed);
        let low = free < self.limits.disk_floor;
        if self.low.swap(low, Ordering::Relaxed) && !low {
            self.freed.notify_waiters();
        }
    }

    /// The error for a caller whose file could not be used. What a failed write or sync left behind is not known: such an error
    /// ends the spool, unless it is that there is no room.
    pub(crate) fn failed(&self, path: &Path, error: FileError) -> SpoolError {
        match error {
            FileError::Open(error) => self.open_failed("open", path, error),
            FileError::Write(error) => self.write_failed("write", path, error),
            FileError::Sync(error) => self.sync_failed(path, error),
        }
    }

    /// The error of a file or folder that could not be made, opened or removed: the session fails by it, and no other.
    pub(crate) fn open_failed(&self, action: &'static str, path: &Path, error: io::Error) -> SpoolError {
        let error = SpoolError::failed(action, path, error);
        if error.is_full() {
            self.measure_disk();
        }
        error
    }

    /// The error of data that could not be written.
    pub(crate) fn write_failed(&self, action: &'static str, path: &Path, error: io::Error) -> SpoolError {
        let error = SpoolError::failed(action, path, error);
        if error.is_full() {
            self.measure_disk();
        } else {
            self.fail(&error);
        }
        error
    }

    /// The error of data that could not be synced. The kernel reports it once, and what was written before may be lost: a full
    /// disk ends the spool as well.
    pub(crate) fn sync_failed(&self, path: &Path, error: io::Error) -> SpoolError {
        let error = SpoolError::broken("sync", path, error);
        self.fail(&error);
        error
    }

    fn fail(&self, error: &SpoolError) {
        let _ = self.failure.set(error.clone());
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(folder: &Path) -> Capacity {
        Capacity::new(folder.to_owned(), SpoolLimits { disk_floor: 0, ..SpoolLimits::default() })
    }

    #[test]
    fn a_full_disk_may_have_room_later_unless_a_sync_says_so() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            let folder = tempfile::tempdir().unwrap();
            let capacity = capacity(folder.path());
            assert!(capacity.failed(folder.path(), FileError::Write(kind.into())).is_full());
            assert!(capacity.is_open().is_ok());
            assert!(!capacity.failed(folder.path(), FileError::Sync(kind.into())).is_full());
            assert!(matches!(capacity.is_open(), Err(SpoolError::Failed { action: "sync", .. })), "{kind}");
        }
    }

    #[test]
    fn only_data_that_is_not_written_or_synced_ends_the_spool() {
        // EMFILE, ENFILE, ENOMEM, EEXIST
        for errno in [24, 23, 12, 17] {
            let folder = tempfile::tempdir().unwrap();
            let capacity = capacity(folder.path());
            let error = || io::Error::from_raw_os_error(errno);
            assert!(matches!(
                capacity.failed(folder.path(), FileError::Open(error())),
                SpoolError::Failed { action: "open", .. }
            ));
            assert!(capacity.is_open().is_ok(), "errno {errno}");
            capacity.failed(folder.path(), FileError::Write(error()));
            assert!(matches!(capacity.is_open(), Err(SpoolError::Failed { action: "write", .. })), "errno {errno}");
        }
    }
}

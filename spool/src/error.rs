use std::{io, path::Path, sync::Arc};

use thiserror::Error;

/// A bound of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Bytes of one session.
    Session,
    /// Bytes of all sessions together.
    Total,
    /// Number of sessions.
    Sessions,
    /// Free bytes that the spool leaves on its disk, or a disk that has none.
    Disk,
}

/// Why something is not in the spool.
#[derive(Clone, Debug, Error)]
pub enum SpoolError {
    /// A bound is reached. There may be room later.
    #[error("{}", match .0 {
        LimitKind::Session => "this session has as much on the gateway's disk as it may (spool.session_bytes)",
        LimitKind::Total => "the gateway's spool is full (spool.total_bytes)",
        LimitKind::Sessions => "too many sessions wait on the gateway's disk for storage (spool.sessions)",
        LimitKind::Disk => "the gateway's disk is full (spool.disk_floor)",
    })]
    Full(LimitKind),
    /// A file or folder could not be used. Where data could not be written or synced, what was written before may be lost, and
    /// the spool takes nothing more; where a file could not be made or opened, only its session fails.
    #[error("cannot {action} {path}")]
    Failed {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: String,
        /// Why.
        source: Arc<io::Error>,
    },
    /// Another process has the folder.
    #[error("another process uses the spool {0}: each gateway needs a state.dir of its own")]
    Taken(String),
}

impl SpoolError {
    pub(crate) fn failed(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full(LimitKind::Disk)
            }
            _ => Self::broken(action, path, source),
        }
    }

    /// An error that room does not mend.
    pub(crate) fn broken(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Failed { action, path: path.display().to_string(), source: Arc::new(source) }
    }

    /// Whether there may be room later.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

/// Which step failed of those that bring bytes into a file: it decides what fails with it.
#[derive(Debug)]
pub(crate) enum FileError {
    /// A file was not made, opened, looked at or renamed, as where the process has too many open: one session fails.
    Open(io::Error),
    /// Data was not written. What is on the disk is not known: the spool fails, unless the disk was only full.
    Write(io::Error),
    /// Data was not synced. The kernel says so once, and may have dropped it: the spool fails.
    Sync(io::Error),
}

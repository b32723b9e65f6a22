use std::time::Duration;

/// What a spool may take, and how often it is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Most bytes of one session that are not in the store yet.
    pub session_bytes: u64,
    /// Most bytes of all sessions.
    pub total_bytes: u64,
    /// Most sessions, live ones included: each takes memory for as long as it is here. Sessions that begin at one moment may
    /// exceed it by as many.
    pub sessions: usize,
    /// Free bytes on the disk below which nothing more is taken.
    pub disk_floor: u64,
    /// Longest time between writing to the disk and syncing it.
    pub sync: Duration,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            session_bytes: 256 << 20,
            total_bytes: 8 << 30,
            sessions: 20_000,
            disk_floor: 512 << 20,
            sync: Duration::from_secs(1),
        }
    }
}

/// How full a spool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolUsage {
    /// Sessions of which something is here.
    pub sessions: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Free bytes of the disk.
    pub free: u64,
}

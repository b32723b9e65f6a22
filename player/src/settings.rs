use std::time::Duration;

/// How long the player waits for the store if it has something to show without it. The store's own attempts take up to
/// two minutes, and a browser's request is cut after one.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// How recordings are cut into segments, and how much of that is kept in memory.
#[derive(Clone, Debug)]
pub struct PlayerSettings {
    /// Most memory for indexes and snapshots, in bytes; beyond it the least recently used recordings are evicted.
    pub cache_bytes: usize,
    /// A segment ends at the first event this long after its start.
    pub segment_length: Duration,
    /// A segment ends once its events' text has this many bytes.
    pub segment_bytes: usize,
}

impl Default for PlayerSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, segment_length: Duration::from_secs(30), segment_bytes: 512 << 10 }
    }
}

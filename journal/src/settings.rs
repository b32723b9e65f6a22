use std::{path::PathBuf, sync::Arc, time::Duration};

use storage::signing::Signer;

/// How a [`crate::Journal`] groups entries into objects, and where its queue ends.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Bytes of lines that close an object. An object is longer by at most one entry.
    pub object_bytes: usize,
    /// Age of its first entry that closes an object.
    pub object_age: Duration,
    /// Bytes of lines that wait for the store. When they are reached, notes wait.
    pub queue_bytes: usize,
    /// Entries that wait for the store. When they are reached, notes wait.
    pub queue_entries: usize,
    /// How long a durable note, and closing, wait for a store that fails.
    pub patience: Duration,
    /// Signs every object, and is told how far the journal has come. The default is a key that nobody knows.
    pub signer: Arc<Signer>,
    /// The file outside of the store that keeps how far the journal has come. A store whose journal ends earlier has lost
    /// its end: the journal goes on behind the numbers that are gone, so that they stay missed.
    pub head_file: Option<PathBuf>,
    /// A folder of the gateway's own disk where entries are until they are stored, so that neither `kill -9` nor a store
    /// that is away loses one. Then a durable note is durable once it is there.
    pub spool: Option<PathBuf>,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            object_bytes: 256 * 1024,
            object_age: Duration::from_secs(2),
            queue_bytes: 64 * 1024 * 1024,
            queue_entries: 500_000,
            patience: Duration::from_secs(10),
            signer: Arc::new(Signer::generate().expect("the system has random numbers")),
            head_file: None,
            spool: None,
        }
    }
}

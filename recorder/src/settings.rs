use std::{sync::Arc, time::Duration};

use spool::LatencyObserver;
use storage::signing::Signer;

/// How a [`crate::Recorder`] works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the gateway, written into every header.
    pub gateway: String,
    /// A chunk is closed when its lines have this many bytes.
    pub chunk_bytes: usize,
    /// A chunk is closed this long after its first line came. A reader of the store lags no more, and a lost disk loses no more.
    pub chunk_age: Duration,
    /// How long a session waits for room in the spool before it is ended.
    pub patience: Duration,
    /// How long a client waits at most for its header to be on the disk.
    pub open_patience: Duration,
    /// Whether an anomaly ends the session ([`crate::RecordError::Anomaly`]) or is only noted.
    pub strict: bool,
    /// Whether there is a journal. Then the caller acknowledges each end that the journal has: by [`crate::Recorder::acknowledge`]
    /// of a session that it ended itself, by [`crate::UnjournalledEnd::ack`] of any other; and each manifest that is stored, by
    /// [`crate::StoredRecording::ack`]. The spool keeps a session until then.
    pub journalled: bool,
    /// Signs every manifest. The default is a key that nobody knows.
    pub signer: Arc<Signer>,
    /// How much of a stream without a terminal is kept.
    pub keep: crate::KeepLimits,
    /// Told how long [`crate::Recorder::open`] took to have a header on the disk, or to fail.
    pub open_latency: LatencyObserver,
    /// Told, of each chunk that was put, how long ago the session last wrote to it.
    pub upload_lag: LatencyObserver,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            gateway: "kubetape".to_owned(),
            chunk_bytes: 1 << 20,
            chunk_age: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            open_patience: Duration::from_secs(5),
            strict: true,
            journalled: false,
            signer: Arc::new(Signer::generate().expect("the system has random numbers")),
            keep: crate::KeepLimits::default(),
            open_latency: LatencyObserver::default(),
            upload_lag: LatencyObserver::default(),
        }
    }
}

use std::{sync::Arc, time::Duration};

use storage::StoreError;
use thiserror::Error;

/// Why an entry is not known to be in the store.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// The gateway's name cannot be a part of an object's name.
    #[error(
        "gateway name {0:?} cannot be used: it takes 1 to 63 letters, digits, `-`, `_` and `.`, and no leading dot"
    )]
    Name(String),
    /// The store could not be listed when the journal was opened.
    #[error("cannot find where the journal ends")]
    Open(#[source] Arc<StoreError>),
    /// The store did not take it in time. The entry stays queued and may be stored later.
    #[error("the journal could not be stored within {} s", .patience.as_secs_f32())]
    NotStored {
        /// How long was waited.
        patience: Duration,
        /// What the store said last, if it said anything.
        source: Option<Arc<StoreError>>,
    },
    /// The gateway's own disk did not take it.
    #[error("the journal could not be written to the gateway's disk")]
    Spool(#[source] Arc<std::io::Error>),
    /// The journal is closed.
    #[error("the journal is closed")]
    Closed,
    /// The entry cannot be written as JSON.
    #[error("the entry cannot be written as JSON")]
    Encode(#[source] Arc<serde_json::Error>),
}

use std::sync::Arc;

use storage::StoreError;
use thiserror::Error;

/// Why something is not recorded. Each of them means that nothing more may be forwarded.
#[derive(Clone, Debug, Error)]
pub enum RecordError {
    /// The store did not take an object, although it was tried again for as long as the settings say.
    #[error("the recording cannot be stored")]
    Store(#[source] Arc<StoreError>),
    /// The store did not answer in time.
    #[error("the recording cannot be stored: the store did not answer in time")]
    StoreTimeout,
    /// An object of this recording's name is there already, and it is not ours.
    #[error("the recording cannot be stored: {0} exists already with other content")]
    Conflict(storage::Key),
    /// A chunk could not be compressed.
    #[error("a part of the recording cannot be compressed")]
    Compress(#[source] Arc<std::io::Error>),
    /// Something was sent that the other end may read otherwise than the recorder does.
    #[error("the session was ended: {0}")]
    Anomaly(String),
    /// The recording is finished already.
    #[error("the recording is finished")]
    Finished,
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

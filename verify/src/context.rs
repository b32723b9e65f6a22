//! What every step of a check reads with.

use std::sync::Arc;

use storage::{RecordingReader, Store, StoreError};

use crate::{keyring::Keyring, question::Question};

/// What everything is checked with.
pub(crate) struct CheckContext<'a> {
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) recordings: RecordingReader,
    pub(crate) question: &'a Question,
    pub(crate) keyring: Keyring,
}

/// What a read of a listed object brought.
pub(crate) enum Fetched<T> {
    /// The object.
    Object(T),
    /// It is gone since it was listed.
    Gone,
    /// It is larger than any of its kind, and was not read.
    TooLarge,
}

impl<T> Fetched<T> {
    /// Tells answers that are findings from failures of the store.
    ///
    /// # Errors
    /// The store's failures.
    pub(crate) fn of(read: Result<T, StoreError>) -> Result<Self, StoreError> {
        match read {
            Ok(object) => Ok(Self::Object(object)),
            Err(StoreError::NotFound(_)) => Ok(Self::Gone),
            Err(StoreError::TooLarge { .. }) => Ok(Self::TooLarge),
            Err(error) => Err(error),
        }
    }
}

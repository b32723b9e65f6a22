use std::path::PathBuf;

use thiserror::Error;

use crate::query::error::QueryError;

/// Why a search, a list or an ingest step failed.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The query cannot be read. Meant for the person who wrote it.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Another process writes to this index.
    #[error("the index in {} is being written by another process: stop `kubetape serve` first, or search through it", .0.display())]
    Locked(PathBuf),
    /// The folder holds no index (yet).
    #[error("there is no index in {}: it is made by `kubetape serve` or `kubetape reindex`", .0.display())]
    Missing(PathBuf),
    /// The index was written by another version.
    #[error("the index in {} has another version: run `kubetape reindex`", .0.display())]
    Version(PathBuf),
    /// A write to an index that was opened for reading only.
    #[error("the index was opened for reading only")]
    ReadOnly,
    /// The folder cannot be used.
    #[error("cannot use {} as index folder", .path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The store failed: nothing is lost, the next step tries again.
    #[error("recordings and journal cannot be read")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The search engine failed.
    #[error("the index failed")]
    Index(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document of the index is not one that this version writes.
    #[error("the index holds a document that cannot be read: run `kubetape reindex`")]
    Document(#[source] serde_json::Error),
}

impl SearchError {
    /// A store's failure.
    pub(crate) fn store(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(Box::new(error))
    }

    /// A task on the blocking pool that panicked or was cancelled.
    pub(crate) fn task(error: tokio::task::JoinError) -> Self {
        Self::Index(Box::new(error))
    }
}

use std::path::PathBuf;

use tantivy::TantivyError;
use thiserror::Error;

/// Why a search, a list or the indexing did not work.
#[derive(Debug, Error)]
pub enum SearchError {
    /// The query is not one. For the person who wrote it.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Another process writes to this index.
    #[error("the index in {} is being written by another process: stop `kubetape serve` first, or search through it", .0.display())]
    Locked(PathBuf),
    /// The folder holds no index (yet).
    #[error("there is no index in {}: it is made by `kubetape serve` or `kubetape reindex`", .0.display())]
    Missing(PathBuf),
    /// The index was made by another version.
    #[error("the index in {} has another version: run `kubetape reindex`", .0.display())]
    Version(PathBuf),
    /// A writer's step on an index that was opened for reading only.
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
    /// The index failed.
    #[error("the index failed")]
    Index(#[source] Box<TantivyError>),
    /// A document of the index is not what this version writes.
    #[error("the index holds a document that cannot be read: run `kubetape reindex`")]
    Document(#[source] serde_json::Error),
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        Self::Index(Box::new(error))
    }
}

/// What is wrong with a query, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Longer than is read.
    #[error("the search is too long: {0} bytes at most")]
    TooLong(usize),
    /// More words than are read.
    #[error("the search has too many words: {0} at most")]
    TooManyTerms(usize),
    /// `"` without its partner.
    #[error("a quotation mark is not closed: write \"…\" around words that belong together")]
    OpenQuote,
    /// Only exclusions.
    #[error(
        "the search only excludes ({0}): add a word or filter to find, or put \"{0}\" in quotes to find it as it is"
    )]
    OnlyExcludes(String),
    /// `-` or `*` alone, a phrase without a word.
    #[error("{0:?} has nothing to search for")]
    Empty(String),
    /// A filter without value.
    #[error("the filter {0}: needs a value, as in {0}:name")]
    NoValue(String),
    /// A filter with a value that it cannot have.
    #[error("{value:?} is not a value of the filter {filter}: it takes {expected}")]
    BadValue {
        /// The filter's name.
        filter: &'static str,
        /// What was written.
        value: String,
        /// What can be.
        expected: &'static str,
    },
    /// Too far into the hits.
    #[error("hits beyond the first {0} cannot be paged to: narrow the search")]
    TooFar(usize),
    /// Not a cursor of this program.
    #[error("the page cursor is not valid")]
    Cursor,
}

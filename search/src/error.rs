use std::{fmt, ops::Range, path::PathBuf};

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

/// What is wrong with a query, and where, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    problem: Problem,
    place: Option<Range<usize>>,
    /// The same in characters.
    characters: Range<usize>,
}

impl QueryError {
    /// A problem at a place of `text`.
    pub(crate) fn at(problem: Problem, text: &str, place: Range<usize>) -> Self {
        let count = |part: Option<&str>| part.map_or(0, |part| part.chars().count());
        let start = count(text.get(..place.start));
        let characters = start..start + count(text.get(place.clone()));
        Self { problem, place: Some(place), characters }
    }

    /// Where it is: a range of bytes on character borders of what was written. None where it is all of it, or not in
    /// the text.
    pub fn place(&self) -> Option<Range<usize>> {
        self.place.clone()
    }

    /// The same in characters (code points).
    pub fn characters(&self) -> Option<Range<usize>> {
        self.place.is_some().then(|| self.characters.clone())
    }

    /// What is wrong, without where.
    pub fn problem(&self) -> String {
        self.problem.to_string()
    }
}

impl std::error::Error for QueryError {}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(_) => write!(f, "{} (character {})", self.problem, self.characters.start + 1),
            None => self.problem.fmt(f),
        }
    }
}

/// What can be wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Problem {
    #[error("the search is too long: {0} bytes at most")]
    TooLong(usize),
    #[error("the search has too many words: {0} at most")]
    TooManyTerms(usize),
    #[error("the search goes too deep: {0} parentheses within each other at most")]
    TooDeep(usize),
    #[error("a quotation mark is not closed: write \"…\" around words that belong together")]
    OpenQuote,
    #[error("this parenthesis is not closed; to search for one, put it in quotes")]
    OpenParenthesis,
    #[error("this parenthesis closes nothing; to search for one, put it in quotes")]
    ClosesNothing,
    #[error("before {0} there is nothing: write a word, a phrase, a filter or a group")]
    NothingBefore(&'static str),
    #[error("after {0} there is nothing: write a word, a phrase, a filter or a group")]
    NothingAfter(&'static str),
    #[error("{0:?} has nothing to search for")]
    Empty(String),
    #[error("the filter {0}: needs a value, as in {0}:name")]
    NoValue(String),
    #[error("{value:?} is not a value of the filter {filter}: it takes {expected}")]
    BadValue { filter: &'static str, value: String, expected: &'static str },
    #[error("the expression cannot be read: {0}")]
    Expression(String),
    /// What all that fits begins with.
    #[error("{}", too_broad(.0))]
    TooBroad(String),
    #[error("hits beyond the first {0} cannot be paged to by number: narrow the search, or page with a cursor")]
    TooFar(usize),
    #[error("the page cursor is not valid")]
    Cursor,
}

fn too_broad(prefix: &str) -> String {
    match prefix {
        "" => "the index has too many different words to try this on all of them: write how the word begins, as in nginx-*"
            .to_owned(),
        _ => format!("too many different words begin with {prefix:?}: write more of the beginning"),
    }
}

impl Problem {
    /// Of no place in the text.
    pub(crate) fn anywhere(self) -> QueryError {
        QueryError { problem: self, place: None, characters: 0..0 }
    }
}

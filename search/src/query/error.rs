//! What is wrong with a query, and where.

use std::{fmt, ops::Range};

use thiserror::Error;

/// A query that cannot be read, in words for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    kind: QueryErrorKind,
    /// Bytes of the query's text.
    place: Option<Range<usize>>,
    /// `place` in characters (code points).
    characters: Range<usize>,
}

impl QueryError {
    /// An error at a byte range of `text`.
    pub(crate) fn at(kind: QueryErrorKind, text: &str, place: Range<usize>) -> Self {
        let count = |part: Option<&str>| part.map_or(0, |part| part.chars().count());
        let start = count(text.get(..place.start));
        let characters = start..start + count(text.get(place.clone()));
        Self { kind, place: Some(place), characters }
    }

    /// Where the error is: a byte range of the text, on character borders. `None` if the whole query is meant, or
    /// something that is not in the text, such as a page.
    pub fn place(&self) -> Option<Range<usize>> {
        self.place.clone()
    }

    /// [`Self::place`] in characters (code points).
    pub fn characters(&self) -> Option<Range<usize>> {
        self.place.is_some().then(|| self.characters.clone())
    }

    /// What is wrong, without the place.
    pub fn problem(&self) -> String {
        self.kind.to_string()
    }
}

impl std::error::Error for QueryError {}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(_) => write!(f, "{} (character {})", self.kind, self.characters.start + 1),
            None => self.kind.fmt(f),
        }
    }
}

/// What can be wrong with a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum QueryErrorKind {
    #[error("the search is too long: {0} bytes at most")]
    TooLong(usize),
    #[error("the search has too many words: {0} at most")]
    TooManyClauses(usize),
    #[error("the search goes too deep: {0} parentheses within each other at most")]
    TooDeep(usize),
    #[error("a quotation mark is not closed: write \"…\" around words that belong together")]
    UnclosedQuote,
    #[error("this parenthesis is not closed; to search for one, put it in quotes")]
    UnclosedParenthesis,
    #[error("this parenthesis closes nothing; to search for one, put it in quotes")]
    UnopenedParenthesis,
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
    Regex(String),
    /// Holds the prefix of every term that the pattern may match.
    #[error("{}", too_broad(.0))]
    TooBroad(String),
    #[error("hits beyond the first {0} cannot be paged to by number: narrow the search, or page with a cursor")]
    OffsetTooLarge(usize),
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

impl QueryErrorKind {
    /// An error that has no place in the text.
    pub(crate) fn without_place(self) -> QueryError {
        QueryError { kind: self, place: None, characters: 0..0 }
    }
}

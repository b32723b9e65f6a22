use std::sync::Arc;

use search::{Backend, Hits, Query, QueryError, SearchError, SessionFilter, SessionPage, Values};

use crate::http::failure::Failure;

/// What finds recordings. The pages only read it.
pub(crate) struct Searcher {
    backend: Arc<dyn Backend>,
}

/// What the index said to a query that a person wrote.
pub(crate) enum SearchOutcome<T> {
    Found(T),
    /// The query cannot be read: why, for the person who wrote it.
    Invalid(QueryError),
}

impl Searcher {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Runs a query that may be wrong.
    pub(crate) async fn try_search(&self, query: &Query) -> Result<SearchOutcome<Hits>, Failure> {
        outcome(self.backend.search(query).await)
    }

    /// Runs a query. A query that cannot be read fails the request.
    pub(crate) async fn search(&self, query: &Query) -> Result<Hits, Failure> {
        found(self.backend.search(query).await)
    }

    /// A page of the list of sessions.
    pub(crate) async fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage, Failure> {
        found(self.backend.sessions(filter).await)
    }

    /// The values that filters offer.
    pub(crate) async fn values(&self) -> Result<Values, Failure> {
        found(self.backend.values().await)
    }
}

fn outcome<T>(answer: search::Result<T>) -> Result<SearchOutcome<T>, Failure> {
    match answer {
        Ok(found) => Ok(SearchOutcome::Found(found)),
        Err(SearchError::Query(error)) => Ok(SearchOutcome::Invalid(error)),
        Err(error) => Err(Failure::internal("cannot ask the index", error)),
    }
}

fn found<T>(answer: search::Result<T>) -> Result<T, Failure> {
    match outcome(answer)? {
        SearchOutcome::Found(found) => Ok(found),
        SearchOutcome::Invalid(error) => Err(Failure::invalid_query(sentence(&error.to_string()), error.characters())),
    }
}

/// An error's text as a sentence of a page.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

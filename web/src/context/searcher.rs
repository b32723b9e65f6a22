use std::sync::Arc;

use search::{Index, QueryError, SearchError};
use tokio::sync::Semaphore;

use crate::http::failure::Failure;

/// Queries that run in the index at a time, each on a thread of its own; more wait.
const CONCURRENT_QUERIES: usize = 8;

/// The index, asked off the runtime. The web only reads it.
pub(crate) struct Searcher {
    index: Index,
    permits: Arc<Semaphore>,
}

/// What the index said to a query that a person wrote.
pub(crate) enum SearchOutcome<T> {
    Found(T),
    /// The query cannot be read: why, for the person who wrote it.
    Invalid(QueryError),
}

impl Searcher {
    pub(crate) fn new(index: Index) -> Self {
        Self { index, permits: Arc::new(Semaphore::new(CONCURRENT_QUERIES)) }
    }

    /// Runs a query that may be wrong.
    pub(crate) async fn try_query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Index) -> search::Result<T> + Send + 'static,
    ) -> Result<SearchOutcome<T>, Failure> {
        let closed = |error| Failure::internal("cannot ask the index", error);
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let index = self.index.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = query(&index);
            drop(permit);
            answer
        });
        match answer.await {
            Ok(Ok(found)) => Ok(SearchOutcome::Found(found)),
            Ok(Err(SearchError::Query(error))) => Ok(SearchOutcome::Invalid(error)),
            Ok(Err(error)) => Err(Failure::internal("cannot ask the index", error)),
            Err(error) => Err(Failure::internal("cannot ask the index", error)),
        }
    }

    /// Runs a query; one that cannot be read fails the request.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Index) -> search::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        match self.try_query(query).await? {
            SearchOutcome::Found(found) => Ok(found),
            SearchOutcome::Invalid(error) => {
                Err(Failure::invalid_query(sentence(&error.to_string()), error.characters()))
            }
        }
    }
}

/// An error's text as a sentence of a page.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

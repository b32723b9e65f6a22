//! Sessions, commands and requests, found by word, token and field.
//!
//! The index is derived: everything in it comes from the store's recordings and journal, and [`rebuild`] makes it
//! again. This crate is the only door to Tantivy.
//!
//! ```text
//! recordings ─┐                             ┌─▶ Index::sessions   lists
//! journal ────┴─▶ Follower ─▶ documents ────┼─▶ Index::session    one
//!                 (remembers how far)       └─▶ Index::search     words, tokens, filters
//! ```

mod analyzer;
mod documents;
mod error;
mod ingest;
#[doc(hidden)]
pub mod load;
mod query;
mod quote;
mod tantivy;

pub use crate::tantivy::Index;
pub use documents::{
    hit::{Facet, Facets, Hit, HitCursor, Hits, Snippet},
    mask::{MaskError, Masks},
    session::{SessionPage, SessionRow, Values},
};
pub use error::{QueryError, SearchError};
pub use ingest::{Follower, progress::Progress, rebuild::rebuild};
pub use query::{
    Order, Query,
    cursor::Cursor,
    filter::{OutcomeFilter, SessionFilter},
    kind::HitKind,
};

/// Result of this crate.
pub type Result<T, E = SearchError> = std::result::Result<T, E>;

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

mod cursor;
mod document;
mod error;
mod filter;
mod flow;
mod follower;
mod hit;
mod index;
mod journal;
mod journalled;
mod kind;
mod line;
#[doc(hidden)]
pub mod load;
mod mask;
mod matches;
mod origin;
mod output;
mod progress;
mod query;
mod quote;
mod reading;
mod rebuild;
mod rebuilt;
mod row;
mod run;
mod schema;
mod showing;
mod snippet;
mod state;
mod token;

pub use cursor::Cursor;
pub use error::{QueryError, SearchError};
pub use filter::{OutcomeFilter, SessionFilter};
pub use follower::Follower;
pub use hit::{Facet, Facets, Hit, HitCursor, Hits, Snippet};
pub use index::Index;
pub use journalled::journalled;
pub use kind::HitKind;
pub use mask::{MaskError, Masks};
pub use progress::Progress;
pub use query::{Order, Query};
pub use rebuild::rebuild;
pub use row::{SessionPage, SessionRow, Values};

/// Result of this crate.
pub type Result<T, E = SearchError> = std::result::Result<T, E>;

//! Sessions, commands, output and requests, found by word, token and field.
//!
//! The index is derived: everything in it comes from the recordings and the journal of a store, and [`rebuild`] makes it
//! again.
//!
//! ```text
//!             store, spool                                     a person's query
//!                  │                                                  │
//! ingest           ▼   what is new since the checkpoint     query     ▼   text ─▶ syntax tree
//!                  │                                                  │
//! documents        ▼   documents, masked ────────────┐                │
//!                                                    ▼                ▼
//! backend                            apply, commit(checkpoint)     search, sessions, session, values
//! tantivy                            the embedded index: its schema, its plans, its folder
//!                                                                     │
//! documents                                     documents as hits     ▼   snippets, marks, facets
//! ```
//!
//! `analyzer` cuts the text of documents and queries into the same tokens. Imports go one way: analyzer ◀ query ◀
//! documents ◀ backend ◀ tantivy, ingest.

mod analyzer;
mod backend;
pub mod conformance;
mod documents;
mod error;
mod ingest;
#[doc(hidden)]
pub mod load;
mod query;
mod tantivy;

pub use crate::tantivy::Index;
pub use backend::{Backend, Batch, Operation};
pub use documents::{
    CommandDocument, Document, DocumentGroup, RequestDocument,
    hit::{Facet, Facets, Hit, Hits, Snippet},
    journalled::journalled,
    kubectl_run::KubectlRun,
    mask::{MaskError, Masks},
    passage::{OutputPassage, OutputStage},
    session::{SessionJson, SessionPage, SessionRow, Values},
};
pub use error::SearchError;
pub use ingest::{Follower, Progress, clock::Clock, rebuild::rebuild};
pub use query::{
    Order, Query,
    cursor::{HitCursor, SessionCursor},
    error::QueryError,
    filter::{HitKind, OutcomeFilter, SessionFilter},
};

/// Result of this crate.
pub type Result<T, E = SearchError> = std::result::Result<T, E>;

//! Recordings and journal at rest: formats, keys, and the stores that hold them.
//!
//! `docs/format.md` describes what is written here, precisely enough for a second reader.
//! This crate is the only door to the S3 SDK.

pub mod cast;
pub mod journal;
mod key;
mod manifest;
mod store;

pub use key::{Key, RecordingId};
pub use manifest::{Chunk, Command, CommandSource, Manifest, Outcome, StreamTotals};
pub use store::{Capabilities, Entry, Store, StoreError};

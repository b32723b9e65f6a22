//! Recordings and journal at rest: formats, keys, and the stores that hold them.
//!
//! `docs/format.md` describes what is written here, precisely enough for a second reader.
//! This crate is the only door to the S3 SDK.

pub mod cast;
pub mod chunk;
pub mod conformance;
mod contents;
mod disk;
pub mod journal;
mod key;
pub mod lease;
mod manifest;
mod memory;
pub mod recordings;
mod remark;
mod s3;
pub mod signing;
pub mod spool;
mod store;

pub use contents::{Contents, Copied, CopiedFile, Direction, FileKind, ForwardedPort, Omission, StreamDigests};
pub use disk::Disk;
pub use key::{Key, RecordingId};
pub use manifest::{Chunk, Command, CommandSource, Evidence, LARGEST_MANIFEST, Manifest, Outcome, StreamTotals, Typed};
pub use memory::Memory;
pub use recordings::{Objects, RecordingError, Recordings, Summary};
pub use remark::{Remark, seconds};
pub use s3::{S3, S3Credentials, S3Settings};
pub use spool::Spool;
pub use store::{Capabilities, Entry, Store, StoreError, probe_by_creating_twice, size};

//! Stores of objects, and what is written to them and read back: chunks, recordings, journal objects, signatures, leases.
//!
//! `docs/format.md` describes what is at rest. This crate is the only door to the S3 SDK.

mod backoff;
mod blocking;
pub mod chunk;
pub mod conformance;
mod disk;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod journal;
pub mod lease;
mod memory;
pub mod private_file;
pub mod recordings;
mod s3;
pub mod signing;
mod store;

pub use backoff::Backoff;
pub use chunk::ChunkError;
pub use disk::Disk;
pub use memory::Memory;
pub use recordings::{
    ChunkObject, Objects, PutOutcome, RecordingError, RecordingReader, RecordingWriter, StoredChunk, StoredManifest,
    Summary,
};
pub use s3::{S3, S3Credentials, S3Settings};
pub use store::{Capabilities, ObjectMeta, Store, StoreError, probe_by_creating_twice, size};

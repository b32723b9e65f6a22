//! Recordings that others made, into a store: asciicast v1, v2 and v3, compressed or not.
//!
//! ```text
//!  file ─▶ Lines ─▶ EventReader ─▶ ScanSummary     first pass: is it whole, who and where, how long, how much
//!            │           └────▶ ChunkBuilder ─▶ chunks ─▶ manifest ─▶ imports/<sha256>.json     second pass
//!            └ gzip, zstd; bounds
//! ```
//!
//! A file is read three times (for its digest, to see that it is whole, to store it), so that nothing of a broken one
//! is stored, and memory stays at about one line and one chunk. Everything in a file is hostile: lengths, sizes and
//! times have bounds, each with an error that names the line.

mod chunk_builder;
mod error;
mod event_reader;
mod header;
mod importer;
mod lines;
mod scan;
mod settings;
mod source_file;

pub use error::ImportError;
pub use importer::Importer;
pub use settings::{DeclaredIdentity, ImportLimits};
pub use source_file::ImportedFile;

//! Formats at rest, without IO: asciicast lines, headers, manifests, journal entries, names of objects.
//!
//! `docs/format.md` describes what is written here, precisely enough for a second reader.
//! Bytes, times and ids come in as arguments; `storage` puts the results into stores and compresses them.

mod annotation;
mod argv;
pub mod cast;
mod contents;
mod error_chain;
mod hex;
pub mod journal;
mod key;
mod key_id;
mod manifest;
mod micros;

pub use annotation::{Annotation, seconds};
pub use argv::shell_quoted;
pub use contents::{Contents, Copied, CopiedFile, Direction, FileKind, ForwardedPort, Omission, StreamDigests};
pub use error_chain::ErrorChain;
pub use hex::{hex, unhex};
pub use journal::JournalHead;
pub use key::{InvalidKey, InvalidRecordingId, Key, RecordingId};
pub use key_id::{InvalidKeyId, KeyId};
pub use manifest::{Chunk, Command, CommandSource, Evidence, LARGEST_MANIFEST, Manifest, Outcome, StreamTotals, Typed};
pub use micros::{Micros, UnixMicros};

//! Recordings in a store: the one reader and the one writer of chunks and manifests.

mod chunks;
mod listing;
mod reader;
mod writer;

pub use chunks::{ChunkOrGap, Chunks};
pub use listing::Objects;
pub use reader::{ChunkObject, RecordingError, RecordingReader, Summary};
pub use writer::{PutOutcome, RecordingWriter, StoredChunk, StoredManifest};

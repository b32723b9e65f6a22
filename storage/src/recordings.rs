//! Recordings in a store: the one reader and the one writer of chunks and manifests.

mod chunks;
mod listing;
mod reader;

pub use chunks::{Chunks, Piece};
pub use listing::Objects;
pub use reader::{RecordingError, Recordings, Summary};

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::{
    Store, StoreError,
    chunk::{self, ChunkError, LARGEST_OBJECT, MAX_UNCOMPRESSED},
};
use recording::{
    Key, LARGEST_MANIFEST, Manifest, RecordingId,
    cast::{CastError, Header},
};

use super::StoredChunk;

/// Why a recording cannot be read.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// There is no recording of that id.
    #[error("there is no recording {0}")]
    NotFound(RecordingId),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A chunk that must be there is not.
    #[error("recording {id} has a gap: chunk {number} is missing")]
    Gap {
        /// The recording.
        id: RecordingId,
        /// The first chunk that is missing.
        number: u32,
    },
    /// A chunk cannot be decompressed.
    #[error("chunk {number} of recording {id} cannot be read")]
    Chunk {
        /// The recording.
        id: RecordingId,
        /// The chunk's number.
        number: u32,
        /// Why.
        source: ChunkError,
    },
    /// A line of a chunk, or the header, cannot be read.
    #[error("chunk {number} of recording {id} has a line that cannot be read")]
    Line {
        /// The recording.
        id: RecordingId,
        /// The chunk's number.
        number: u32,
        /// Why.
        source: CastError,
    },
    /// The manifest is larger than any; it was not read.
    #[error("the manifest of recording {0} is larger than {LARGEST_MANIFEST} bytes")]
    ManifestTooLarge(RecordingId),
    /// The manifest is not one.
    #[error("the manifest of recording {id} cannot be read")]
    Manifest {
        /// The recording.
        id: RecordingId,
        /// Why.
        source: serde_json::Error,
    },
}

impl RecordingError {
    /// Whether there is no such recording, as opposed to one that cannot be read.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

/// What lists show of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Known from the start on.
    pub header: Header,
    /// Known from the end on; `None` if the recording is live, or its gateway died.
    pub manifest: Option<Manifest>,
}

/// A chunk's object as the store has it, not unpacked: for readers that check digests, or go on if it is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkObject {
    number: u32,
    object: Bytes,
}

impl ChunkObject {
    /// The object's bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.object
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.object.len() as u64
    }

    /// The digest that the manifest must have of it, if `previous` is that of the chunk before it (zeros for the first):
    /// SHA-256 of both.
    pub fn digest(&self, previous: [u8; 32]) -> [u8; 32] {
        chunk::chain(previous, &self.object)
    }

    /// Its lines, at most [`MAX_UNCOMPRESSED`] bytes.
    ///
    /// # Errors
    /// [`ChunkError`], if it is damaged or unpacks to more.
    pub fn lines(&self) -> Result<Vec<u8>, ChunkError> {
        chunk::decompress(&self.object, MAX_UNCOMPRESSED)
    }

    /// What a manifest says of it. `uncompressed` is the length of its lines in bytes, `previous` the digest of the chunk
    /// before it.
    pub fn stored(&self, uncompressed: u64, previous: [u8; 32]) -> StoredChunk {
        StoredChunk::new(self.number, &self.object, uncompressed, previous)
    }
}

/// Reads recordings: the only way to chunks and manifests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RecordingReader {
    pub(super) store: Arc<dyn Store>,
}

impl RecordingReader {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The header, from chunk 0.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`] if there is no chunk 0; others if it cannot be read.
    pub async fn header(&self, id: RecordingId) -> Result<Header, RecordingError> {
        let lines = match self.chunk(id, 0).await {
            Err(RecordingError::Gap { .. }) => return Err(RecordingError::NotFound(id)),
            other => other?,
        };
        let line = lines.split(|&byte| byte == b'\n').next().unwrap_or_default();
        Header::parse(line).map_err(|source| RecordingError::Line { id, number: 0, source })
    }

    /// The manifest; `None` if the recording is live, or its gateway died.
    ///
    /// # Errors
    /// [`RecordingError::Manifest`], or the store's.
    pub async fn manifest(&self, id: RecordingId) -> Result<Option<Manifest>, RecordingError> {
        match self.manifest_document(id).await {
            Ok(bytes) => {
                let manifest = serde_json::from_slice(&bytes);
                Ok(Some(manifest.map_err(|source| RecordingError::Manifest { id, source })?))
            }
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(StoreError::TooLarge { .. }) => Err(RecordingError::ManifestTooLarge(id)),
            Err(error) => Err(error.into()),
        }
    }

    /// Header and manifest.
    ///
    /// # Errors
    /// As [`Self::header`] and [`Self::manifest`].
    pub async fn summary(&self, id: RecordingId) -> Result<Summary, RecordingError> {
        Ok(Summary { header: self.header(id).await?, manifest: self.manifest(id).await? })
    }

    /// The lines of one chunk, decompressed: at most [`MAX_UNCOMPRESSED`] bytes.
    ///
    /// # Errors
    /// [`RecordingError::Gap`] if there is no such chunk, [`RecordingError::Chunk`] if it is damaged or above
    /// [`LARGEST_OBJECT`].
    pub async fn chunk(&self, id: RecordingId, number: u32) -> Result<Vec<u8>, RecordingError> {
        let object = match self.chunk_object(id, number).await {
            Err(StoreError::NotFound(_)) => return Err(RecordingError::Gap { id, number }),
            Err(StoreError::TooLarge { max, .. }) => {
                return Err(RecordingError::Chunk { id, number, source: ChunkError::ObjectTooLarge(max) });
            }
            other => other?,
        };
        object.lines().map_err(|source| RecordingError::Chunk { id, number, source })
    }

    /// A chunk's object, not unpacked.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such chunk, [`StoreError::TooLarge`] above [`LARGEST_OBJECT`]; others of the
    /// store's.
    pub async fn chunk_object(&self, id: RecordingId, number: u32) -> Result<ChunkObject, StoreError> {
        let object = self.store.read(&Key::chunk(id, number), LARGEST_OBJECT).await?;
        Ok(ChunkObject { number, object })
    }

    /// The manifest's document with its signature, as the store has it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::TooLarge`] above [`LARGEST_MANIFEST`]; others of the store's.
    pub async fn manifest_document(&self, id: RecordingId) -> Result<Bytes, StoreError> {
        self.store.read(&Key::manifest(id), LARGEST_MANIFEST).await
    }
}

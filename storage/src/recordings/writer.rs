use std::{io, sync::Arc};

use bytes::Bytes;
use recording::{Chunk, Key, LARGEST_MANIFEST, Manifest, Micros, RecordingId, UnixMicros, journal::JournalEvent};
use sha2::{Digest, Sha256};

use crate::{
    Store, StoreError,
    blocking::blocking,
    chunk::{self, LARGEST_OBJECT, MAX_UNCOMPRESSED},
    signing::{DocumentKind, SignedDocument, Signer},
};

/// Lines of at most so many bytes are compressed on the calling thread: at 400 MB/s that takes 40 µs, about as long as
/// the way to another thread and back.
const SMALL: usize = 16 << 10;

/// What became of an object that was to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome<T> {
    /// The object is new. It is durable.
    Stored(T),
    /// The store had an object of this name that says the same: an earlier attempt wrote it. Nothing was written.
    AlreadyOurs(T),
    /// The store has an object of this name that says something else. Nothing was written.
    Conflict(Key),
}

impl<T> PutOutcome<T> {
    /// What the store has now.
    ///
    /// # Errors
    /// The object's name, if the store has something else under it.
    pub fn stored(self) -> Result<T, Key> {
        match self {
            Self::Stored(stored) | Self::AlreadyOurs(stored) => Ok(stored),
            Self::Conflict(key) => Err(key),
        }
    }
}

/// A chunk as the store has it: what the manifest says of it, but for its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredChunk {
    /// Its place in the recording, counted from 0; chunk 0 is the header.
    pub number: u32,
    /// Bytes of the object.
    pub size: u64,
    /// Bytes of its lines.
    pub uncompressed: u64,
    /// SHA-256 of the previous chunk's digest (zeros for the first) and the object's bytes.
    pub digest: [u8; 32],
}

impl StoredChunk {
    /// Describes an object that was read or written. `previous` is the digest of the chunk before it.
    pub(super) fn new(number: u32, object: &[u8], uncompressed: u64, previous: [u8; 32]) -> Self {
        Self { number, size: object.len() as u64, uncompressed, digest: chunk::chain(previous, object) }
    }

    /// The manifest's line on this chunk. `first` and `last` are the times of its first and last event.
    pub fn listed(&self, first: Micros, last: Micros) -> Chunk {
        Chunk {
            number: self.number,
            size: self.size,
            uncompressed: self.uncompressed,
            digest: recording::hex(self.digest),
            first,
            last,
        }
    }
}

/// A manifest as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    /// What it says.
    pub manifest: Manifest,
    /// SHA-256 of the object's bytes.
    pub sha256: [u8; 32],
    /// Whether the writer's key, or the one before it, signed the object. Otherwise another gateway finalized the recording, or
    /// anybody put it there.
    pub is_signed_here: bool,
}

impl StoredManifest {
    /// The entry by which the journal vouches for it.
    pub fn journal_event(&self) -> JournalEvent {
        let Manifest { session, chunks, .. } = &self.manifest;
        JournalEvent::SessionStored {
            session: session.id,
            manifest_sha256: recording::hex(self.sha256),
            chunks: chunks.len() as u64,
            bytes: chunks.iter().map(|chunk| chunk.size).sum(),
        }
    }
}

/// Puts chunks and manifests into a store: the only way to write recordings. Cheap to clone.
///
/// Nothing is overwritten. A put whose answer was lost can be made again: the second one finds the object and says
/// [`PutOutcome::AlreadyOurs`].
#[derive(Clone, Debug)]
pub struct RecordingWriter {
    store: Arc<dyn Store>,
    signer: Arc<Signer>,
}

impl RecordingWriter {
    /// Writes to `store`; manifests are signed by `signer`.
    pub fn new(store: Arc<dyn Store>, signer: Arc<Signer>) -> Self {
        Self { store, signer }
    }

    /// Compresses whole lines and creates the chunk `number`. `previous` is the digest of the chunk before it, zeros
    /// for the first.
    ///
    /// If the object exists, its lines are compared, not its bytes: another version of zstd makes other bytes of the
    /// same lines. An object above [`LARGEST_OBJECT`] is a conflict and is not read.
    ///
    /// # Errors
    /// The store's. Whether the object was written is not known then.
    ///
    /// # Cancel safety
    /// If the future is dropped the object may be written or not; the put can be made again.
    pub async fn put_chunk(
        &self,
        id: RecordingId,
        number: u32,
        lines: impl Into<Bytes>,
        previous: [u8; 32],
    ) -> Result<PutOutcome<StoredChunk>, StoreError> {
        let (key, lines) = (Key::chunk(id, number), lines.into());
        let pack = {
            let lines = lines.clone();
            move || {
                let object = Bytes::from(chunk::compress(&lines)?);
                Ok((StoredChunk::new(number, &object, lines.len() as u64, previous), object))
            }
        };
        let packed = if lines.len() > SMALL { blocking(pack).await } else { pack() };
        let (stored, object) = packed.map_err(|error: io::Error| StoreError::failed("compress", &key, error))?;
        match self.store.put_new(&key, object).await {
            Ok(()) => Ok(PutOutcome::Stored(stored)),
            Err(StoreError::Exists(_)) => self.existing_chunk(key, number, lines, previous).await,
            Err(error) => Err(error),
        }
    }

    /// Compares the chunk that the store has with the lines that were to be put.
    async fn existing_chunk(
        &self,
        key: Key,
        number: u32,
        lines: Bytes,
        previous: [u8; 32],
    ) -> Result<PutOutcome<StoredChunk>, StoreError> {
        let Some(object) = self.existing(&key, LARGEST_OBJECT).await? else { return Ok(PutOutcome::Conflict(key)) };
        let same = move || {
            let same = chunk::decompress(&object, MAX_UNCOMPRESSED).is_ok_and(|there| there == lines);
            Ok(same.then(|| StoredChunk::new(number, &object, lines.len() as u64, previous)))
        };
        match blocking(same).await.map_err(|error| StoreError::failed("compare", &key, error))? {
            Some(stored) => Ok(PutOutcome::AlreadyOurs(stored)),
            None => Ok(PutOutcome::Conflict(key)),
        }
    }

    /// Signs a manifest and creates it. `now` is the time of the signature. The manifest in the answer is the one
    /// that the store has.
    ///
    /// A manifest that exists is ours if it has the same session, outcome and chunks: the signature has its time in it,
    /// and what was derived from the lines may differ between versions. An object above [`LARGEST_MANIFEST`] is a
    /// conflict and is not read.
    ///
    /// # Errors
    /// The store's. Whether the object was written is not known then.
    ///
    /// # Cancel safety
    /// As [`Self::put_chunk`].
    pub async fn put_manifest(
        &self,
        manifest: &Manifest,
        now: UnixMicros,
    ) -> Result<PutOutcome<StoredManifest>, StoreError> {
        let key = Key::manifest(manifest.session.id);
        let document = self.signer.seal_manifest(manifest, now);
        let sha256 = Sha256::digest(&document).into();
        match self.store.put_new(&key, document).await {
            Ok(()) => {
                let manifest = manifest.clone();
                return Ok(PutOutcome::Stored(StoredManifest { manifest, sha256, is_signed_here: true }));
            }
            Err(StoreError::Exists(_)) => {}
            Err(error) => return Err(error),
        }
        let Some(document) = self.existing(&key, LARGEST_MANIFEST).await? else {
            return Ok(PutOutcome::Conflict(key));
        };
        let there = serde_json::from_slice::<Manifest>(&document).ok().filter(|there| {
            (&there.session, &there.outcome, &there.chunks) == (&manifest.session, &manifest.outcome, &manifest.chunks)
        });
        let Some(manifest) = there else { return Ok(PutOutcome::Conflict(key)) };
        let signed = SignedDocument::open(DocumentKind::Manifest, &document);
        Ok(PutOutcome::AlreadyOurs(StoredManifest {
            manifest,
            sha256: Sha256::digest(&document).into(),
            is_signed_here: signed.is_ok_and(|signed| self.signer.has_signed(&signed)),
        }))
    }

    /// The object of a name that is taken; `None` if it is larger than `max` bytes.
    async fn existing(&self, key: &Key, max: u64) -> Result<Option<Bytes>, StoreError> {
        match self.store.read(key, max).await {
            Ok(object) => Ok(Some(object)),
            Err(StoreError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

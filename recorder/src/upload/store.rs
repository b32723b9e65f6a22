use std::{io, sync::Arc};

use bytes::Bytes;
use recording::{Chunk, ErrorChain, Key, Manifest, RecordingId, UnixMicros};
use spool::SpoolError;
use storage::{
    ChunkObject, Objects, RecordingError, RecordingReader, RecordingWriter, Store, StoreError, StoredChunk,
    StoredManifest, chunk::LARGEST_OBJECT,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{recover::summary::RecoveredSummary, upload::health::HealthMonitor};

/// Chunks that are read, compressed and put at once. Each takes about two chunks of memory.
const AT_ONCE: usize = 8;

/// Why a step of an upload did not work.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// The store, or the spool's disk: it may work later.
    Retry(String),
    /// The store does not have under this name what this gateway recorded.
    Conflict(Key),
    /// The disk has damaged what a recording begins with.
    CorruptHeader,
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        Self::Retry(ErrorChain(&error).to_string())
    }
}

impl From<SpoolError> for UploadError {
    fn from(error: SpoolError) -> Self {
        Self::Retry(ErrorChain(&error).to_string())
    }
}

impl From<RecordingError> for UploadError {
    fn from(error: RecordingError) -> Self {
        Self::Retry(ErrorChain(&error).to_string())
    }
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        Self::Retry(error.to_string())
    }
}

/// The store as upload tasks use it: in time, few at once, and watched.
pub(crate) struct UploadStore {
    store: Arc<dyn Store>,
    reader: RecordingReader,
    writer: RecordingWriter,
    pub(crate) health: HealthMonitor,
    places: Semaphore,
}

impl UploadStore {
    pub(crate) fn new(store: Arc<dyn Store>, writer: RecordingWriter) -> Self {
        let (reader, health, places) =
            (RecordingReader::new(store.clone()), HealthMonitor::new(), Semaphore::new(AT_ONCE));
        Self { store, reader, writer, health, places }
    }

    /// A place among the few that work. A task that puts holds one: otherwise all sessions would try at once after an outage.
    pub(crate) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.places.acquire().await.ok()
    }

    /// Creates a chunk, once. One that is there already counts if it has the same lines.
    pub(crate) async fn put_chunk(
        &self,
        id: RecordingId,
        number: u32,
        lines: Bytes,
        previous: [u8; 32],
    ) -> Result<StoredChunk, UploadError> {
        let put = self.health.ask(self.writer.put_chunk(id, number, lines, previous)).await?;
        self.health.healthy();
        put.stored().map_err(UploadError::Conflict)
    }

    /// Creates a manifest, once. Returns the manifest in the store: an earlier one if that lists the same chunks and says the
    /// same of them.
    pub(crate) async fn put_manifest(
        &self,
        manifest: &Manifest,
        now: UnixMicros,
    ) -> Result<StoredManifest, UploadError> {
        let _place = self.place().await;
        let put = self.health.ask(self.writer.put_manifest(manifest, now)).await?;
        self.health.healthy();
        put.stored().map_err(UploadError::Conflict)
    }

    /// Whether there is a manifest, whatever it says.
    pub(crate) async fn has_manifest(&self, id: RecordingId) -> Result<bool, UploadError> {
        Ok(self.health.ask(storage::size(&*self.store, &Key::manifest(id))).await?.is_some())
    }

    pub(crate) async fn objects(&self, id: RecordingId) -> Result<Objects, UploadError> {
        Ok(self.reader.objects(id).await?)
    }

    /// Reads a chunk that is listed with `size` bytes; `None` if it is gone.
    pub(crate) async fn chunk(
        &self,
        id: RecordingId,
        number: u32,
        size: u64,
    ) -> Result<Option<ChunkObject>, UploadError> {
        // Anybody may have put it there.
        if size > LARGEST_OBJECT {
            return Err(UploadError::Conflict(Key::chunk(id, number)));
        }
        match self.health.ask(self.reader.chunk_object(id, number)).await {
            Ok(object) => Ok(Some(object)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the stored lines of a session say of it.
    pub(crate) async fn summary(&self, id: RecordingId, chunks: &[Chunk]) -> Result<RecoveredSummary, UploadError> {
        Ok(RecoveredSummary::read(&self.reader, id, chunks).await?)
    }
}

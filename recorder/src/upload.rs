//! Chunks and manifests on their way to the store: in order, tried again while there is patience.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use storage::{Chunk, Key, Manifest, RecordingId, Store, StoreError, chunk, signing::Signer};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{
    RecordError,
    opening::unix_micros,
    shelf::{Next, Shelf},
    timeline::Cut,
};

/// Lines below this are compressed where they are; more would keep other sessions of the thread waiting.
const INLINE_BYTES: usize = 64 << 10;
/// First pause before a store is tried again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A chunk that is in the store.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) chunk: Chunk,
    /// Its digest, which the next one's covers.
    pub(crate) digest: [u8; 32],
}

/// Stores a recording's chunks as they are closed, until it is closed itself. Its answer: the chunks for the manifest.
pub(crate) struct Uploader {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) id: RecordingId,
    pub(crate) patience: Duration,
    /// The header's chunk.
    pub(crate) first: Stored,
}

impl Uploader {
    pub(crate) async fn run(self) -> Result<Vec<Chunk>, RecordError> {
        let Stored { chunk, mut digest } = self.first;
        let mut chunks = vec![chunk];
        loop {
            match self.shelf.next() {
                Next::End => return Ok(chunks),
                Next::Wait => self.shelf.work().await,
                Next::WaitUntil(at) => {
                    tokio::select! {
                        () = self.shelf.work() => {}
                        () = sleep_until(at.into()) => {}
                    }
                }
                Next::Store(cut) => {
                    let (number, lines) = (chunks.len(), cut.lines.len());
                    match store_cut(&*self.store, self.id, number, cut, digest, self.patience).await {
                        Ok(stored) => {
                            digest = stored.digest;
                            chunks.push(stored.chunk);
                            self.shelf.stored(lines);
                        }
                        Err(error) => {
                            self.shelf.fail(error.clone());
                            return Err(error);
                        }
                    }
                }
            }
        }
    }
}

async fn store_cut(
    store: &dyn Store,
    id: RecordingId,
    number: usize,
    cut: Cut,
    previous: [u8; 32],
    patience: Duration,
) -> Result<Stored, RecordError> {
    let Cut { lines, first_micros, last_micros } = cut;
    let uncompressed = lines.len();
    let object = compress(lines).await?;
    // A chunk a second for a hundred years: the number fits.
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let stored = entry(number, &object, uncompressed, previous, (first_micros, last_micros));
    put(store, &Key::chunk(id, number), object.into(), patience).await?;
    Ok(stored)
}

async fn compress(lines: Vec<u8>) -> Result<Vec<u8>, RecordError> {
    let compressed = if lines.len() < INLINE_BYTES {
        chunk::compress(&lines)
    } else {
        let task = tokio::task::spawn_blocking(move || chunk::compress(&lines));
        task.await.unwrap_or_else(|gone| Err(std::io::Error::other(gone)))
    };
    compressed.map_err(|error| RecordError::Compress(Arc::new(error)))
}

/// A chunk as the manifest lists it. `micros`: of its first and its last event.
pub(crate) fn entry(
    number: u32,
    object: &[u8],
    uncompressed: usize,
    previous: [u8; 32],
    (first_micros, last_micros): (u64, u64),
) -> Stored {
    let digest = chunk::chain(previous, object);
    let chunk = Chunk {
        number,
        size: object.len() as u64,
        uncompressed: uncompressed as u64,
        digest: chunk::hex(digest),
        first_micros,
        last_micros,
    };
    Stored { chunk, digest }
}

pub(crate) async fn put_manifest(
    store: &dyn Store,
    manifest: &Manifest,
    signer: &Signer,
    patience: Duration,
) -> Result<(), RecordError> {
    let object = manifest.seal(signer, unix_micros(SystemTime::now()));
    put(store, &Key::manifest(manifest.session.id), object, patience).await
}

/// Creates an object, trying again for as long as `patience` says.
pub(crate) async fn put(store: &dyn Store, key: &Key, object: Bytes, patience: Duration) -> Result<(), RecordError> {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let put = timeout_at(deadline, put_once(store, key, object.clone()));
        let error = match put.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => return Err(RecordError::StoreTimeout),
        };
        if matches!(error, RecordError::Conflict(_)) || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(%key, error = &error as &dyn std::error::Error, "store failed; trying again");
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// An object that is there already is ours if it has our bytes: an earlier try, whose answer was lost.
async fn put_once(store: &dyn Store, key: &Key, object: Bytes) -> Result<(), RecordError> {
    match store.put_new(key, object.clone()).await {
        Err(StoreError::Exists(key)) if store.read(&key).await? == object => Ok(()),
        Err(StoreError::Exists(key)) => Err(RecordError::Conflict(key)),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(()),
    }
}

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use storage::{Chunk, Manifest, RecordingId, Store, cast::Session};
use tokio::task::JoinHandle;
use wire::{Negotiated, Request, Side};

use crate::{
    Ending, Opened, RecordError, Settings,
    shelf::Shelf,
    tape::{Summary, Tape},
    upload::{self, Uploader},
};

/// The uploader's task; its answer is the manifest's list of chunks.
type Uploading = JoinHandle<Result<Vec<Chunk>, RecordError>>;

/// A session under way. Both directions' pumps share it.
///
/// Dropped without [`Self::finish`], what it has is stored, and no manifest is written: the recording looks
/// like one whose gateway died, because it is one.
pub struct Recording {
    session: Session,
    settings: Arc<Settings>,
    store: Arc<dyn Store>,
    shelf: Arc<Shelf>,
    uploader: Mutex<Option<Uploading>>,
    image: OnceLock<String>,
}

impl Recording {
    pub(crate) fn start(opened: Opened, negotiated: Negotiated, request: &Request) -> Self {
        let Opened { store, settings, session, start, first } = opened;
        let tape = Tape::new(&session, &negotiated, request, settings.keep);
        let shelf = Arc::new(Shelf::new(tape, settings.clone(), start));
        let uploader = Uploader {
            shelf: shelf.clone(),
            store: store.clone(),
            id: session.id,
            patience: settings.store_patience,
            first,
        };
        let uploader = Mutex::new(Some(tokio::spawn(uploader.run())));
        Self { session, settings, store, shelf, uploader, image: OnceLock::new() }
    }

    /// The recording's name.
    pub fn id(&self) -> RecordingId {
        self.session.id
    }

    /// Decodes and records what a side sent. When this returns `Ok`, the bytes may be forwarded. While more than
    /// [`Settings::max_pending`] bytes wait for the store, it waits too. Each side's bytes must come in order.
    ///
    /// # Errors
    /// Nothing of `bytes` may be forwarded, and the session must end: the store is away
    /// ([`RecordError::Store`], [`RecordError::StoreTimeout`]), or something came that the other end may read otherwise
    /// ([`RecordError::Anomaly`]; the bytes are in the recording all the same, for whoever looks into it).
    pub async fn accept(&self, from: Side, bytes: &[u8]) -> Result<(), RecordError> {
        let strict = self.settings.strict;
        self.shelf.write(|tape, micros| tape.accept(micros, from, bytes, strict)).await?
    }

    /// That side will send nothing more: EOF or reset. Once the recording has failed this does nothing.
    pub async fn ended(&self, from: Side) {
        // A failure is told by `accept`, `failed` and `finish`.
        let _ = self.shelf.write(|tape, micros| tape.ended(micros, from)).await;
    }

    /// The container's image is known by now. Said a second time, it changes nothing.
    pub fn runs(&self, image: String) {
        let _ = self.image.set(image);
    }

    /// How far the server's bytes are from a frame border: see [`wire::Decoder::to_border`].
    pub fn to_border(&self) -> Option<u64> {
        self.shelf.lock().tape.to_border()
    }

    /// Bytes to send to the client at such a border, that end the session visibly: see
    /// [`wire::Decoder::termination`].
    pub fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        self.shelf.lock().tape.termination(message, reason, code)
    }

    /// Resolves when the recording cannot go on: the store is away, or it is finished. A session in which nothing is
    /// said must end then too.
    pub async fn failed(&self) -> RecordError {
        self.shelf.failed().await
    }

    /// Ends the recording: stores what is left, then the manifest.
    ///
    /// # Errors
    /// Why the store did not take it all; [`RecordError::Finished`] the second time.
    pub async fn finish(self: Arc<Self>, how: Ending) -> Result<Manifest, RecordError> {
        let (summary, micros) = self.shelf.close(|tape, micros| {
            for side in [Side::Server, Side::Client] {
                tape.ended(micros, side);
            }
            (tape.finish(micros, how), micros)
        })?;
        let chunks = self.uploaded().await?;
        let manifest = self.manifest(summary, micros, chunks);
        upload::put_manifest(&*self.store, &manifest, &self.settings.signer, self.settings.store_patience).await?;
        Ok(manifest)
    }

    async fn uploaded(&self) -> Result<Vec<Chunk>, RecordError> {
        let uploader = self.uploader.lock().unwrap_or_else(PoisonError::into_inner).take();
        match uploader {
            Some(uploader) => uploader.await.unwrap_or(Err(RecordError::Finished)),
            None => Err(RecordError::Finished),
        }
    }

    fn manifest(&self, summary: Summary, micros: u64, chunks: Vec<Chunk>) -> Manifest {
        let (width, height) = summary.size;
        Manifest {
            format: 1,
            session: self.session.clone(),
            ended_micros: self.session.started_micros.saturating_add_unsigned(micros),
            duration_micros: micros,
            outcome: summary.outcome,
            width,
            height,
            totals: summary.totals,
            contents: summary.contents,
            chunks,
            commands: summary.commands,
            anomalies: summary.anomalies,
            transport: summary.transport,
            image: self.image.get().cloned().unwrap_or_default(),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Already closed after `finish`; otherwise the uploader stores the rest and ends.
        let _ = self.shelf.close(|_, _| ());
    }
}

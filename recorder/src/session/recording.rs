use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use recording::{Manifest, RecordingId, cast::SessionMetadata};
use spool::SessionRecord;
use wire::{Negotiated, Request, Side};

use crate::{
    Ending, OpenRecording, RecordError, Settings,
    session::encoder::{SessionEncoder, Summary},
    session::writer::SessionWriter,
    upload::end_acks::EndAcks,
};

/// A session's end waits so long for a disk that has no byte left; then it goes on waiting by itself.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A session under way. Both directions' pumps share it.
///
/// Dropped without [`Self::finish`], what it has is stored, and its manifest says `interrupted`, as for one whose gateway
/// died.
pub struct Recording {
    session: SessionMetadata,
    settings: Arc<Settings>,
    shelf: Arc<SessionWriter>,
    image: OnceLock<String>,
    ends: Arc<EndAcks>,
}

impl Recording {
    pub(crate) fn start(opened: OpenRecording, negotiated: Negotiated, request: &Request) -> Self {
        let OpenRecording { recorder, session, start, mut spooled } = opened;
        let tape = SessionEncoder::new(&session, &negotiated, request, recorder.settings.keep);
        // It is for a manifest that somebody else writes: a disk that fails here fails at the first byte.
        let _ = spooled.fact(&SessionRecord::Began { transport: tape.transport().to_owned() });
        let settings = recorder.settings.clone();
        let shelf = Arc::new(SessionWriter::new(tape, spooled, recorder.spool.clone(), settings.clone(), start));
        recorder.shelves.enter(session.id, &shelf);
        Self { session, settings, shelf, image: OnceLock::new(), ends: recorder.ends.clone() }
    }

    /// The recording's name.
    pub fn id(&self) -> RecordingId {
        self.session.id
    }

    /// Decodes and records what a side sent. When this returns `Ok`, the bytes are in the spool, which `kill -9` does not
    /// harm, and may be forwarded. While the spool has no room it waits. Each side's bytes must come in order.
    ///
    /// # Errors
    /// Nothing of `bytes` may be forwarded, and the session must end: there was no room for as long as the settings'
    /// patience, or the disk failed ([`RecordError::Spool`]), or something came that the other end may read otherwise
    /// ([`RecordError::Anomaly`]; the bytes are in the recording all the same, for whoever looks into it).
    pub async fn accept(&self, from: Side, bytes: &[u8]) -> Result<(), RecordError> {
        let strict = self.settings.strict;
        self.shelf.write(|tape, micros| tape.accept(micros, from, bytes, strict)).await??;
        if from == Side::Server {
            self.shelf.lock().tape.forwarded();
        }
        Ok(())
    }

    /// That side will send nothing more: EOF or reset. Once the recording has failed this does nothing.
    pub async fn ended(&self, from: Side) {
        // A failure is told by `accept`, `failed` and `finish`.
        let _ = self.shelf.write(|tape, micros| tape.ended(micros, from)).await;
    }

    /// The container's image is known by now. Said a second time, it changes nothing.
    pub fn runs(&self, image: String) {
        if self.image.set(image.clone()).is_ok() {
            self.shelf.note(&SessionRecord::Runs { image });
        }
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

    /// Resolves when the recording cannot go on: the spool takes no more, or it is finished. A session in which nothing is
    /// said must end then too.
    pub async fn failed(&self) -> RecordError {
        self.shelf.failed().await
    }

    /// Ends the recording: the last lines and the end are in the spool. Chunks and manifest reach the store by themselves,
    /// after this.
    ///
    /// The answer is the manifest as it will be, without its chunks. Whether it could be written or not, the caller tells the
    /// journal, and then [`crate::Recorder::told`].
    ///
    /// # Errors
    /// Why the disk did not take it; [`RecordError::Finished`] the second time.
    pub async fn finish(self: Arc<Self>, how: Ending) -> Result<Manifest, RecordError> {
        let manifest = self.shelf.close(|tape, micros| {
            for side in [Side::Server, Side::Client] {
                tape.ended(micros, side);
            }
            self.manifest(tape.finish(micros, how), micros)
        })?;
        self.ends.promise(self.id());
        let deadline = Instant::now() + LAST_WORDS;
        while !self.shelf.end(&manifest)? {
            if deadline <= Instant::now() {
                self.end_later(manifest.clone());
                break;
            }
            self.shelf.room().await;
        }
        Ok(manifest)
    }

    /// The disk has no room even for the end: it is written as soon as there is.
    fn end_later(&self, manifest: Manifest) {
        tracing::warn!(session = %self.id(), "no room on the disk for the session's end: it waits in memory");
        let shelf = self.shelf.clone();
        tokio::spawn(async move {
            while matches!(shelf.end(&manifest), Ok(false)) {
                shelf.room().await;
            }
        });
    }

    fn manifest(&self, summary: Summary, micros: u64) -> Manifest {
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
            chunks: Vec::new(),
            commands: summary.commands,
            anomalies: summary.anomalies,
            transport: summary.transport,
            image: self.image.get().cloned().unwrap_or_default(),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Closed already after `finish`.
        self.shelf.abandon();
    }
}

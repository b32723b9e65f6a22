use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use recording::{Manifest, Micros, RecordingId, cast::SessionMetadata};
use spool::{SessionRecord, SpoolWriter};
use wire::{Negotiated, Request, Side};

use crate::{
    Ending, RecordError,
    session::context::Context,
    session::{
        encoder::{SessionEncoder, Summary},
        writer::SessionWriter,
    },
};

/// How long [`Recording::finish`] waits for a disk that has no byte left. A task goes on waiting then.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// A session under way. The pumps of both directions share it.
///
/// If it is dropped without [`Self::finish`], what it has is stored, and its manifest says `interrupted`, as for a session whose
/// gateway died.
pub struct Recording {
    context: Arc<Context>,
    session: SessionMetadata,
    writer: Arc<SessionWriter>,
    image: OnceLock<String>,
}

impl Recording {
    pub(crate) fn start(
        context: Arc<Context>,
        session: SessionMetadata,
        start: Instant,
        mut spooled: SpoolWriter,
        negotiated: &Negotiated,
        request: &Request,
    ) -> Self {
        let encoder = SessionEncoder::new(&session, negotiated, request, context.settings.keep);
        // For a manifest that another process may have to write. A disk that fails here fails at the first byte.
        let _ = spooled.note(&SessionRecord::Began { transport: encoder.transport().to_owned() });
        let (gauges, settings) = (context.gauges.clone(), context.settings.clone());
        let writer = Arc::new(SessionWriter::new(encoder, spooled, gauges, settings, start));
        context.active.add(session.id, &writer);
        Self { context, session, writer, image: OnceLock::new() }
    }

    /// The recording's id.
    pub fn id(&self) -> RecordingId {
        self.session.id
    }

    /// Decodes and records what a side sent. When this returns `Ok`, the bytes are in the spool, which `kill -9` does not harm,
    /// and may be forwarded. While the spool has no room it waits. The bytes of each side must come in order.
    ///
    /// # Errors
    /// Nothing of `bytes` may be forwarded, and the session must end. There was no room for as long as the settings' patience,
    /// or the disk failed ([`RecordError::Spool`]), or something came that the other end may read otherwise
    /// ([`RecordError::Anomaly`]; the recording has the bytes all the same, for an auditor).
    ///
    /// # Cancel safety
    /// Not cancel safe: where the future is dropped while it waits for room, the bytes are recorded and must not be given again.
    pub async fn accept(&self, from: Side, bytes: &[u8]) -> Result<(), RecordError> {
        let strict = self.context.settings.strict;
        self.writer.write(|encoder, time| encoder.accept(time, from, bytes, strict)).await??;
        if from == Side::Server {
            self.writer.lock().encoder.forwarded();
        }
        Ok(())
    }

    /// Notes that a side will send nothing more: EOF or reset. Once the recording has failed this does nothing.
    ///
    /// # Cancel safety
    /// Where the future is dropped while it waits for room, the end is recorded.
    pub async fn ended(&self, from: Side) {
        // `accept`, `failed` and `finish` tell of a failure.
        let _ = self.writer.write(|encoder, time| encoder.ended(time, from)).await;
    }

    /// Notes the container's image, once it is known. A second call changes nothing.
    pub fn set_image(&self, image: String) {
        if self.image.set(image.clone()).is_ok() {
            self.writer.note(&SessionRecord::Image { image });
        }
    }

    /// How far the server's bytes are from the next frame boundary; `None` if that is not known. See
    /// [`wire::Decoder::to_border`].
    pub fn bytes_to_frame_boundary(&self) -> Option<u64> {
        self.writer.lock().encoder.bytes_to_frame_boundary()
    }

    /// The bytes that end the session visibly, to send to the client at a frame boundary. See
    /// [`wire::Decoder::termination`].
    pub fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        self.writer.lock().encoder.termination(message, reason, code)
    }

    /// Resolves when the recording cannot go on: the spool takes no more, or the recording is finished. A session in which
    /// nothing is said must end then too.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn failed(&self) -> RecordError {
        self.writer.failed().await
    }

    /// Ends the recording: the last lines and the end are in the spool. Chunks and manifest reach the store later, by
    /// themselves.
    ///
    /// Returns the manifest as it will be, without its chunks. Whether there is one or an error, the caller tells the journal of
    /// the end, and then calls [`crate::Recorder::acknowledge`].
    ///
    /// # Errors
    /// Why the disk did not take the end; [`RecordError::Finished`] if it is called again.
    ///
    /// # Cancel safety
    /// Where the future is dropped while it waits for room, the recording is closed without its end.
    pub async fn finish(self: Arc<Self>, how: Ending) -> Result<Manifest, RecordError> {
        let manifest = self.writer.close(|encoder, time| {
            for side in [Side::Server, Side::Client] {
                encoder.ended(time, side);
            }
            self.manifest(encoder.finish(time, how), time)
        })?;
        self.context.ends.expect(self.id());
        let deadline = Instant::now() + END_PATIENCE;
        while !self.writer.end(&manifest)? {
            if deadline <= Instant::now() {
                self.end_later(&manifest);
                break;
            }
            self.writer.room().await;
        }
        Ok(manifest)
    }

    /// Has the end written as soon as the disk, which has no room even for that, has some.
    fn end_later(&self, manifest: &Manifest) {
        tracing::warn!(session = %self.id(), "no room on the disk for the session's end: it waits in memory");
        let (writer, manifest) = (self.writer.clone(), Arc::new(manifest.clone()));
        self.context.tasks.spawn("end", self.id(), move |_| {
            let (writer, manifest) = (writer.clone(), manifest.clone());
            async move {
                while matches!(writer.end(&manifest), Ok(false)) {
                    writer.room().await;
                }
            }
        });
    }

    fn manifest(&self, summary: Summary, duration: Micros) -> Manifest {
        let (width, height) = summary.size;
        Manifest {
            format: 1,
            session: self.session.clone(),
            ended: self.session.started + duration,
            duration,
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
        // After `finish` it is closed already.
        self.writer.abandon();
    }
}

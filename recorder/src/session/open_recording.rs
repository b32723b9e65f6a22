use std::{sync::Arc, time::Instant};

use recording::{Contents, Manifest, Outcome, RecordingId, StreamTotals, cast::SessionMetadata};
use spool::{SessionRecord, SpoolWriter};

use crate::{RecordError, Recording, argv::argv_command, clock::time_since, session::context::Context};

/// A recording whose header is on the disk, of a session that has not begun: no 101 was seen.
#[must_use = "a recording that is neither begun nor refused looks like one whose gateway died"]
pub struct OpenRecording {
    context: Arc<Context>,
    session: SessionMetadata,
    /// Zero of the recording's clock.
    start: Instant,
    writer: SpoolWriter,
}

impl OpenRecording {
    pub(crate) fn new(context: Arc<Context>, session: SessionMetadata, start: Instant, writer: SpoolWriter) -> Self {
        Self { context, session, start, writer }
    }

    /// The recording's id.
    pub fn id(&self) -> RecordingId {
        self.session.id
    }

    /// Begins the session: the upstream answered 101. Must be called inside a Tokio runtime.
    pub fn begin(self, negotiated: wire::Negotiated, request: &wire::Request) -> Recording {
        let Self { context, session, start, writer } = self;
        Recording::start(context, session, start, writer, &negotiated, request)
    }

    /// Ends the recording of a session that never began, because the upstream did not answer 101. `message` is for a reader.
    ///
    /// Returns the manifest as it will be, without chunks. The caller tells the journal, and then calls
    /// [`crate::Recorder::acknowledge`].
    ///
    /// # Errors
    /// The disk's: the end is not written. The caller tells the journal all the same.
    pub async fn refused(mut self, message: &str) -> Result<Manifest, RecordError> {
        self.context.ends.expect(self.id());
        let duration = time_since(self.start);
        let manifest = Manifest {
            format: 1,
            ended: self.session.started + duration,
            duration,
            outcome: Outcome::FailedToStart { message: message.to_owned() },
            width: 80,
            height: 24,
            totals: StreamTotals::default(),
            contents: Contents::default(),
            chunks: Vec::new(),
            commands: argv_command(&self.session).into_iter().collect(),
            anomalies: Vec::new(),
            transport: String::new(),
            image: String::new(),
            session: self.session,
        };
        self.writer.note(&SessionRecord::Ended(Box::new(manifest.clone())))?;
        self.writer.end();
        Ok(manifest)
    }
}

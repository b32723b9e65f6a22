use std::{sync::Arc, time::Instant};

use recording::{
    Command, CommandSource, Manifest, Outcome, RecordingId, StreamTotals,
    cast::{SessionKind, SessionMetadata},
};
use spool::{self, SessionRecord};

use crate::{RecordError, Recording, recorder::Context, session::open_request::quoted};

/// A recording whose header is on the disk, of a session that has not begun: no 101 was seen.
#[must_use = "a recording that is neither begun nor refused looks like one whose gateway died"]
pub struct OpenRecording {
    pub(crate) recorder: Arc<Context>,
    pub(crate) session: SessionMetadata,
    /// Zero of the recording's clock.
    pub(crate) start: Instant,
    pub(crate) spooled: spool::SpoolWriter,
}

impl OpenRecording {
    /// The recording's name.
    pub fn id(&self) -> RecordingId {
        self.session.id
    }

    /// The upstream answered 101: the session begins. Must be called inside a Tokio runtime.
    pub fn begin(self, negotiated: wire::Negotiated, request: &wire::Request) -> Recording {
        Recording::start(self, negotiated, request)
    }

    /// The upstream did not answer 101: writes down the end, with `message` for a reader. The answer is the manifest as it
    /// will be, without chunks; the caller tells the journal, and then [`crate::Recorder::told`].
    ///
    /// # Errors
    /// Why the disk did not take it.
    pub async fn refused(mut self, message: &str) -> Result<Manifest, RecordError> {
        self.recorder.ends.promise(self.id());
        let duration_micros = micros_since(self.start);
        let manifest = Manifest {
            format: 1,
            ended_micros: self.session.started_micros.saturating_add_unsigned(duration_micros),
            duration_micros,
            outcome: Outcome::FailedToStart { message: message.to_owned() },
            width: 80,
            height: 24,
            totals: StreamTotals::default(),
            contents: recording::Contents::default(),
            chunks: Vec::new(),
            commands: argv_command(&self.session).into_iter().collect(),
            anomalies: Vec::new(),
            transport: String::new(),
            image: String::new(),
            session: self.session,
        };
        self.spooled.fact(&SessionRecord::Ended(Box::new(manifest.clone())))?;
        self.spooled.end();
        Ok(manifest)
    }
}

/// What an exec request asked to run, as a command at time 0.
pub(crate) fn argv_command(session: &SessionMetadata) -> Option<Command> {
    let exec = session.kind == SessionKind::Exec && !session.argv.is_empty();
    exec.then(|| Command { micros: 0, source: CommandSource::Argv, text: quoted(&session.argv), typed: None })
}

pub(crate) fn micros_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

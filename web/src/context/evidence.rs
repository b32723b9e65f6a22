use std::{sync::Arc, time::Duration};

use player::{Player, PlayerError};
use recording::{Command, CommandSource, Manifest, Micros, RecordingId};
use storage::{RecordingError, RecordingReader, Store};
use tokio::time::timeout;
use verify::{Inspection, Trust};

use super::{
    inspector::Inspector,
    turns::{Full, Turn, Turns},
};
use crate::http::failure::Failure;

/// Downloads, and searches through one recording, at a time: of all people, and of one. More are told to come back.
const CONCURRENT_EXPORTS: usize = 16;
const EXPORTS_OF_A_PERSON: usize = 4;

/// How long somebody waits for a recording to be checked before they see it.
const INSPECTED_IN_TIME: Duration = Duration::from_secs(5);

const NO_RECORDING: &str = "There is no such recording.";

/// What is stored, and what plays it.
pub(crate) struct Evidence {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) recordings: RecordingReader,
    pub(crate) player: Player,
    pub(crate) inspector: Arc<Inspector>,
    exports: Arc<Turns>,
}

/// The commands of a session so far.
pub(crate) struct SessionCommands {
    pub(crate) commands: Vec<Command>,
    /// False if earlier commands may be out of reach: the session goes on and storage is unavailable.
    pub(crate) complete: bool,
}

impl Evidence {
    pub(crate) fn new(store: Arc<dyn Store>, player: Player, trusted: Vec<Trust>) -> Self {
        let recordings = RecordingReader::new(Arc::clone(&store));
        let inspector = Arc::new(Inspector::new(Arc::clone(&store), trusted));
        Self { store, recordings, player, inspector, exports: Turns::new(CONCURRENT_EXPORTS, EXPORTS_OF_A_PERSON) }
    }

    /// What a recording is worth, for somebody who is about to see it. While storage is away a live session can be watched, from
    /// this gateway's spool: then nobody vouches for it, and that is said.
    pub(crate) async fn inspect(&self, id: RecordingId) -> Arc<Inspection> {
        match timeout(INSPECTED_IN_TIME, self.inspector.inspect(id)).await {
            Ok(Ok(inspection)) => inspection,
            Ok(Err(error)) => {
                tracing::warn!(%id, error = &error as &dyn std::error::Error, "cannot check a recording");
                Arc::new(Inspection::unchecked(id, "storage cannot be read now, so it is not verified"))
            }
            Err(_) => Arc::new(Inspection::unchecked(id, "storage does not answer in time, so it is not verified")),
        }
    }

    /// A person's turn to go through one whole recording. The failure says to come back.
    pub(crate) fn export_turn(&self, user: &str) -> Result<Turn, Failure> {
        self.exports.take(user).map_err(|full| {
            Failure::busy(match full {
                Full::All => "Too many downloads are running. Try again in a moment.",
                Full::Person => "Four downloads of yours are running. Let one of them end, or stop it.",
            })
        })
    }

    /// The manifest's commands, or while there is no manifest those that the player finds.
    pub(crate) async fn commands(
        &self,
        id: RecordingId,
        manifest: Option<&Manifest>,
    ) -> Result<SessionCommands, Failure> {
        if let Some(manifest) = manifest {
            return Ok(SessionCommands { commands: manifest.commands.clone(), complete: true });
        }
        let so_far = self.player.markers(id).await.map_err(unplayable)?;
        let commands = so_far.markers.into_iter().map(marked_command).collect();
        Ok(SessionCommands { commands, complete: so_far.whole })
    }
}

/// The player puts argv at the start, and typed commands where they were entered.
fn marked_command((seconds, text): (f64, String)) -> Command {
    let source = if seconds == 0.0 { CommandSource::Argv } else { CommandSource::Typed };
    Command { time: Micros::from_secs_f64(seconds), source, text, typed: None }
}

/// Reads a recording's id in an address.
pub(crate) fn parse_id(id: &str) -> Result<RecordingId, Failure> {
    id.parse().map_err(|_| Failure::not_found(NO_RECORDING))
}

/// Why the player did not play, as the request's failure.
pub(crate) fn unplayable(error: PlayerError) -> Failure {
    match error {
        PlayerError::NotRecorded { .. } => Failure::not_found(&format!("{error}.")),
        error if error.is_not_found() => Failure::not_found(NO_RECORDING),
        error => Failure::internal("cannot play a recording", error),
    }
}

/// Why a recording could not be read, as the request's failure.
pub(crate) fn unreadable(error: RecordingError) -> Failure {
    match error {
        error if error.is_not_found() => Failure::not_found(NO_RECORDING),
        error => Failure::internal("cannot read a recording", error),
    }
}

use storage::{Command, CommandSource, Manifest, RecordingId};

use crate::{
    failure::Failure,
    state::{State, unplayable},
};

/// The commands of a session: the manifest's, or while there is none, what the player finds in what is stored.
pub(crate) async fn of(state: &State, id: RecordingId, manifest: Option<&Manifest>) -> Result<Vec<Command>, Failure> {
    match manifest {
        Some(manifest) => Ok(manifest.commands.clone()),
        None => {
            let index = state.player.index(id).await.map_err(unplayable)?;
            Ok(index.markers.into_iter().map(command).collect())
        }
    }
}

/// The player puts argv at the start and typed commands where they were entered.
fn command((seconds, text): (f64, String)) -> Command {
    let source = if seconds == 0.0 { CommandSource::Argv } else { CommandSource::Typed };
    Command { micros: (seconds * 1e6).round() as u64, source, text, typed: None }
}

use recording::{Command, CommandSource, Manifest, RecordingId};

use crate::{
    http::failure::Failure,
    state::{AppState, unplayable},
};

/// The commands of a session: the manifest's, or while there is none, what the player finds; and whether these are all so far:
/// of a session that goes on while the store is away, earlier ones may be out of reach.
pub(crate) async fn of(
    state: &AppState,
    id: RecordingId,
    manifest: Option<&Manifest>,
) -> Result<(Vec<Command>, bool), Failure> {
    match manifest {
        Some(manifest) => Ok((manifest.commands.clone(), true)),
        None => {
            let so_far = state.player.markers(id).await.map_err(unplayable)?;
            Ok((so_far.markers.into_iter().map(command).collect(), so_far.whole))
        }
    }
}

/// The player puts argv at the start and typed commands where they were entered.
fn command((seconds, text): (f64, String)) -> Command {
    let source = if seconds == 0.0 { CommandSource::Argv } else { CommandSource::Typed };
    Command { micros: (seconds * 1e6).round() as u64, source, text, typed: None }
}

//! That somebody looks at a recording with the program, or takes it away, is journalled like in the web: before they get it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use journal::{Journal, JournalSettings};
use recording::{RecordingId, journal::JournalEvent};

use crate::{
    config::Config,
    control::{self, Answer, Request},
    signing, wiring,
};

/// What is done with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is played, or what it says is read.
    Play,
    /// It is watched while it goes on.
    Live,
    /// It is taken away.
    Export,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Live => "live",
            Self::Export => "export",
        }
    }
}

/// Returns when the journal has it: through the gateway that runs here, or else in a journal of the program's own. Where
/// that cannot be written either, as where storage is a copy that is only read, a warning says so: whoever reads storage
/// directly could do without this program.
///
/// # Errors
/// A gateway runs here and does not take it. Then the recording is not to be shown.
pub async fn note(config: &Config, session: RecordingId, how: How) -> Result<()> {
    let request = Request::Viewed { session, how: how.word().to_owned() };
    let answer = control::ask_if_there(config, &request).await;
    match answer.context("what cannot be journalled is not shown")? {
        Some(Answer::Noted) => {}
        Some(_) => bail!("the gateway gave another answer"),
        None => {
            if let Err(error) = alone(config, session, how).await {
                tracing::warn!("this is not in the journal: {error:#}");
            }
        }
    }
    Ok(())
}

/// No gateway runs here, but one may elsewhere, with the same name: its journal is its own.
async fn alone(config: &Config, session: RecordingId, how: How) -> Result<()> {
    let mut name = config.gateway.name.clone();
    name.truncate(59);
    name.push_str("-cli");
    let store = wiring::store(config).await?;
    let signer = signing::signer_beside_gateway(config, &store).await?;
    let settings = JournalSettings { signer, patience: PATIENCE, ..JournalSettings::default() };
    let journal = Journal::open(store, &name, settings).await?;
    let what = JournalEvent::Viewed { session, how: how.word().to_owned() };
    journal.note_durably(&control::this_account(), what).await?;
    journal.close().await?;
    Ok(())
}

/// How long a store may take.
const PATIENCE: Duration = Duration::from_secs(5);

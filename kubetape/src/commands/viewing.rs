//! Journals who looks at a recording with the program, takes it away, or searches: before they get it, as in the web.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use journal::{Journal, JournalSettings};
use recording::{RecordingId, journal::JournalEvent};
use search::{Hits, Query};

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

/// Journals that a recording is about to be shown or taken away. See [`note_event`].
pub async fn note(config: &Config, session: RecordingId, how: How) -> Result<()> {
    let how = how.word().to_owned();
    let request = Request::Viewed { session, how: how.clone() };
    note_event(config, request, JournalEvent::Viewed { session, how }).await
}

/// Journals a search whose hits are about to be shown, if they quote recordings. See [`note_event`].
pub async fn note_search(config: &Config, query: &Query, found: &Hits) -> Result<()> {
    let Some(search) = search::journalled(query, found) else { return Ok(()) };
    note_event(config, Request::Searched(search.clone()), JournalEvent::Searched(search)).await
}

/// Returns when the journal has it: through the gateway that runs here, or else in a journal of the program's own. If that
/// cannot be written either, as when storage is a copy that is only read, a warning says so: a person who reads storage
/// directly could do without this program.
///
/// # Errors
/// A gateway runs here and does not take it. Then nothing is to be shown.
async fn note_event(config: &Config, request: Request, event: JournalEvent) -> Result<()> {
    let answer = control::ask_if_there(config, &request).await;
    match answer.context("what cannot be journalled is not shown")? {
        Some(Answer::Noted) => {}
        Some(_) => bail!("the gateway gave another answer"),
        None => {
            if let Err(error) = note_alone(config, event).await {
                tracing::warn!("this is not in the journal: {error:#}");
            }
        }
    }
    Ok(())
}

/// No gateway runs here, but one may run elsewhere with the same name: this journal is the program's own.
async fn note_alone(config: &Config, event: JournalEvent) -> Result<()> {
    let mut name = config.gateway.name.clone();
    name.truncate(59);
    name.push_str("-cli");
    let store = wiring::store(config).await?;
    let signer = signing::signer_beside_gateway(config, &store).await?;
    let settings = JournalSettings { signer, patience: PATIENCE, ..JournalSettings::default() };
    let journal = Journal::open(store, &name, settings).await?;
    journal.note_durably(&control::this_account(), event).await?;
    journal.close().await?;
    Ok(())
}

/// How long a store may take.
const PATIENCE: Duration = Duration::from_secs(5);

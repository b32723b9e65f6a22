//! Journals that somebody looks at a recording with the program, exports it or searches, as the pages do: before they get it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use journal::{Journal, JournalSettings};
use recording::{
    RecordingId,
    journal::{JournalEvent, cli_journal},
};
use search::{Hits, Query};

use super::evidence;
use crate::{config::Config, wiring};
use control::{Answer, Request};

/// What somebody does with a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewing {
    /// Plays it, or reads what it says.
    Play,
    /// Watches it live.
    Live,
    /// Exports it.
    Export,
}

impl Viewing {
    fn name(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Live => "live",
            Self::Export => "export",
        }
    }
}

/// Journals that a recording is about to be shown or exported (see [`journal_event`]), and says on stderr if it is not as it
/// was written.
///
/// # Errors
/// A gateway runs here and does not journal it, or the recording cannot be checked. Then it must not be shown.
pub async fn note(config: &Config, session: RecordingId, how: Viewing) -> Result<()> {
    note_unchecked(config, session, how).await?;
    evidence::warn(config, session).await
}

/// As [`note`], for one that the caller has checked.
///
/// # Errors
/// As of [`note`].
pub async fn note_unchecked(config: &Config, session: RecordingId, how: Viewing) -> Result<()> {
    let how = how.name().to_owned();
    let request = Request::Viewed { session, how: how.clone() };
    journal_event(config, request, JournalEvent::Viewed { session, how }).await.context(NOT_SHOWN)
}

/// Journals a search whose hits are about to be shown, if they quote recordings. See [`journal_event`].
///
/// # Errors
/// A gateway runs here and does not journal it. Then the hits must not be shown.
pub async fn note_search(config: &Config, query: &Query, found: &Hits) -> Result<()> {
    let Some(search) = search::journalled(query, found) else { return Ok(()) };
    let noted = journal_event(config, Request::Searched(search.clone()), JournalEvent::Searched(search)).await;
    noted.context(NOT_SHOWN)
}

/// Journals an event, and returns when that is durable: through the gateway that runs here, or else in a journal of the
/// program's own. If that cannot be written either, such as where storage is a read-only copy, a warning says so: a person
/// who can read storage directly does not need this program to read recordings.
pub(super) async fn journal_event(config: &Config, request: Request, event: JournalEvent) -> Result<()> {
    match control::ask_if_there(&config.state, &request).await? {
        Some(Answer::Noted) => {}
        Some(_) => bail!("the gateway gave another answer"),
        None => journal_alone_or_warn(config, event).await,
    }
    Ok(())
}

/// Journals an event where no gateway runs. If that cannot be done, a warning says so.
pub(super) async fn journal_alone_or_warn(config: &Config, event: JournalEvent) {
    if let Err(error) = journal_alone(config, event).await {
        tracing::warn!("this is not in the journal: {error:#}");
    }
}

/// Writes a journal of the program's own. No gateway runs here, but one of the same name may elsewhere: only that one may
/// write its journal.
async fn journal_alone(config: &Config, event: JournalEvent) -> Result<()> {
    let name = cli_journal(&config.gateway.name);
    let store = wiring::store(config).await?;
    let signer = wiring::signer_beside_gateway(config, &store).await?;
    let settings = JournalSettings { signer, patience: STORE_TIMEOUT, ..JournalSettings::default() };
    let journal = Journal::open(store, &name, settings).await?;
    journal.note_durably(&control::this_account(), event).await?;
    journal.close().await?;
    Ok(())
}

const NOT_SHOWN: &str = "what cannot be journalled is not shown";

/// How long a store may take.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

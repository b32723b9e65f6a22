use std::{net::IpAddr, time::Instant};

use identity::WebSession;
use journal::Journal;
use recording::{
    RecordingId,
    journal::{JournalEvent, SearchRequest},
};
use search::{Hits, Query};

use super::recent::RecentEntries;
use crate::http::failure::Failure;

/// Journals logins, and what people see of recordings, each before it happens. If the journal does not take an entry,
/// the request is refused.
pub(crate) struct AccessJournal {
    journal: Journal,
    viewed: RecentEntries<(String, RecordingId, ViewKind)>,
    searched: RecentEntries<(String, SearchRequest)>,
}

/// The journal's `how`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ViewKind {
    Play,
    Live,
    Export,
}

impl ViewKind {
    fn word(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Live => "live",
            Self::Export => "export",
        }
    }
}

impl AccessJournal {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, viewed: RecentEntries::default(), searched: RecentEntries::default() }
    }

    /// A login that worked; it must not begin unless the journal has it.
    pub(crate) async fn logged_in(&self, login: &WebSession, from: &LoginOrigin) -> Result<(), Failure> {
        let event = from.event(true, login.method.word(), "");
        self.journal.note_durably(&login.user, event).await.map_err(Failure::unjournalled)
    }

    /// A login that did not work; `claimed` is empty if nobody was named.
    pub(crate) async fn login_refused(&self, claimed: &str, method: &str, from: &LoginOrigin) {
        self.journal.note("", from.event(false, method, claimed)).await;
    }

    /// Somebody is about to see a recording. Pages, segments and commands of one recording are one entry.
    pub(crate) async fn viewed(&self, login: &WebSession, session: RecordingId) -> Result<(), Failure> {
        self.view_once(login, session, ViewKind::Play).await
    }

    /// Somebody is about to watch a live session. A view that is opened again, as browsers do when the connection
    /// breaks, is the same entry.
    pub(crate) async fn watched(&self, login: &WebSession, session: RecordingId) -> Result<(), Failure> {
        self.view_once(login, session, ViewKind::Live).await
    }

    /// Somebody is about to take a recording away; each time is an entry.
    pub(crate) async fn exported(&self, login: &WebSession, session: RecordingId) -> Result<(), Failure> {
        self.note_view(login, session, ViewKind::Export).await
    }

    /// Somebody is about to see hits of a search. It is journalled if the hits quote a recording; pages of one search
    /// are one entry.
    pub(crate) async fn searched(&self, login: &WebSession, query: &Query, found: &Hits) -> Result<(), Failure> {
        let Some(search) = search::journalled(query, found) else { return Ok(()) };
        // New hits do not make it another search.
        let (key, now) = ((login.user.clone(), SearchRequest { hits: 0, ..search.clone() }), Instant::now());
        if self.searched.contains(&key, now) {
            return Ok(());
        }
        let noted = self.journal.note_durably(&login.user, JournalEvent::Searched(search)).await;
        noted.map_err(Failure::unjournalled)?;
        self.searched.add(key, now);
        Ok(())
    }

    async fn view_once(&self, login: &WebSession, session: RecordingId, kind: ViewKind) -> Result<(), Failure> {
        let (key, now) = ((login.user.clone(), session, kind), Instant::now());
        if self.viewed.contains(&key, now) {
            return Ok(());
        }
        self.note_view(login, session, kind).await?;
        self.viewed.add(key, now);
        Ok(())
    }

    async fn note_view(&self, login: &WebSession, session: RecordingId, kind: ViewKind) -> Result<(), Failure> {
        let event = JournalEvent::Viewed { session, how: kind.word().to_owned() };
        self.journal.note_durably(&login.user, event).await.map_err(Failure::unjournalled)
    }
}

/// Where a login comes from.
pub(crate) struct LoginOrigin {
    /// The person's address; `None` if a proxy stands in front and nothing it says is trusted.
    pub(crate) client: Option<IpAddr>,
    /// The browser, as it calls itself; empty if it does not.
    pub(crate) agent: String,
}

impl LoginOrigin {
    fn event(&self, ok: bool, method: &str, claimed: &str) -> JournalEvent {
        JournalEvent::Login {
            ok,
            method: method.to_owned(),
            client: self.client.map_or_else(String::new, |address| address.to_string()),
            agent: self.agent.clone(),
            claimed: claimed.to_owned(),
        }
    }
}

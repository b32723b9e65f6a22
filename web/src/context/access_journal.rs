use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use access::name;
use http::StatusCode;
use identity::WebSession;
use journal::Journal;
use listener::Sampler;
use recording::{
    RecordingId,
    journal::{ApiRequest, JournalEvent, SearchRequest},
};
use search::{Hits, Query};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::recent::RecentEntries;
use crate::http::failure::Failure;

/// Logins that failed, or were not tried, that get an entry of their own in a second.
const REFUSALS_PER_SECOND: u32 = 10;
/// How often the other ones are summed up.
const SUM_INTERVAL: Duration = Duration::from_secs(1);

/// Journals logins, and what people see of recordings, each before it happens. If the journal does not take an entry,
/// the request is refused.
pub(crate) struct AccessJournal {
    journal: Journal,
    viewed: RecentEntries<(String, RecordingId, ViewKind)>,
    searched: RecentEntries<(String, SearchRequest)>,
    login_refusals: Sampler,
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
        Self {
            journal,
            viewed: RecentEntries::default(),
            searched: RecentEntries::default(),
            login_refusals: Sampler::new(REFUSALS_PER_SECOND),
        }
    }

    /// A login that worked; it must not begin unless the journal has it.
    pub(crate) async fn logged_in(&self, login: &WebSession, from: &LoginOrigin) -> Result<(), Failure> {
        let event = from.event(true, login.method.word(), "");
        self.journal.note_durably(&login.user, event).await.map_err(Failure::unjournalled)
    }

    /// A login that did not work; `claimed` is empty if nobody was named. Some of them a second have an entry each.
    pub(crate) async fn login_refused(&self, claimed: &str, method: &str, from: &LoginOrigin) {
        if self.login_refusals.allow(Instant::now()) {
            self.journal.note("", from.event(false, method, named(claimed))).await;
        }
    }

    /// A login that was not even tried, after too many that did not work. Counts like one of those.
    pub(crate) async fn login_throttled(&self, claimed: &str, method: &str, from: &LoginOrigin) {
        if self.login_refusals.allow(Instant::now()) {
            let whose = Some(named(claimed)).filter(|name| !name.is_empty()).map(|name| format!(" as {name:?}"));
            let whose = whose.unwrap_or_default();
            let reason = format!("login to the pages{whose} by {method}: not tried, after too many that failed");
            self.journal.note("", refusal(reason, from.client)).await;
        }
    }

    /// Journals every second, until `shutdown`, how many of those had no entry of their own.
    pub(crate) async fn sum_up_logins(&self, shutdown: CancellationToken) {
        let mut ticks = interval(SUM_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                () = shutdown.cancelled() => true,
                _ = ticks.tick() => false,
            };
            if let Some(more) = self.login_refusals.take() {
                let reason =
                    format!("{more} more logins to the pages failed, beyond {REFUSALS_PER_SECOND} in a second");
                self.journal.note("", refusal(reason, None)).await;
            }
            if last {
                return;
            }
        }
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
        let noted = self.journal.note_durably(login.actor(), JournalEvent::Searched(search)).await;
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
        self.journal.note_durably(login.actor(), event).await.map_err(Failure::unjournalled)
    }
}

/// A name that somebody who is not known typed; nobody, if it cannot be one.
fn named(user: &str) -> &str {
    if name::check(user).is_ok() { user } else { "" }
}

fn refusal(reason: String, client: Option<IpAddr>) -> JournalEvent {
    let client = client.map_or_else(String::new, |address| address.to_string());
    let code = StatusCode::TOO_MANY_REQUESTS.as_u16();
    JournalEvent::Refused(ApiRequest { code, reason, client, ..ApiRequest::default() })
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

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use journal::Journal;
use player::{Player, PlayerError};
use recording::{Outcome, RecordingId, journal::JournalEvent};
use search::{Index, QueryError, SearchError};
use storage::{RecordingError, RecordingReader, Store};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{badge::OutcomeBadge, failure::Failure, login::HASHING, throttle::Throttle, views::ViewDedup};
use identity::{
    Links, Users,
    web_sessions::{LoginMethod, WebSession, WebSessions},
};

/// Questions that the index answers at a time, each on a thread of its own; more wait.
const ASKING: usize = 8;

/// Downloads at a time; more are told to come back.
const EXPORTS: usize = 16;

/// Live views at a time; more are told to come back.
const WATCHING: usize = 256;

/// What the web is made of.
pub struct Settings {
    /// Where the recordings are.
    pub store: Arc<dyn Store>,
    /// What finds them; `web` reads it only.
    pub index: Index,
    /// What plays them.
    pub player: Player,
    /// Where viewing and logging in are written down.
    pub journal: Journal,
    /// Who may log in with a password.
    pub users: Users,
    /// Who may log in with a one-time link.
    pub links: Links,
    /// The gateway's name, shown at the foot of pages.
    pub gateway_name: String,
    /// TLS ends in front of this process: cookies are `Secure` although it serves plain HTTP. Not needed where
    /// [`crate::Web::serve`] is given a TLS configuration.
    pub behind_tls: bool,
    /// The command that makes a first session, shown where there is none yet: `kubectl --kubeconfig … exec …`.
    pub kubectl_hint: String,
    /// Ends a live session, where this process can.
    pub end_session: Option<EndSession>,
}

/// Ends a live session of the gateway in this process: who asks for it, which, and why. False where it is not under way
/// there. An error says what is wrong with the reason.
pub type EndSession =
    Arc<dyn Fn(String, RecordingId, String) -> BoxFuture<'static, Result<bool, String>> + Send + Sync>;

/// The running web, shared by all requests.
pub(crate) struct AppState {
    pub(crate) recordings: RecordingReader,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) player: Player,
    index: Index,
    asking: Arc<Semaphore>,
    pub(crate) exports: Arc<Semaphore>,
    pub(crate) watching: Arc<Semaphore>,
    /// The process ends: so do streams, which would not by themselves.
    pub(crate) shutdown: CancellationToken,
    pub(crate) journal: Journal,
    pub(crate) users: Users,
    pub(crate) links: Links,
    pub(crate) gateway_name: String,
    /// When this process, and the gateway in it, began.
    since: Timestamp,
    pub(crate) kubectl_hint: String,
    pub(crate) end_session: Option<EndSession>,
    pub(crate) tls: bool,
    pub(crate) logins: WebSessions,
    pub(crate) throttle: Throttle,
    pub(crate) hashing: Arc<Semaphore>,
    views: ViewDedup,
    watched: ViewDedup,
}

pub(crate) type Shared = Arc<AppState>;

impl AppState {
    pub(crate) fn new(settings: Settings, since: Timestamp, tls: bool, shutdown: CancellationToken) -> Shared {
        Arc::new(Self {
            recordings: RecordingReader::new(Arc::clone(&settings.store)),
            store: settings.store,
            player: settings.player,
            index: settings.index,
            asking: Arc::new(Semaphore::new(ASKING)),
            exports: Arc::new(Semaphore::new(EXPORTS)),
            watching: Arc::new(Semaphore::new(WATCHING)),
            shutdown,
            journal: settings.journal,
            users: settings.users,
            links: settings.links,
            gateway_name: settings.gateway_name,
            since,
            kubectl_hint: settings.kubectl_hint,
            end_session: settings.end_session,
            tls: tls || settings.behind_tls,
            logins: WebSessions::default(),
            throttle: Throttle::default(),
            hashing: Arc::new(Semaphore::new(HASHING)),
            views: ViewDedup::default(),
            watched: ViewDedup::default(),
        })
    }

    /// How a session ended; where no end is stored, whether it may still go on.
    pub(crate) fn badge(&self, outcome: Option<&Outcome>, gateway: &str, started: Timestamp) -> OutcomeBadge {
        outcome.map_or_else(|| OutcomeBadge::open(self.outlived(gateway, started)), OutcomeBadge::new)
    }

    /// Whether the gateway that recorded a session is this one, started anew since: then the session goes on no longer.
    /// Of others nothing is known.
    pub(crate) fn outlived(&self, gateway: &str, started: Timestamp) -> bool {
        gateway == self.gateway_name && started < self.since
    }

    /// Asks the index, off the runtime.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Index) -> search::Result<T> + Send + 'static,
    ) -> Result<Asked<T>, Failure> {
        let closed = |error| Failure::internal("cannot ask the index", error);
        let turn = Arc::clone(&self.asking).acquire_owned().await.map_err(closed)?;
        let index = self.index.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&index);
            drop(turn);
            answer
        });
        match answer.await {
            Ok(Ok(found)) => Ok(Asked::Found(found)),
            Ok(Err(SearchError::Query(error))) => Ok(Asked::InvalidQuery(error)),
            Ok(Err(error)) => Err(Failure::internal("cannot ask the index", error)),
            Err(error) => Err(Failure::internal("cannot ask the index", error)),
        }
    }

    /// The same, where a question that is not one is a failure of the request.
    pub(crate) async fn find<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Index) -> search::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        match self.ask(question).await? {
            Asked::Found(found) => Ok(found),
            Asked::InvalidQuery(error) => Err(Failure::unclear(sentence(&error.to_string()), error.characters())),
        }
    }

    /// Whether a login still stands: who logged in with a password must still have that password.
    pub(crate) fn stands(&self, login: &WebSession) -> bool {
        match login.method {
            LoginMethod::Link => true,
            LoginMethod::Password(shown) => {
                matches!(self.users.fingerprint(&login.user), Ok(Some(now)) if now == shown)
            }
        }
    }

    /// Writes down that somebody sees a recording, before they see it. Pages, segments and commands of one
    /// recording are one viewing.
    pub(crate) async fn viewing(&self, login: &WebSession, session: RecordingId) -> Result<(), Failure> {
        if self.views.recent(&login.user, session) {
            return Ok(());
        }
        self.seen(login, session, "play").await?;
        self.views.add(&login.user, session);
        Ok(())
    }

    /// Writes down that somebody watches a live session, before they see it. A view that is opened again, as browsers do
    /// when the connection breaks, is the same.
    pub(crate) async fn watches(&self, login: &WebSession, session: RecordingId) -> Result<(), Failure> {
        if self.watched.recent(&login.user, session) {
            return Ok(());
        }
        self.seen(login, session, "live").await?;
        self.watched.add(&login.user, session);
        Ok(())
    }

    /// Writes down that somebody takes a recording away, before they get it.
    pub(crate) async fn exporting(&self, login: &WebSession, session: RecordingId) -> Result<(), Failure> {
        self.seen(login, session, "export").await
    }

    async fn seen(&self, login: &WebSession, session: RecordingId, how: &str) -> Result<(), Failure> {
        let what = JournalEvent::Viewed { session, how: how.to_owned() };
        self.journal.note_durably(&login.user, what).await.map_err(Failure::unjournalled)
    }
}

/// What the index said.
pub(crate) enum Asked<T> {
    Found(T),
    /// The question is not one: why, for the person who asked.
    InvalidQuery(QueryError),
}

/// An error's text as a sentence of a page.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
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

const NO_RECORDING: &str = "There is no such recording.";

/// A recording's id in an address.
pub(crate) fn recording(id: &str) -> Result<RecordingId, Failure> {
    id.parse().map_err(|_| Failure::not_found(NO_RECORDING))
}

use std::sync::Arc;

use audit::Journal;
use storage::{RecordingId, Recordings, Store, journal::What};
use tokio::sync::Semaphore;

use crate::{
    failure::Failure,
    links::Links,
    login::HASHING,
    logins::{Login, Logins, Method},
    throttle::Throttle,
    users::Users,
    views::Views,
};

/// What the web is made of.
#[derive(Debug)]
pub struct Settings {
    /// Where the recordings are.
    pub store: Arc<dyn Store>,
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
}

/// The running web, shared by all requests.
pub(crate) struct State {
    pub(crate) recordings: Recordings,
    pub(crate) journal: Journal,
    pub(crate) users: Users,
    pub(crate) links: Links,
    pub(crate) gateway_name: String,
    pub(crate) kubectl_hint: String,
    pub(crate) tls: bool,
    pub(crate) logins: Logins,
    pub(crate) throttle: Throttle,
    pub(crate) hashing: Arc<Semaphore>,
    views: Views,
}

pub(crate) type Shared = Arc<State>;

impl State {
    pub(crate) fn new(settings: Settings, tls: bool) -> Shared {
        Arc::new(Self {
            recordings: Recordings::new(settings.store),
            journal: settings.journal,
            users: settings.users,
            links: settings.links,
            gateway_name: settings.gateway_name,
            kubectl_hint: settings.kubectl_hint,
            tls: tls || settings.behind_tls,
            logins: Logins::default(),
            throttle: Throttle::default(),
            hashing: Arc::new(Semaphore::new(HASHING)),
            views: Views::default(),
        })
    }

    /// Whether a login still stands: who logged in with a password must still have that password.
    pub(crate) fn stands(&self, login: &Login) -> bool {
        match login.method {
            Method::Link => true,
            Method::Password(shown) => matches!(self.users.fingerprint(&login.user), Ok(Some(now)) if now == shown),
        }
    }

    /// Writes down that somebody sees a recording, before they see it. Pages, segments and commands of one
    /// recording are one viewing.
    pub(crate) async fn viewing(&self, login: &Login, session: RecordingId) -> Result<(), Failure> {
        if self.views.recent(&login.user, session) {
            return Ok(());
        }
        self.seen(login, session, "play").await?;
        self.views.add(&login.user, session);
        Ok(())
    }

    /// Writes down that somebody takes a recording away, before they get it.
    pub(crate) async fn exporting(&self, login: &Login, session: RecordingId) -> Result<(), Failure> {
        self.seen(login, session, "export").await
    }

    async fn seen(&self, login: &Login, session: RecordingId, how: &str) -> Result<(), Failure> {
        let what = What::Viewed { session, how: how.to_owned() };
        self.journal.note_durably(&login.user, what).await.map_err(Failure::unjournalled)
    }
}

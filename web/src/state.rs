use std::sync::Arc;

use axum::extract::FromRef;
use identity::Authenticator;
use jiff::Timestamp;
use journal::Journal;
use listener::{HeadBudget, TrustedProxies};
use player::Player;
use search::Backend;
use storage::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{Auth, client::ClientAddresses},
    context::{access_journal::AccessJournal, evidence::Evidence, searcher::Searcher, site::Site},
    http::headers::Https,
    live::{Live, end::EndSession, lock::PeopleLocks},
};

/// What the web is made of.
pub struct Settings {
    /// Where the recordings are.
    pub store: Arc<dyn Store>,
    /// What finds them; the web only reads it.
    pub index: Arc<dyn Backend>,
    /// What plays them.
    pub player: Player,
    /// The keys that recordings and journals have to be signed with, or to descend from, to be shown as proven.
    pub trusted_keys: Vec<verify::Trust>,
    /// Where logging in, searching and viewing are written down.
    pub journal: Journal,
    /// Decides who may log in, and who is logged in.
    pub authenticator: Arc<Authenticator>,
    /// The gateway's name, shown at the foot of pages.
    pub gateway_name: String,
    /// TLS ends at a proxy in front of this process: cookies are `Secure` although it serves plain HTTP. Not needed if
    /// [`crate::Web::serve`] is given TLS.
    pub behind_tls: bool,
    /// The proxies that say from which address a person comes.
    pub trusted_proxies: TrustedProxies,
    /// The proxies hand on connections as they are, and say by a PROXY header whose each is: every one of theirs begins with it.
    pub proxy_protocol: bool,
    /// What unfinished request heads may take on connections without a login, on this and other listeners.
    pub heads: HeadBudget,
    /// The command that makes a first session, shown while there is none: `kubectl --kubeconfig … exec …`.
    pub kubectl_hint: String,
    /// Ends a live session of this process's gateway; `None` if the process has none.
    pub end_session: Option<EndSession>,
    /// What the last verification of the whole store found; `None` before the first.
    pub verification: watch::Receiver<Option<verify::VerificationResult>>,
    /// Shuts people out of this process's gateway; `None` if the process has none.
    pub people_locks: Option<Arc<dyn PeopleLocks>>,
}

/// The running web: a handle for each thing that handlers work with. Each takes those that it needs.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) auth: Arc<Auth>,
    pub(crate) https: Https,
    evidence: Arc<Evidence>,
    searcher: Arc<Searcher>,
    pub(crate) journal: Arc<AccessJournal>,
    live: Arc<Live>,
    site: Arc<Site>,
}

impl AppState {
    pub(crate) fn new(settings: Settings, started: Timestamp, serves_tls: bool, shutdown: CancellationToken) -> Self {
        let behind_proxy = settings.behind_tls && !serves_tls;
        if behind_proxy && settings.trusted_proxies.is_empty() {
            tracing::warn!(
                "web.public_url is https and TLS ends in front of this process, but web.trusted_proxies names nobody: \
                 from which address people log in is unknown, to the journal and to the limits on guessing"
            );
        }
        let https = serves_tls || settings.behind_tls;
        let clients = ClientAddresses::new(settings.trusted_proxies, behind_proxy);
        Self {
            auth: Arc::new(Auth::new(settings.authenticator.clone(), clients, https)),
            https: Https(https),
            evidence: Arc::new(Evidence::new(settings.store, settings.player, settings.trusted_keys)),
            searcher: Arc::new(Searcher::new(settings.index)),
            journal: Arc::new(AccessJournal::new(settings.journal)),
            site: Arc::new(Site {
                gateway_name: settings.gateway_name,
                started,
                kubectl_hint: settings.kubectl_hint,
                ends_sessions: settings.end_session.is_some(),
                verification: settings.verification,
                locks_people: settings.people_locks.is_some(),
                authenticator: settings.authenticator,
            }),
            live: Arc::new(Live::new(settings.end_session, settings.people_locks, shutdown)),
        }
    }
}

/// Lets handlers take a handle by its type: `State(evidence): State<Arc<Evidence>>`.
macro_rules! handles {
    ($($field:ident: $handle:ty),+ $(,)?) => {
        $(impl FromRef<AppState> for Arc<$handle> {
            fn from_ref(state: &AppState) -> Self {
                Self::clone(&state.$field)
            }
        })+
    };
}

handles! {
    auth: Auth,
    evidence: Evidence,
    searcher: Searcher,
    journal: AccessJournal,
    live: Live,
    site: Site,
}

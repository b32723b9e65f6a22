use std::{collections::HashMap, sync::Arc, time::Duration};

use recording::{RecordingId, journal::JournalEvent};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Limits, Settings, TlsSettings,
    auth::refusals::UnauthenticatedLimiter,
    listener::connection,
    listener::tls::{self, OwnCertificate, TlsError},
    proxy::clusters,
    proxy::upstream::Cluster,
    request::reason::Reason,
    session::fallback::Fallback,
    session::limits::SessionLimits,
    session::registry::{SessionRegistry, Termination},
};
use identity::{Authority, Tokens};

/// How often the own certificate is looked after.
const REFRESH: Duration = Duration::from_secs(3600);

/// How often refusals of strangers that are not told one by one are summed up.
const SUM: Duration = Duration::from_secs(1);

/// Why a gateway cannot start.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// TLS cannot be set up.
    #[error("the gateway's TLS")]
    Tls(#[source] TlsError),
    /// A cluster cannot be served.
    #[error("cluster {name:?}")]
    Cluster {
        /// Its name.
        name: String,
        /// Why.
        source: TlsError,
    },
    /// Two clusters of one name, or one that cannot stand in a URL.
    #[error("cluster name {0:?} is used twice, or cannot stand in a URL")]
    Name(String),
    /// The policy cannot be used.
    #[error("the policy")]
    Policy(#[from] access::PolicyError),
}

/// The gateway: kubectl's way in.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
    certificate: Arc<OwnCertificate>,
    tls: TlsSettings,
}

/// What all connections of a gateway use.
pub(crate) struct Shared {
    pub(crate) clusters: HashMap<String, Arc<Cluster>>,
    pub(crate) policy: Arc<access::Policy>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) recorder: Arc<recorder::Recorder>,
    pub(crate) journal: journal::Journal,
    pub(crate) limits: Limits,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) live: Arc<SessionRegistry>,
    pub(crate) fallback: Fallback,
    pub(crate) slots: Arc<SessionLimits>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    pub(crate) strangers: UnauthenticatedLimiter,
}

impl Gateway {
    /// Puts a gateway together. Nothing is dialled yet.
    ///
    /// # Errors
    /// [`GatewayError`] names the part that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, GatewayError> {
        settings.policy.check()?;
        let limits = settings.limits;
        let certificate = OwnCertificate::new(&settings.tls, &settings.authority).map_err(GatewayError::Tls)?;
        let certificate = Arc::new(certificate);
        let config = tls::server(Arc::clone(&certificate), &settings.authority).map_err(GatewayError::Tls)?;
        let mut clusters = HashMap::new();
        for cluster in settings.clusters {
            let name = cluster.name.clone();
            let served = Cluster::new(cluster, &settings.name, limits.connect);
            let served = served.map_err(|source| GatewayError::Cluster { name: name.clone(), source })?;
            if !clusters::legal_name(&name) || clusters.insert(name.clone(), Arc::new(served)).is_some() {
                return Err(GatewayError::Name(name));
            }
        }
        let shared = Shared {
            clusters,
            policy: settings.policy,
            authority: settings.authority,
            tokens: settings.tokens,
            recorder: settings.recorder,
            journal: settings.journal,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            live: Arc::default(),
            fallback: Fallback::default(),
            slots: SessionLimits::new(limits.sessions, limits.sessions_per_person),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            strangers: UnauthenticatedLimiter::default(),
            limits,
        };
        Ok(Self { shared: Arc::new(shared), certificate, tls: settings.tls })
    }

    /// Serves until `shutdown`. Then live sessions are ended, visibly, and their recordings finished, within
    /// [`Limits::shutdown`].
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        let slots = Arc::new(Semaphore::new(self.shared.limits.connections));
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let summing = Arc::clone(&self.shared);
        self.shared.tasks.spawn(async move { summing.sum_up().await });
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = refresh.tick() => self.refresh(),
                () = self.accept(&listener, &slots) => {}
            }
        }
        drop(listener);
        self.stop().await;
    }

    /// The sessions that are under way.
    pub fn live(&self) -> Vec<RecordingId> {
        self.shared.live.ids()
    }

    /// The sessions of a person that are under way.
    pub fn live_of(&self, user: &str) -> Vec<RecordingId> {
        self.shared.live.of(user)
    }

    /// Ends a session, and journals that `by` asked for it; the person sees `reason`. False where there is none of
    /// that id. The session is not over when this returns: [`Self::left`] waits for that.
    pub async fn end(&self, id: RecordingId, by: &str, reason: &Reason) -> bool {
        let message = format!("session ended by an administrator: {reason}");
        let why = Termination { by: by.to_owned(), ..Termination::new(message, "Forbidden", 403) };
        // First the session, then the note: a journal that waits for its store must not keep a session alive.
        let ended = self.shared.live.end(id, why);
        if ended {
            tracing::info!(session = %id, by, "session is ended from outside");
            let reason = reason.to_string();
            self.shared.journal.note(by, JournalEvent::Terminated { session: id, reason }).await;
        }
        ended
    }

    /// Resolves when that session is over and its recording finished, or stored as far as it can be.
    pub async fn left(&self, id: RecordingId) {
        self.shared.live.left(id).await;
    }

    async fn accept(&self, listener: &TcpListener, slots: &Arc<Semaphore>) {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((tcp, address)) => {
                let shared = Arc::clone(&self.shared);
                self.shared.tasks.spawn(async move {
                    connection::serve(shared, tcp, address).await;
                    drop(slot);
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: connections that end will help, asking again at once will not.
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn refresh(&self) {
        if let Err(error) = self.certificate.refresh(&self.tls, &self.shared.authority) {
            tracing::error!(error = &error as &dyn std::error::Error, "own certificate cannot be renewed");
        }
    }

    async fn stop(&self) {
        self.shared.stopping.cancel();
        self.shared.live.end_all(&stopping());
        self.shared.tasks.close();
        if timeout(self.shared.limits.shutdown, self.shared.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.shared.tasks.len(), "not everything ended in time");
        }
    }
}

impl Shared {
    /// Journals, second by second, how many refusals of strangers it was not told of. Beside the requests: a journal that
    /// waits for its store must not keep connections from being taken.
    async fn sum_up(&self) {
        let mut seconds = interval(SUM);
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                () = self.stopping.cancelled() => true,
                _ = seconds.tick() => false,
            };
            if let Some(sum) = self.strangers.sum() {
                self.journal.note("", sum).await;
            }
            if stopping {
                return;
            }
        }
    }
}

/// What people see when the process stops.
pub(crate) fn stopping() -> Termination {
    Termination::new("gateway is shutting down".to_owned(), "ServiceUnavailable", 503)
}

use std::{collections::HashMap, sync::Arc, time::Duration};

use access::{Permit, Policy, PolicyError};
use listener::{PlaceLimits, Places};
use recording::{
    RecordingId,
    journal::{Actor, JournalEvent},
};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    Limits, Settings,
    auth::{own_namespace::OwnNamespaces, policy::PolicyHandle, refusals::RefusalJournal},
    listener::context::Context,
    listener::{
        connection,
        tls::{self, OwnCertificate},
    },
    proxy::{
        clusters::{self, ClusterSettings},
        forward::Forwarder,
        upstream::{Cluster, Clusters},
    },
    request::reason::Reason,
    session::{
        registry::{KillSwitch, PermitUse, Termination},
        sessions::Sessions,
    },
    settings::TlsSettings,
    transport::TlsError,
};

/// How often the gateway's certificate and the clusters' files are read again.
const REFRESH: Duration = Duration::from_secs(3600);
/// How long the gateway accepts nothing after the system refused it a connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

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
    /// Two clusters have one name, or a name cannot stand in a URL.
    #[error("cluster name {0:?} is used twice, or cannot stand in a URL")]
    Name(String),
    /// The policy cannot be used.
    #[error("the policy")]
    Policy(#[from] PolicyError),
}

/// Why another policy is not used. The one before stays.
#[derive(Debug, Error)]
pub enum PolicyExchangeError {
    /// The policy cannot be used.
    #[error("the policy")]
    Policy(#[from] PolicyError),
    /// An exchange that nobody can read about is none.
    #[error("the journal does not take that the policy is another")]
    Journal(#[from] journal::JournalError),
}

/// How much was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminated {
    /// Recorded sessions.
    pub sessions: usize,
    /// Forwarded answers that stay open: watches, logs that are followed.
    pub streams: usize,
}

/// The gateway: kubectl's way in.
#[derive(Clone)]
pub struct Gateway {
    context: Arc<Context>,
    clusters: Arc<Clusters>,
    journal: journal::Journal,
    certificate: Arc<OwnCertificate>,
    tls: TlsSettings,
}

impl Gateway {
    /// Puts a gateway together. Nothing is dialled yet.
    ///
    /// # Errors
    /// [`GatewayError`] names the part that cannot be used.
    pub fn new(settings: Settings) -> Result<Self, GatewayError> {
        let Settings {
            name,
            clusters,
            policy,
            authenticator,
            recorder,
            journal,
            tls,
            trusted_proxies,
            heads,
            limits,
            forward_latency,
        } = settings;
        let policy = PolicyHandle::new(policy)?;
        let authority = authenticator.authority();
        let certificate = Arc::new(OwnCertificate::new(&tls, authority).map_err(GatewayError::Tls)?);
        let config = tls::server(Arc::clone(&certificate), authority).map_err(GatewayError::Tls)?;
        let own_namespaces = own_namespaces(&clusters);
        let clusters = Arc::new(served(clusters, &name, limits.connect)?);
        let refusals = Arc::new(RefusalJournal::new(journal.clone()));
        let sessions =
            Sessions::new(clusters.clone(), recorder, journal.clone(), refusals.clone(), limits, forward_latency);
        let forwarder = Forwarder {
            clusters: clusters.clone(),
            journal: journal.clone(),
            refusals: refusals.clone(),
            tasks: sessions.tasks.clone(),
        };
        let context = Context {
            places: Places::new(places(&limits), heads),
            trusted_proxies,
            acceptor: TlsAcceptor::from(Arc::new(config)),
            sessions: Arc::new(sessions),
            limits,
            authenticator,
            policy,
            own_namespaces,
            refusals,
            forwarder,
        };
        Ok(Self { context: Arc::new(context), clusters, journal, certificate, tls })
    }

    /// Serves until `shutdown`. Then live sessions are ended, visibly, and their recordings finished, within
    /// [`crate::Limits::shutdown`].
    ///
    /// # Cancel safety
    /// If the future is dropped, no connection is accepted any more, and sessions go on.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) {
        let (sessions, refusals) = (&self.context.sessions, Arc::clone(&self.context.refusals));
        let mut refresh = interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopping = sessions.stopping.clone();
        sessions.tasks.spawn(async move { refusals.sum_up(stopping).await });
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = refresh.tick() => self.refresh(),
                () = self.accept(&listener) => {}
            }
        }
        drop(listener);
        self.stop().await;
    }

    /// The sessions that are under way.
    pub fn live(&self) -> Vec<RecordingId> {
        self.live_where(|_| true).into_iter().map(|(id, _)| id).collect()
    }

    /// The sessions of a person that are under way.
    pub fn live_of(&self, user: &str) -> Vec<RecordingId> {
        self.live_where(|permit| permit.principal().name == user).into_iter().map(|(id, _)| id).collect()
    }

    /// The sessions under way whose permit `matches`, each with its permit.
    pub fn live_where(&self, matches: impl Fn(&Permit) -> bool) -> Vec<(RecordingId, Arc<Permit>)> {
        self.context.sessions.registry.sessions(matches)
    }

    /// Ends a session, and journals that `by` asked for it. The person sees `reason`. False if there is no session of that
    /// id. The session is not over when this returns: [`Self::left`] waits for that.
    pub async fn end(&self, id: RecordingId, by: impl Into<Actor>, reason: &Reason) -> bool {
        let by = by.into();
        let why = Termination::by_administrator(&by.user, &reason.to_string());
        // First the session, then the entry: a journal that waits for its store must not keep a session alive.
        let ended = self.context.sessions.registry.end(id, why);
        if ended {
            self.journal_termination(id, &by, reason).await;
        }
        ended
    }

    /// Ends everything under way whose permit `matches`: recorded sessions, and forwarded answers that stay open. Each is
    /// journalled with `by` and `reason`. What is permitted while this runs is not ended: exchange the policy first.
    pub async fn end_where(
        &self,
        matches: impl Fn(&Permit) -> bool,
        by: impl Into<Actor>,
        reason: &Reason,
    ) -> Terminated {
        let by = by.into();
        let why = Termination::by_administrator(&by.user, &reason.to_string());
        let ended = self.context.sessions.registry.end_where(matches, &why);
        self.journal_terminations(ended, &by, reason).await
    }

    /// Ends everything of a person, and from now on also what they were permitted a moment before; each is journalled with `by`
    /// and `reason`. That their next request is refused is the [`identity::Authenticator`]'s: it must refuse them first.
    pub async fn shut_out(&self, person: &str, by: &Actor, reason: &Reason) -> Terminated {
        let why = Termination::by_administrator(&by.user, &reason.to_string());
        let ended = self.context.sessions.registry.shut_out(person, &why);
        self.journal_terminations(ended, by, reason).await
    }

    /// Lets a person in again whom [`Self::shut_out`] shut out.
    pub fn let_in(&self, person: &str) {
        self.context.sessions.registry.let_in(person);
    }

    async fn journal_terminations(&self, ended: Vec<Arc<KillSwitch>>, by: &Actor, reason: &Reason) -> Terminated {
        let mut count = Terminated::default();
        for switch in ended {
            match &switch.used_for {
                PermitUse::Session(id) => {
                    count.sessions += 1;
                    self.journal_termination(*id, by, reason).await;
                }
                PermitUse::Stream(request) => {
                    count.streams += 1;
                    let reason = format!("ended by {}: {reason}", by.user);
                    let request = recording::journal::ApiRequest { reason, ..(**request).clone() };
                    self.journal.note(user(&switch), JournalEvent::Refused(request)).await;
                }
            }
        }
        count
    }

    async fn journal_termination(&self, session: RecordingId, by: &Actor, reason: &Reason) {
        tracing::info!(%session, by = by.user, "session is ended from outside");
        let reason = reason.to_string();
        self.journal.note(by, JournalEvent::Terminated { session, reason }).await;
    }

    /// Resolves when that session is over and its recording finished, or stored as far as it can be; at once if there is no
    /// session of that id.
    pub async fn left(&self, id: RecordingId) {
        self.context.sessions.registry.left(id).await;
    }

    /// Uses another policy from the next request on, and journals that `changed` (names of configuration keys) are others.
    /// Sessions under way keep their permit: [`Self::end_where`] ends them.
    ///
    /// # Errors
    /// [`PolicyExchangeError`]; the policy before stays in use.
    ///
    /// # Cancel safety
    /// If the future is dropped, the entry may be in the journal although the policy before stays in use.
    pub async fn exchange_policy(&self, policy: Policy, changed: Vec<String>) -> Result<(), PolicyExchangeError> {
        policy.check()?;
        self.journal.note_durably("", JournalEvent::Configured { changed }).await?;
        let rules = policy.rules.len();
        self.context.policy.exchange(policy);
        tracing::info!(rules, "another policy is in use");
        Ok(())
    }

    async fn accept(&self, listener: &TcpListener) {
        self.context.places.room().await;
        match listener.accept().await {
            Ok((tcp, address)) => {
                let context = Arc::clone(&self.context);
                // A trusted proxy's address is none of a person's: whose it is stands in the connection.
                let known = (!context.trusted_proxies.contains(address.ip())).then(|| address.ip());
                // At once, so that the next one finds it counted; the room may have been taken by people meanwhile.
                let place = context.places.admit(known);
                self.context.sessions.tasks.spawn(async move {
                    let place = match place {
                        Some(place) => place,
                        None => context.places.admitted(known).await,
                    };
                    connection::serve(context, tcp, address, place).await;
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: connections that end will help, asking again at once will not.
                tracing::error!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }

    fn refresh(&self) {
        if let Err(error) = self.certificate.refresh(&self.tls, self.context.authenticator.authority()) {
            tracing::error!(error = &error as &dyn std::error::Error, "own certificate cannot be renewed");
        }
        self.clusters.refresh();
    }

    async fn stop(&self) {
        let sessions = &self.context.sessions;
        sessions.stopping.cancel();
        sessions.registry.end_sessions(&Termination::shutdown());
        sessions.tasks.close();
        if timeout(sessions.limits.shutdown, sessions.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = sessions.tasks.len(), "not everything ended in time");
        }
    }
}

fn places(limits: &Limits) -> PlaceLimits {
    PlaceLimits {
        total: limits.connections,
        per_address: limits.unauthenticated_per_address,
        per_person: limits.connections_per_person,
    }
}

fn user(switch: &KillSwitch) -> &str {
    &switch.permit.principal().name
}

/// The gateway's own namespace, by the clusters' names. A cluster that does not say it, and whose API server is that of one that
/// does, is the same cluster by another name.
fn own_namespaces(clusters: &[ClusterSettings]) -> OwnNamespaces {
    let said = |of: &ClusterSettings| {
        let same = |other: &&ClusterSettings| {
            other.server.port == of.server.port && other.server.host.eq_ignore_ascii_case(&of.server.host)
        };
        let own = || clusters.iter().filter(same).find_map(|other| other.own_namespace.clone());
        of.own_namespace.clone().or_else(own)
    };
    OwnNamespaces::new(clusters.iter().filter_map(|cluster| Some((cluster.name.clone(), said(cluster)?))).collect())
}

/// The clusters, ready to be dialled.
fn served(settings: Vec<ClusterSettings>, gateway: &str, connect: Duration) -> Result<Clusters, GatewayError> {
    let mut served = HashMap::new();
    for cluster in settings {
        let name = cluster.name.clone();
        let cluster = Cluster::new(cluster, gateway, connect);
        let cluster = cluster.map_err(|source| GatewayError::Cluster { name: name.clone(), source })?;
        if !clusters::legal_name(&name) || served.insert(name.clone(), Arc::new(cluster)).is_some() {
            return Err(GatewayError::Name(name));
        }
    }
    Ok(Clusters::new(served))
}

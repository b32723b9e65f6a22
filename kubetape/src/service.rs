//! Gateway, web and follower in one process.

mod journalling;
mod listeners;
mod settings;
mod shutdown;

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use control::{Clock, ConfigurationChanges, ControlSocket, OrphanWatch, Presence, journal_spool_limits};
use gateway::{ForwardLatency, Gateway, clusters::ClusterSettings};
use identity::Authenticator;
use journal::Journal;
use listener::HeadBudget;
use player::{FinishedSessions, prepare_long_recordings};
use recorder::Recorder;
use recording::{RecordingId, journal::JournalEvent};
use search::{Backend, Follower, Index};
use spool::SpoolReader;
use storage::{RecordingReader, Store, signing::Signer};
use tokio::{net::TcpListener, runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;
use verify::VerificationResult;

pub use self::listeners::Listeners;
use self::{
    journalling::{journal_ends, journal_manifests, spool_condition},
    shutdown::{Deadline, NamedTasks},
};
use crate::{
    adapters::{GatewayLocks, GatewaySessions, RecorderFinalizer},
    anchoring::anchor,
    config::{Config, Web},
    metrics::{self, Latencies, StoreTimes, measured},
    private_state,
    reload::{self, PolicyReload},
    running::Readers,
    verification::Verification,
    wiring,
};

/// Time for everything at the end of the process beside `limits.shutdown`, which is for sessions. With its default of 10 s
/// the process ends within 25 s: Kubernetes kills it after 30.
const AFTER_SESSIONS: Duration = Duration::from_secs(15);
/// Of that, what is left for the stages after the sessions, however long those take; and so on.
const RESERVED_FOR_UPLOADS: Duration = Duration::from_secs(12);
const RESERVED_FOR_JOURNAL: Duration = Duration::from_secs(6);
const RESERVED_FOR_READERS: Duration = Duration::from_secs(2);

/// A store, as the two runtimes reach it: connections of one are not driven by the threads of the other.
#[derive(Clone)]
pub struct Stores {
    /// For recordings and journal.
    write: Arc<dyn Store>,
    /// For readers.
    read: Arc<dyn Store>,
    times: StoreTimes,
}

impl Stores {
    /// Opens the configured store twice, and tries what it can do.
    async fn open(config: &Config, readers: &Readers) -> Result<Self> {
        let write = wiring::store(config).await?;
        wiring::probe(&*write).await?;
        let storage = config.storage.clone();
        let read = readers.run(async move { wiring::open_store(&storage).await }).await?;
        Ok(Self::measured(write, read))
    }
}

impl Stores {
    fn measured(write: Arc<dyn Store>, read: Arc<dyn Store>) -> Self {
        let times = StoreTimes::new();
        Self { write: measured(write, &times), read: measured(read, &times), times }
    }
}

/// Everything that runs.
pub struct Service {
    journal: Journal,
    recorder: Arc<Recorder>,
    /// Serves in a task of its own.
    serving: Gateway,
    /// Ends with the service.
    _background: NamedTasks,
    /// Ends first: it makes the last recordings.
    gateway: NamedTasks,
    /// Ends after the gateway has ended, so that the web shows, and the index has, the last sessions.
    others: NamedTasks,
    shutdown: CancellationToken,
    late_shutdown: CancellationToken,
    /// How long the end may take.
    shutdown_time: Duration,
}

impl Service {
    /// Starts everything. What cannot work is an error here, before the first client is answered.
    ///
    /// # Errors
    /// What cannot work, with the key of the configuration that it belongs to.
    pub async fn start(
        config: &Config,
        listeners: Listeners,
        kubectl_hint: String,
        shutdown: CancellationToken,
        readers: &Readers,
    ) -> Result<Self> {
        let opened = Opened::from(config, readers).await?;
        Self::start_on(opened, config, listeners, kubectl_hint, shutdown, readers).await
    }

    async fn start_on(
        Opened { control, clusters, policy, stores }: Opened,
        config: &Config,
        listeners: Listeners,
        kubectl_hint: String,
        shutdown: CancellationToken,
        readers: &Readers,
    ) -> Result<Self> {
        let proof = Proof::open(config, &stores.write).await?;
        journal_start(config, &policy, &proof.journal).await?;
        let recording = Recording::start(config, clusters, policy, &stores.write, &proof)?;
        let index = config.indexed.then(|| Index::open(&config.index, config.masks.clone())).transpose();
        let index = index.context("cannot open the search index (search.dir)")?;
        let index = index.map(|index| Arc::new(index) as Arc<dyn Backend>);

        let late_shutdown = CancellationToken::new();
        let background = recording.watch(&proof);
        let verification = Verification::new(config, stores.read.clone(), proof.journal.clone())?;
        let verified = verification.result();
        let reading = Reading {
            config,
            stores: &stores,
            recording: &recording,
            proof: &proof,
            verified: verified.clone(),
            readers,
        };
        let mut others = reading.start(index, listeners.web, kubectl_hint, &late_shutdown)?;
        let recording_sessions = recording.sessions.clone();
        let Recording { recorder, gateway, latencies, .. } = recording;
        let Proof { signer, journal, presence } = proof;
        let here = Handle::current();
        others.spawn("verification", unless(&late_shutdown, verification.run()), readers.handle());
        if let Some(anchors) = config.anchors.clone() {
            others.spawn("anchors", unless(&late_shutdown, anchor(signer, anchors)), &here);
        }
        others.spawn("lease", unless(&late_shutdown, presence.keep()), &here);
        let sessions = recording_sessions.clone();
        others.spawn("control socket", control.serve(sessions, journal.clone(), late_shutdown.clone()), &here);
        if let Some(listener) = listeners.metrics {
            let sources = metrics::Sources {
                gateway: gateway.clone(),
                recorder: recorder.clone(),
                journal: journal.clone(),
                store: stores.times.clone(),
                latencies,
                verified,
            };
            let serve = web::serve_metrics(listener, metrics::exposition(sources), late_shutdown.clone());
            others.spawn("metrics", serve, readers.handle());
        }
        let serving = gateway.clone();
        let gateway = serve_gateway(gateway, listeners.gateway, shutdown.clone());
        let shutdown_time = config.limits.shutdown + AFTER_SESSIONS;
        Ok(Self {
            journal,
            recorder,
            serving,
            _background: background,
            gateway,
            others,
            shutdown,
            late_shutdown,
            shutdown_time,
        })
    }

    /// From now on SIGHUP makes the process read the policy again.
    ///
    /// # Errors
    /// The system does not let the process handle the signal.
    pub fn reload_policy_on_hangup(&mut self, config: &Config) -> Result<()> {
        let reload = PolicyReload::new(config, self.serving.clone());
        let run = reload.run(reload::hangups()?, self.late_shutdown.clone());
        self.others.spawn("policy reload", run, &Handle::current());
        Ok(())
    }

    /// Waits for the shutdown, and ends in good order: sessions, uploads, the journal, then the rest. All of it together
    /// takes no longer than `limits.shutdown` and 15 s; what did not end by then is logged.
    ///
    /// # Errors
    /// A part ended by itself, or the journal's end could not be stored.
    pub async fn run(mut self) -> Result<()> {
        // In this order: that the gateway ends because it was told to is no news.
        let early = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            name = self.gateway.ended() => name,
            name = self.others.ended() => name,
        };
        self.shutdown.cancel();
        let stored = self.end(Deadline::within(self.shutdown_time)).await;
        if let Some(name) = early {
            bail!("the {name} ended by itself; the log says why");
        }
        stored
    }

    async fn end(&mut self, deadline: Deadline) -> Result<()> {
        deadline.stage("sessions", RESERVED_FOR_UPLOADS, self.gateway.all_ended()).await;
        if deadline.stage("uploads", RESERVED_FOR_JOURNAL, self.recorder.drained()).await.is_none() {
            let sessions = self.recorder.spool().gauges().usage().sessions;
            tracing::warn!(sessions, "not everything is in the store: the next start goes on from the spool");
        }
        let close = async {
            self.journal.note("", JournalEvent::Stopped).await;
            self.journal.close().await
        };
        let stored = match deadline.stage("journal", RESERVED_FOR_READERS, close).await {
            Some(stored) => stored.context("cannot write the journal's end"),
            None => {
                Err(anyhow::anyhow!("the journal's end is not in the store yet: the next start goes on from the spool"))
            }
        };
        self.late_shutdown.cancel();
        if deadline.stage("readers", Duration::ZERO, self.others.all_ended()).await.is_none() {
            tracing::warn!(tasks = self.others.abort().join(", "), "aborted");
        }
        stored
    }
}

/// What the configuration names, opened. Nothing is written to the store yet.
struct Opened {
    control: ControlSocket,
    clusters: Vec<ClusterSettings>,
    policy: Arc<access::Policy>,
    stores: Stores,
}

impl Opened {
    async fn from(config: &Config, readers: &Readers) -> Result<Self> {
        wiring::state_folder(config)?;
        private_state::check(config)?;
        Ok(Self {
            // First of all: with it, two processes cannot have one state folder.
            control: ControlSocket::bind(&config.state).await?,
            clusters: wiring::clusters(config)?,
            policy: Arc::new(wiring::policy(config)?),
            stores: Stores::open(config, readers).await?,
        })
    }
}

/// What vouches for this process in the store: its key, its journal and its lease.
struct Proof {
    signer: Arc<Signer>,
    journal: Journal,
    presence: Presence,
}

impl Proof {
    async fn open(config: &Config, store: &Arc<dyn Store>) -> Result<Self> {
        let signer = wiring::signer(config, store).await?;
        let journal = Journal::open(store.clone(), &config.gateway.name, settings::journal(config, &signer)).await?;
        let presence = Presence::announce(store.clone(), &config.gateway.name, Clock::system()).await;
        let presence = presence.context("cannot write this gateway's lease (leases/ in the storage)")?;
        Ok(Self { signer, journal, presence })
    }
}

/// Journals the start, and what changed in the configuration since the last one.
async fn journal_start(config: &Config, policy: &access::Policy, journal: &Journal) -> Result<()> {
    let written = config.written.with_rules(policy)?;
    let changes = ConfigurationChanges::since_last_start(&config.state, &written)?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let started = JournalEvent::Started { version, config: changes.digest.clone() };
    journal.note_durably("", started).await.context("cannot write the journal")?;
    if let Some(changed) = changes.changed.clone().filter(|changed| !changed.is_empty()) {
        journal.note_durably("", JournalEvent::Configured { changed }).await.context("cannot write the journal")?;
    }
    Ok(changes.remember()?)
}

/// What records sessions. It runs on the runtime that this is started on, and on no other.
struct Recording {
    recorder: Arc<Recorder>,
    gateway: Gateway,
    sessions: GatewaySessions,
    authenticator: Arc<Authenticator>,
    /// What strangers' unfinished requests may take, at the gateway and at the pages.
    heads: HeadBudget,
    /// From before the recorder stores what an earlier process left.
    finished: FinishedSessions,
    latencies: Latencies,
}

impl Recording {
    fn start(
        config: &Config,
        clusters: Vec<ClusterSettings>,
        policy: Arc<access::Policy>,
        store: &Arc<dyn Store>,
        proof: &Proof,
    ) -> Result<Self> {
        let (spool, latencies) = (wiring::spool(config)?, Latencies::new());
        let finished = FinishedSessions::watch(&spool.reader());
        let mut recorder_settings = settings::recorder(config, &proof.signer);
        let mut forward_latency = ForwardLatency::default();
        // Nothing is measured that nobody asks for.
        if config.metrics.is_some() {
            spool.observe_syncs(latencies.sync());
            recorder_settings.open_latency = latencies.open();
            recorder_settings.upload_lag = latencies.upload_lag();
            forward_latency = latencies.forward();
        }
        let recorder = Arc::new(Recorder::start(spool, store.clone(), recorder_settings));
        let authenticator = Arc::new(wiring::authenticator(config)?);
        let heads = HeadBudget::default();
        let mut settings =
            settings::gateway(config, clusters, policy, &recorder, &proof.journal, &authenticator, &heads);
        settings.forward_latency = forward_latency;
        let gateway = Gateway::new(settings).context("cannot start the gateway")?;
        let sessions = GatewaySessions::new(gateway.clone(), Arc::new(wiring::locks(config)?));
        Ok(Self { recorder, gateway, sessions, authenticator, heads, finished, latencies })
    }

    /// Journals what the recorder and its spool have to say, as long as the process runs.
    fn watch(&self, proof: &Proof) -> NamedTasks {
        let (recorder, here) = (self.recorder.clone(), Handle::current());
        let mut tasks = NamedTasks::default();
        let condition = move || spool_condition(&recorder);
        tasks.spawn("spool's limits", journal_spool_limits(condition, proof.journal.clone()), &here);
        tasks.spawn("stored manifests", journal_manifests(self.recorder.clone(), proof.journal.clone()), &here);
        tasks.spawn("spool's ends", journal_ends(self.recorder.clone(), proof.journal.clone()), &here);
        tasks
    }
}

fn serve_gateway(gateway: Gateway, listener: TcpListener, shutdown: CancellationToken) -> NamedTasks {
    let mut tasks = NamedTasks::default();
    tasks.spawn("gateway", async move { gateway.serve(listener, shutdown).await }, &Handle::current());
    tasks
}

/// What only reads recordings and journal. It runs on the readers' runtime.
struct Reading<'a> {
    config: &'a Config,
    stores: &'a Stores,
    recording: &'a Recording,
    proof: &'a Proof,
    /// What the last verification of the store found.
    verified: watch::Receiver<Option<VerificationResult>>,
    readers: &'a Readers,
}

impl Reading<'_> {
    fn start(
        &self,
        index: Option<Arc<dyn Backend>>,
        web: Option<TcpListener>,
        kubectl_hint: String,
        shutdown: &CancellationToken,
    ) -> Result<NamedTasks> {
        let mut tasks = NamedTasks::default();
        let finalizer = self.orphan_watch().run();
        tasks.spawn("finalizer", unless(shutdown, finalizer), self.readers.handle());
        let Some(index) = index else { return Ok(tasks) };
        if let (Some(settings), Some(listener)) = (&self.config.web, web) {
            self.start_web(&mut tasks, settings, listener, &index, kubectl_hint, shutdown)?;
        }
        let follower = Follower::new(self.stores.read.clone(), index, self.config.interval);
        let follower = follower.with_spool(self.recording.recorder.spool().reader());
        tasks.spawn("index's follower", follower.run(shutdown.clone()), self.readers.handle());
        Ok(tasks)
    }

    fn orphan_watch(&self) -> OrphanWatch<RecorderFinalizer> {
        let (store, name) = (self.stores.read.clone(), &self.config.gateway.name);
        let finalizer = RecorderFinalizer::new(store.clone(), self.proof.signer.clone(), name);
        OrphanWatch::new(store, self.proof.journal.clone(), finalizer, Clock::system())
    }

    fn start_web(
        &self,
        tasks: &mut NamedTasks,
        settings: &Web,
        listener: TcpListener,
        index: &Arc<dyn Backend>,
        kubectl_hint: String,
        shutdown: &CancellationToken,
    ) -> Result<()> {
        let recordings = RecordingReader::new(self.stores.read.clone());
        let player =
            wiring::player(self.config, recordings.clone()).with_spool(self.recording.recorder.spool().reader());
        let prepare = prepare_long_recordings(self.recording.finished.clone(), recordings, player.clone());
        tasks.spawn("preparation of recordings", unless(shutdown, prepare), self.readers.handle());
        let web = web::Web::new(web::Settings {
            trusted_keys: wiring::trusted_keys(self.config)?,
            store: self.stores.read.clone(),
            index: index.clone(),
            player,
            journal: self.proof.journal.clone(),
            authenticator: self.recording.authenticator.clone(),
            gateway_name: self.config.gateway.name.clone(),
            behind_tls: settings.public_url.starts_with("https://"),
            trusted_proxies: settings.trusted_proxies.clone(),
            proxy_protocol: settings.proxy_protocol,
            heads: self.recording.heads.clone(),
            kubectl_hint,
            end_session: Some(end_session(self.recording.sessions.clone(), self.recording.recorder.spool().reader())),
            verification: self.verified.clone(),
            people_locks: Some(Arc::new(GatewayLocks::new(
                self.recording.sessions.clone(),
                self.proof.journal.clone(),
            ))),
        });
        let tls = settings.certificate.as_ref().map(wiring::tls).transpose().context("web.certificate")?;
        tasks.spawn("web", web.serve(listener, tls, shutdown.clone()), self.readers.handle());
        Ok(())
    }
}

/// How the web ends a session of this process's gateway, on the gateway's runtime, and learns that the store has its end: the
/// recorder takes the session out of the spool then.
fn end_session(sessions: GatewaySessions, spool: SpoolReader) -> web::EndSession {
    let here = Handle::current();
    Arc::new(move |by, session, reason| {
        let (sessions, spool) = (sessions.clone(), spool.clone());
        let ending = here.spawn(async move {
            let ended = control::end_sessions(&sessions, &by, vec![session], &reason).await?;
            let under_way = !ended.over.is_empty() || !ended.ending.is_empty();
            Ok(under_way.then(|| -> web::EndStored { Box::pin(stored(spool, session)) }))
        });
        Box::pin(async move { ending.await.unwrap_or_else(|_| Err("the gateway is ending".to_owned())) })
    })
}

async fn stored(spool: SpoolReader, session: RecordingId) {
    // Before the first look, so that no change after it is missed.
    let mut changes = spool.changes();
    while spool.has(session) && changes.changed().await.is_ok() {}
}

/// Runs `work`, which by itself never ends, until `shutdown`.
fn unless(
    shutdown: &CancellationToken,
    work: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let shutdown = shutdown.clone();
    async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = work => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicBool, Ordering},
        time::Instant,
    };

    use async_trait::async_trait;
    use recording::Key;
    use storage::{Capabilities, Memory, ObjectMeta, StoreError};
    use tokio_util::bytes::Bytes;

    use super::*;
    use crate::{
        config::{load, raw::Environment},
        running::block_on_with_readers,
    };

    const CONFIG: &str = r#"
[gateway]
listen = "127.0.0.1:0"
public_url = "https://127.0.0.1:8443"
[web]
listen = "127.0.0.1:0"
[[clusters]]
name = "one"
server = "https://127.0.0.1:1"
token_file = "token"
[[policy.rules]]
name = "everyone"
users = ["*"]
clusters = ["*"]
[storage]
path = "storage"
[state]
dir = "state"
"#;

    /// A store that from some moment on answers nothing.
    #[derive(Debug, Default)]
    struct StallingStore {
        memory: Memory,
        stalled: AtomicBool,
    }

    impl StallingStore {
        async fn pass(&self) {
            if self.stalled.load(Ordering::Relaxed) {
                pending::<()>().await;
            }
        }
    }

    #[async_trait]
    impl Store for StallingStore {
        async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
            self.pass().await;
            self.memory.put_new(key, bytes).await
        }

        async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
            self.pass().await;
            self.memory.read(key, max).await
        }

        async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
            self.pass().await;
            self.memory.list(prefix, after, limit).await
        }

        async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
            self.pass().await;
            self.memory.children(prefix).await
        }

        async fn probe(&self) -> Result<Capabilities, StoreError> {
            self.memory.probe().await
        }
    }

    #[test]
    fn a_store_that_answers_nothing_does_not_hold_up_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubetape.toml");
        std::fs::write(&file, CONFIG).unwrap();
        std::fs::write(folder.path().join("token"), "upstream-secret").unwrap();
        let config = load(Some(&file), &Environment::default()).unwrap();
        let began = block_on_with_readers(|readers| async move {
            wiring::state_folder(&config)?;
            let store = Arc::new(StallingStore::default());
            let opened = Opened {
                control: ControlSocket::bind(&config.state).await?,
                clusters: wiring::clusters(&config)?,
                policy: Arc::new(wiring::policy(&config)?),
                stores: Stores::measured(store.clone(), store.clone()),
            };
            let shutdown = CancellationToken::new();
            let listeners = Listeners::bind(&config, &readers).await?;
            let hint = String::new();
            let mut service = Service::start_on(opened, &config, listeners, hint, shutdown.clone(), &readers).await?;
            service.shutdown_time = Duration::from_secs(3);
            store.stalled.store(true, Ordering::Relaxed);
            // As SIGTERM does.
            shutdown.cancel();
            let began = Instant::now();
            let error = service.run().await.unwrap_err().to_string();
            assert!(error.contains("the next start goes on from the spool"), "{error}");
            Ok(began)
        })
        .unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}

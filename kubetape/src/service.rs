//! Gateway, web and follower in one process.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use gateway::{Gateway, TlsSettings};
use journal::{Journal, JournalSettings};
use player::Player;
use recorder::Recorder;
use recording::journal::JournalEvent;
use search::{Follower, Index};
use storage::{RecordingReader, Store, signing::Signer};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    changes::Changes,
    config::{Config, Web},
    control::{self, Control},
    leases::Leases,
    metrics, signing, spool_watch, timelines, wiring,
};

/// At the end of the process, how long the store has to take the last sessions.
const LAST_UPLOADS: Duration = Duration::from_secs(10);

/// The listeners, bound before anything else is done: that a port is taken is known at once.
pub struct Listeners {
    gateway: TcpListener,
    web: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Listeners {
    /// Binds what the configuration says.
    pub async fn bind(config: &Config) -> Result<Self> {
        let gateway = wiring::listen(config.gateway.listen, "gateway.listen").await?;
        let web = match &config.web {
            Some(web) => Some(wiring::listen(web.listen, "web.listen").await?),
            None => None,
        };
        let metrics = match config.metrics {
            Some(address) => Some(wiring::listen(address, "metrics.listen").await?),
            None => None,
        };
        Ok(Self { gateway, web, metrics })
    }

    /// Takes bound ones.
    pub fn new(gateway: TcpListener, web: TcpListener) -> Self {
        Self { gateway, web: Some(web), metrics: None }
    }

    /// Where kubectl comes in: the port is the one that was taken.
    pub fn gateway(&self) -> Result<SocketAddr> {
        Ok(self.gateway.local_addr()?)
    }

    /// Where browsers come in.
    pub fn web(&self) -> Result<Option<SocketAddr>> {
        Ok(self.web.as_ref().map(TcpListener::local_addr).transpose()?)
    }
}

/// Everything that runs.
pub struct Service {
    journal: Journal,
    recorder: Arc<Recorder>,
    /// Ends with the service.
    _watching: JoinSet<()>,
    /// Ends first: it makes the last recordings.
    gateway: JoinSet<()>,
    others: JoinSet<()>,
    shutdown: CancellationToken,
    /// Ends after the gateway has ended, so that the web shows, and the index has, the last sessions.
    late: CancellationToken,
}

impl Service {
    /// Starts it. What cannot work is an error here, before the first client is answered.
    pub async fn start(
        config: &Config,
        listeners: Listeners,
        kubectl_hint: String,
        shutdown: CancellationToken,
    ) -> Result<Self> {
        wiring::state_folder(config)?;
        let control = Control::bind(config).await?;
        let clusters = wiring::clusters(config)?;
        let policy = Arc::new(wiring::policy(config)?);
        let store = wiring::store(config).await?;
        wiring::probe(&*store).await?;
        let signer = signing::signer(config, &store).await?;
        let journal = Journal::open(store.clone(), &config.gateway.name, journal_settings(config, &signer)).await?;
        let leases = Leases::take(store.clone(), &config.gateway.name).await?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let changes = Changes::since_last_start(config, &policy)?;
        let started = JournalEvent::Started { version, config: changes.digest.clone() };
        journal.note_durably("", started).await.context("cannot write the journal")?;
        if let Some(changed) = changes.changed.clone().filter(|changed| !changed.is_empty()) {
            let configured = JournalEvent::Configured { changed };
            journal.note_durably("", configured).await.context("cannot write the journal")?;
        }
        changes.keep()?;

        let spool = wiring::spool(config)?;
        // Before the recorder stores what an earlier process left.
        let ended = timelines::Ended::of(&spool.reader());
        let recorder = Arc::new(Recorder::start(spool, store.clone(), recorder_settings(config, &signer)));
        let gateway = Gateway::new(gateway::Settings {
            name: config.gateway.name.clone(),
            clusters,
            policy,
            authority: Arc::new(wiring::authority(config)?),
            tokens: Arc::new(wiring::tokens(config)?),
            recorder: recorder.clone(),
            journal: journal.clone(),
            tls: tls(config),
            limits: config.limits,
        })
        .context("cannot start the gateway")?;
        let mut watching = JoinSet::new();
        watching.spawn(spool_watch::watch((*recorder).clone(), journal.clone()));
        let index = config.indexed.then(|| Index::open(&config.index, config.masks.clone())).transpose();
        let index = index.context("cannot open the search index (search.dir)")?;

        let late = CancellationToken::new();
        let mut others = JoinSet::new();
        if let (Some(settings), Some(listener), Some(index)) = (&config.web, listeners.web, &index) {
            let player =
                wiring::player(config, RecordingReader::new(store.clone())).with_spool(recorder.spool().reader());
            let recordings = RecordingReader::new(store.clone());
            others.spawn(timelines::run(ended, recordings, player.clone(), late.clone()));
            let of_web = web_settings(config, settings, (&store, player), index, &journal, &gateway, kubectl_hint)?;
            let web = web::Web::new(of_web);
            let tls = settings.certificate.as_ref().map(wiring::tls).transpose().context("web.certificate")?;
            others.spawn(web.serve(listener, tls.map(Arc::new), late.clone()));
        }
        if let Some(listener) = listeners.metrics {
            let sources =
                metrics::Sources { gateway: gateway.clone(), recorder: recorder.clone(), journal: journal.clone() };
            others.spawn(web::serve_metrics(listener, metrics::exposition(sources), late.clone()));
        }
        others.spawn(control.serve(gateway.clone(), journal.clone(), late.clone()));
        others.spawn(leases.keep(signer, journal.clone(), late.clone()));
        if let Some(index) = index {
            let follower = Follower::new(store, index, config.interval).with_spool(recorder.spool().reader());
            others.spawn(follower.run(late.clone()));
        }
        let mut first = JoinSet::new();
        let ended = shutdown.clone();
        first.spawn(async move { gateway.serve(listeners.gateway, ended).await });
        Ok(Self { journal, recorder, _watching: watching, gateway: first, others, shutdown, late })
    }

    /// Waits for the shutdown, and ends in good order: sessions, then the journal, then the rest.
    ///
    /// # Errors
    /// A part ended by itself, or the journal's end could not be stored.
    pub async fn run(mut self) -> Result<()> {
        // In this order: that the gateway ends because it was told to is no news.
        let early = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => None,
            ended = self.gateway.join_next() => Some(("the gateway", ended)),
            ended = self.others.join_next() => Some(("the web or the index's follower", ended)),
        };
        self.shutdown.cancel();
        while self.gateway.join_next().await.is_some() {}
        self.store_the_rest().await;
        self.journal.note("", JournalEvent::Stopped).await;
        let stored = self.journal.close().await.context("cannot write the journal's end");
        self.late.cancel();
        while self.others.join_next().await.is_some() {}
        let what = early.as_ref().map_or("", |(what, _)| what);
        ensure!(early.is_none(), "{what} ended by itself; the log says why");
        stored
    }
}

impl Service {
    /// Gives the last sessions a while to reach the store. What does not stays in the spool for the next start.
    async fn store_the_rest(&self) {
        if timeout(LAST_UPLOADS, self.recorder.drained()).await.is_err() {
            let sessions = self.recorder.spool().gauges().usage().sessions;
            tracing::warn!(sessions, "not everything is in the store: the next start goes on from the spool");
        }
    }
}

fn recorder_settings(config: &Config, signer: &Arc<Signer>) -> recorder::Settings {
    let bytes = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    recorder::Settings {
        gateway: config.gateway.name.clone(),
        chunk_bytes: bytes(config.recorder.chunk_bytes),
        chunk_age: config.recorder.chunk_age,
        patience: config.recorder.patience,
        strict: config.recorder.strict,
        journalled: true,
        signer: Arc::clone(signer),
        keep: config.recorder.keep,
        ..recorder::Settings::default()
    }
}

fn journal_settings(config: &Config, signer: &Arc<Signer>) -> JournalSettings {
    JournalSettings {
        object_bytes: usize::try_from(config.journal.object_bytes).unwrap_or(usize::MAX),
        object_age: config.journal.object_age,
        signer: Arc::clone(signer),
        head_file: Some(config.state_file(signing::HEAD)),
        spool: Some(config.spool.dir.join("journal")),
        ..JournalSettings::default()
    }
}

fn tls(config: &Config) -> TlsSettings {
    match &config.gateway.certificate {
        None => TlsSettings::OwnAuthority { names: config.gateway.names.clone() },
        Some(given) => TlsSettings::Given { certificate: given.chain.clone(), key: given.key.clone() },
    }
}

fn web_settings(
    config: &Config,
    settings: &Web,
    (store, player): (&Arc<dyn Store>, Player),
    index: &Index,
    journal: &Journal,
    gateway: &Gateway,
    kubectl_hint: String,
) -> Result<web::Settings> {
    Ok(web::Settings {
        store: store.clone(),
        index: index.clone(),
        player,
        journal: journal.clone(),
        users: wiring::users(config)?,
        links: wiring::links(config)?,
        gateway_name: config.gateway.name.clone(),
        behind_tls: settings.public_url.starts_with("https://"),
        kubectl_hint,
        end_session: Some(end_session(gateway.clone())),
    })
}

/// How the web ends a session of this process's gateway.
fn end_session(gateway: Gateway) -> web::EndSession {
    Arc::new(move |by, session, reason| {
        let gateway = gateway.clone();
        Box::pin(async move { control::end_session(&gateway, &by, session, &reason).await })
    })
}

//! A web on a port of its own, with users `ada` (password `correct horse`) and whatever the store holds.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use identity::{Authenticator, Authority, Certificates, Links, Lock, Locks, Tokens, Users};
use journal::{Journal, JournalSettings};
use player::{Player, PlayerSettings};
use recording::journal::Actor;
use search::{Follower, Index};
use storage::{RecordingReader, Store};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use web::{EndStored, Ended, HeadBudget, PeopleLocks, Settings, Tls, TrustedProxies, Web};

pub struct Site {
    pub address: SocketAddr,
    /// Path of a one-time link for `auditor@example.com`.
    pub link: String,
    pub users: Arc<Users>,
    pub links: Arc<Links>,
    journal: Journal,
    shutdown: CancellationToken,
    served: Mutex<Option<JoinHandle<()>>>,
    _folder: TempDir,
}

impl Site {
    /// Ends it in good order: what is queued for the journal is stored.
    pub async fn close(&self) {
        self.shutdown.cancel();
        if let Some(served) = self.served.lock().await.take() {
            served.await.unwrap();
        }
        self.close_journal().await;
    }

    /// From now on nothing can be journalled.
    pub async fn close_journal(&self) {
        self.journal.close().await.unwrap();
    }

    /// Indexes what the store holds and serves it.
    pub async fn open(store: Arc<dyn Store>, at: &str) -> Self {
        Self::open_with(store, at, Options::default()).await
    }

    /// Indexes what the store holds and serves it as the options say.
    pub async fn open_with(store: Arc<dyn Store>, at: &str, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::open(&folder.path().join("index"), search::Masks::default()).unwrap();
        let journal = Journal::open(store.clone(), "gateway-1", JournalSettings::default()).await.unwrap();
        Follower::new(store.clone(), Arc::new(index.clone()), Duration::from_secs(1)).step().await.unwrap();
        let file = |name: &str| folder.path().join(name);
        let users = Arc::new(Users::open(&file("users.json")).unwrap());
        users.set_password("ada", "correct horse").unwrap();
        let links = Arc::new(Links::open(&file("links.json")).unwrap());
        let link = links.create("auditor@example.com", Duration::from_secs(3600)).unwrap();
        let authority = Arc::new(Authority::load_or_create(&file("ca")).unwrap());
        let tokens = Arc::new(Tokens::open(&file("tokens.json")).unwrap());
        let locks = Arc::new(Locks::open(&file("locks.json")).unwrap());
        let certificates = Arc::new(Certificates::open(&file("certificates.json")).unwrap());
        let authenticator = Authenticator::new(authority, tokens, users.clone(), links.clone());
        let authenticator = Arc::new(authenticator.with_revocations(locks.clone(), certificates));
        let settings = Settings {
            player: Player::new(RecordingReader::new(store.clone()), PlayerSettings::default()),
            store,
            trusted_keys: Vec::new(),
            index: Arc::new(index),
            journal: journal.clone(),
            authenticator,
            gateway_name: "gateway-1".to_owned(),
            behind_tls: options.behind_tls,
            trusted_proxies: TrustedProxies::parse(options.trusted_proxies).unwrap(),
            proxy_protocol: options.proxy_protocol,
            heads: HeadBudget::default(),
            kubectl_hint: "kubectl --kubeconfig /tmp/demo/kubeconfig exec -it shell -- sh".to_owned(),
            end_session: Some(Arc::new(ending)),
            verification: watch::Sender::new(options.verification).subscribe(),
            people_locks: Some(Arc::new(SiteLocks(locks.clone()))),
        };
        let listener = TcpListener::bind(at).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(Web::new(settings).serve(listener, options.tls, shutdown.clone()));
        Self { address, link, users, links, journal, shutdown, served: Mutex::new(Some(served)), _folder: folder }
    }
}

/// People are shut out by the site's own file; nothing is journalled here.
struct SiteLocks(Arc<Locks>);

impl PeopleLocks for SiteLocks {
    fn lock(&self, by: Actor, person: String, reason: String) -> BoxFuture<'static, Result<Ended, String>> {
        let locks = self.0.clone();
        Box::pin(async move {
            if reason.is_empty() {
                return Err("say why".to_owned());
            }
            let lock = Lock { by: by.user, since: jiff::Timestamp::now(), reason };
            locks.lock(&person, lock).map_err(|error| error.to_string())?;
            Ok(Ended { sessions: 1, streams: 2 })
        })
    }

    fn unlock(&self, _: Actor, person: String) -> BoxFuture<'static, Result<bool, String>> {
        let unlocked = self.0.unlock(&person).map_err(|error| error.to_string());
        Box::pin(async move { unlocked })
    }
}

/// How a site is served.
#[derive(Default)]
pub struct Options {
    pub tls: Option<Tls>,
    pub behind_tls: bool,
    pub trusted_proxies: &'static [&'static str],
    pub verification: Option<verify::VerificationResult>,
    pub proxy_protocol: bool,
}

/// A gateway on which one session is under way, whatever its id; it takes the reason `enough`, and its store has the end
/// at once. `gone` is for a session that is not there.
fn ending(
    by: Actor,
    _: recording::RecordingId,
    reason: String,
) -> BoxFuture<'static, Result<Option<EndStored>, String>> {
    Box::pin(async move {
        match (by.user.as_str(), reason.as_str()) {
            ("auditor@example.com", "enough") => Ok(Some(Box::pin(async {}) as EndStored)),
            ("auditor@example.com", "gone") => Ok(None),
            _ => Err(format!("{} may not say {reason:?}", by.user)),
        }
    })
}

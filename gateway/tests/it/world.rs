//! A gateway with one cluster, two people, and everything it stores in memory.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use access::{Action, InputRecording, Policy, Rule};
use gateway::{
    ForwardLatency, Gateway, Limits, Settings, TlsSettings,
    clusters::{ClusterSettings, Credential, Server, Source, Trust},
};
use identity::{Authenticator, Authority, Links, Tokens, Users};
use listener::{HeadBudget, TrustedProxies};
use recording::{
    Key, Manifest, RecordingId,
    cast::Code,
    journal::{JournalEntry, JournalEvent},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use storage::{RecordingReader, Store};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    client::{self, Client},
    store::Fallible,
    upstream::Upstream,
};

pub struct World {
    pub gateway: Gateway,
    pub address: SocketAddr,
    pub upstream: Upstream,
    pub store: Arc<Fallible>,
    pub authority: Arc<Authority>,
    /// Jane may do everything.
    pub jane: String,
    /// Joe may not exec, attach or add ephemeral containers.
    pub joe: String,
    pub recorder: Arc<recorder::Recorder>,
    journal: journal::Journal,
    shutdown: CancellationToken,
    served: JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::bounded(spool::SpoolLimits { disk_floor: 0, ..Default::default() }, change).await
    }

    pub async fn bounded(bounds: spool::SpoolLimits, change: impl FnOnce(&mut Settings)) -> Self {
        Self::waiting(Duration::from_millis(500), bounds, change).await
    }

    /// Sessions wait for room in the spool for as long as `patience`.
    pub async fn waiting(patience: Duration, bounds: spool::SpoolLimits, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        let store = Fallible::new();
        let authority = Arc::new(Authority::load_or_create(&folder.path().join("ca")).unwrap());
        let file = |name: &str| folder.path().join(name);
        let tokens = Arc::new(Tokens::open(&file("tokens.json")).unwrap());
        let users = Arc::new(Users::open(&file("users.json")).unwrap());
        let links = Arc::new(Links::open(&file("links.json")).unwrap());
        let jane = tokens.create("jane", &["dev".to_owned()], None).unwrap();
        let joe = tokens.create("joe", &[], None).unwrap();
        let journal_settings = journal::JournalSettings {
            object_age: Duration::from_millis(20),
            patience: Duration::from_millis(500),
            ..Default::default()
        };
        let journal = journal::Journal::open(store.clone(), "gw", journal_settings).await.unwrap();
        let recorder_settings = recorder::Settings {
            gateway: "gw".to_owned(),
            chunk_age: Duration::from_millis(50),
            patience,
            ..Default::default()
        };
        let spool = spool::Spool::open(folder.path().join("spool"), bounds).unwrap();
        let recorder = Arc::new(recorder::Recorder::start(spool, store.clone(), recorder_settings));
        let mut settings = Settings {
            name: "gw".to_owned(),
            clusters: vec![cluster("c", &upstream), nowhere("gone")],
            policy: Arc::new(policy()),
            authenticator: Arc::new(Authenticator::new(authority.clone(), tokens, users, links)),
            recorder: recorder.clone(),
            journal: journal.clone(),
            trusted_proxies: TrustedProxies::default(),
            heads: HeadBudget::default(),
            tls: TlsSettings::OwnAuthority { names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()] },
            // A retry may come late on a busy machine; `stop` waits for none.
            limits: Limits { fallback: Duration::from_secs(3600), image: Duration::ZERO, ..Limits::default() },
            forward_latency: ForwardLatency::default(),
        };
        change(&mut settings);
        let gateway = Gateway::new(settings).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (serving, stop) = (gateway.clone(), shutdown.clone());
        let served = tokio::spawn(async move { serving.serve(listener, stop).await });
        Self { gateway, address, upstream, store, authority, jane, joe, recorder, journal, shutdown, served, folder }
    }

    pub async fn client(&self) -> Client {
        Client::connect(client::tls(self.authority.ca_pem(), None), self.address).await
    }

    pub async fn client_with(&self, certificate: &str, key: &str) -> Client {
        Client::connect(client::tls(self.authority.ca_pem(), Some((certificate, key))), self.address).await
    }

    /// A client certificate that expired an hour ago.
    pub fn expired_certificate(&self, name: &str) -> (String, String) {
        let file = |name: &str| std::fs::read_to_string(self.folder.path().join("ca").join(name)).unwrap();
        let key = rcgen::KeyPair::from_pem(&file("ca.key")).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_pem(&file("ca.pem"), key).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let hour = Duration::from_secs(3600);
        let now = std::time::SystemTime::now();
        (params.not_before, params.not_after) = ((now - 2 * hour).into(), (now - hour).into());
        let own = rcgen::KeyPair::generate().unwrap();
        (params.signed_by(&own, &issuer).unwrap().pem(), own.serialize_pem())
    }

    pub fn begin_stop(&self) {
        self.shutdown.cancel();
    }

    /// Stops the gateway, which waits for everything under way, and gives what was recorded and journalled.
    pub async fn stop(self) -> Stored {
        self.shutdown.cancel();
        self.served.await.unwrap();
        let _ = self.journal.close().await;
        tokio::time::timeout(Duration::from_secs(120), self.recorder.drained()).await.expect("all is stored");
        Stored::read(&*self.store, &self.store).await
    }
}

/// What a store has at the end.
pub struct Stored {
    pub manifests: Vec<Manifest>,
    pub headers: Vec<recording::cast::Header>,
    pub journal: Vec<JournalEntry>,
    /// What was printed, and then what was typed.
    pub text: String,
}

impl Stored {
    async fn read(store: &dyn Store, shared: &Arc<Fallible>) -> Self {
        let recordings = RecordingReader::new(shared.clone());
        let (mut manifests, mut headers, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for entry in store.list("recordings/", None, 10_000).await.unwrap() {
            let id: RecordingId = entry.key.as_str().split('/').nth(4).unwrap().parse().unwrap();
            if entry.key == Key::chunk(id, 0) {
                headers.push(recordings.header(id).await.unwrap());
                manifests.extend(recordings.manifest(id).await.unwrap());
            } else if entry.key != Key::manifest(id) {
                let bytes = store.read(&entry.key, u64::MAX).await.unwrap();
                lines.extend(zstd::decode_all(&bytes[..]).unwrap());
            }
        }
        let mut journal = Vec::new();
        for entry in store.list("journal/", None, 10_000).await.unwrap() {
            let bytes = store.read(&entry.key, u64::MAX).await.unwrap();
            let lines = zstd::decode_all(&bytes[..]).unwrap();
            let lines = String::from_utf8(lines).unwrap();
            journal.extend(lines.lines().map(|line| serde_json::from_str::<JournalEntry>(line).unwrap()));
        }
        // A stream may be cut into events anywhere, wherever a busy machine made a pause.
        let text = [Code::Output, Code::Input].map(|code| stream(&lines, code)).join("\n");
        Self { manifests, headers, journal, text }
    }

    /// The one recording that there is.
    pub fn only(&self) -> &Manifest {
        assert_eq!((self.headers.len(), self.manifests.len()), (1, 1));
        &self.manifests[0]
    }

    pub fn refusals(&self) -> Vec<&recording::journal::ApiRequest> {
        self.journal.iter().filter_map(refused).collect()
    }

    /// The refusals of one person; if `user` is empty, of unauthenticated senders.
    pub fn refusals_of(&self, user: &str) -> Vec<&recording::journal::ApiRequest> {
        self.journal.iter().filter(|entry| entry.user == user).filter_map(refused).collect()
    }
}

fn refused(entry: &JournalEntry) -> Option<&recording::journal::ApiRequest> {
    if let JournalEvent::Refused(request) = &entry.what { Some(request) } else { None }
}

fn stream(lines: &[u8], code: Code) -> String {
    let events: Vec<_> = recording::cast::events(lines).map(Result::unwrap).collect();
    let pieces = events.iter().filter_map(recording::cast::Event::bytes).filter(|(of, _)| *of == code);
    String::from_utf8(pieces.flat_map(|(_, bytes)| bytes.into_owned()).collect()).unwrap()
}

/// Jane may do everything; Joe may not exec, attach or add ephemeral containers.
pub fn policy() -> Policy {
    let rule = |name: &str, groups: &[&str]| Rule {
        name: name.to_owned(),
        users: vec![name.to_owned()],
        groups: Vec::new(),
        clusters: vec!["*".to_owned()],
        as_user: "{user}".to_owned(),
        as_groups: groups.iter().map(|&g| g.to_owned()).collect(),
        deny: Vec::new(),
        side_doors: Vec::new(),
        record_input: InputRecording::Always,
        journal_reads: true,
    };
    let joe = Rule { deny: vec![Action::Exec, Action::Attach, Action::EphemeralContainers], ..rule("joe", &[]) };
    Policy { rules: vec![rule("jane", &["dev", "ops"]), joe] }
}

fn cluster(name: &str, upstream: &Upstream) -> ClusterSettings {
    ClusterSettings {
        name: name.to_owned(),
        server: Server {
            host: "127.0.0.1".to_owned(),
            port: upstream.address.port(),
            prefix: "/base".to_owned(),
            tls_name: "127.0.0.1".try_into().unwrap(),
        },
        trust: Trust::Roots(vec![CertificateDer::from_pem_slice(upstream.certificate_pem.as_bytes()).unwrap()]),
        credential: Credential::Token("the-gateway".to_owned()),
        source: Source::Fixed,
        own_namespace: None,
    }
}

/// A cluster that nobody listens for: port 1 of loopback.
fn nowhere(name: &str) -> ClusterSettings {
    ClusterSettings {
        name: name.to_owned(),
        server: Server {
            host: "127.0.0.1".to_owned(),
            port: 1,
            prefix: String::new(),
            tls_name: "127.0.0.1".try_into().unwrap(),
        },
        trust: Trust::System,
        credential: Credential::None,
        source: Source::Fixed,
        own_namespace: None,
    }
}

//! The configuration file as it is written. Every key is optional here; what is missing, wrong or contradictory is
//! said when the running configuration is made of it. `kubetape.sample.toml` shows every key.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::quantity::{HumanDuration, HumanSize};

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// kubectl's way in.
    pub gateway: Gateway,
    /// The Kubernetes clusters behind it.
    pub clusters: Vec<Cluster>,
    /// Who may do what where, as whom.
    pub policy: Policy,
    /// Where recordings and journal are kept.
    pub storage: Storage,
    /// How sessions are recorded.
    pub recorder: Recorder,
    /// What waits on the gateway's own disk for storage.
    pub spool: Spool,
    /// How requests are written down.
    pub journal: Journal,
    /// How much the gateway accepts, and how long it waits.
    pub limits: Limits,
    /// What recordings and journal are signed with.
    pub signing: Signing,
    /// Where the journal's positions are written beside the storage.
    pub anchors: Anchors,
    /// How the store is verified.
    pub verify: Verify,
    /// The search index.
    pub search: Search,
    /// The pages for auditors.
    pub web: Web,
    /// Numbers for a monitoring system.
    pub metrics: Metrics,
    /// What a gateway needs to keep besides recordings.
    pub state: StateFolder,
    /// The program's own log, on stderr.
    pub log: Log,
}

/// `[gateway]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gateway {
    /// Name in recordings and journal.
    pub name: Option<String>,
    /// Address to listen on.
    pub listen: Option<SocketAddr>,
    /// What kubeconfigs name as the server.
    pub public_url: Option<String>,
    /// Further names and addresses in the gateway's own certificate.
    pub names: Option<Vec<String>>,
    /// Certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// CA certificates that kubeconfigs name, PEM.
    pub ca: Option<PathBuf>,
    /// Balancers whose PROXY header is believed: addresses and networks.
    pub trusted_proxies: Option<Vec<String>>,
}

/// `[[clusters]]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Name in URLs, policy and recordings.
    pub name: Option<String>,
    /// A kubeconfig that says how to reach clusters.
    pub kubeconfig: Option<PathBuf>,
    /// Which of its contexts.
    pub contexts: Option<Vec<String>>,
    /// Use the service account of the pod that the gateway runs in.
    pub in_cluster: Option<bool>,
    /// The API server's URL.
    pub server: Option<String>,
    /// CA certificates that the API server's certificate is checked with, PEM.
    pub ca: Option<PathBuf>,
    /// Bearer token of the gateway; read again when it changes.
    pub token_file: Option<PathBuf>,
    /// Client certificate of the gateway, PEM.
    pub client_certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub client_key: Option<PathBuf>,
    /// Name to expect in the API server's certificate, where it is not the URL's.
    pub tls_server_name: Option<String>,
    /// Namespace that the gateway itself runs in, in this cluster.
    pub own_namespace: Option<String>,
}

/// `[policy]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// A file of rules.
    pub file: Option<PathBuf>,
    /// The rules themselves.
    pub rules: Option<Vec<access::Rule>>,
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageKind {
    /// A folder.
    Disk,
    /// A bucket.
    S3,
}

/// `[storage]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// `disk` or `s3`.
    pub kind: Option<StorageKind>,
    /// The folder, for `disk`.
    pub path: Option<PathBuf>,
    /// The bucket, for `s3`.
    pub s3: S3,
}

/// `[storage.s3]`
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3 {
    /// URL of a server that is not AWS.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Bucket.
    pub bucket: Option<String>,
    /// Put before every key.
    pub prefix: Option<String>,
    /// `https://endpoint/bucket/key` instead of `https://bucket.endpoint/key`.
    pub path_style: Option<bool>,
    /// Access key.
    pub access_key: Option<String>,
    /// Access key, in a file.
    pub access_key_file: Option<PathBuf>,
    /// Secret key.
    pub secret_key: Option<String>,
    /// Secret key, in a file.
    pub secret_key_file: Option<PathBuf>,
}

/// Leaves the keys out: nothing that is printed for debugging may hold them.
impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("endpoint", &self.endpoint).field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

/// `[recorder]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recorder {
    /// A chunk is stored when its lines have this many bytes,
    pub chunk_bytes: Option<HumanSize>,
    /// or when it is this old.
    pub chunk_age: Option<HumanDuration>,
    /// End sessions whose bytes no known client sends.
    pub strict: Option<bool>,
    /// How long a session waits for room in the spool before it is ended.
    pub patience: Option<HumanDuration>,
    /// Longest time between writing to the spool and syncing it to the disk.
    pub sync: Option<HumanDuration>,
    /// Bytes kept of the beginning of an output that reaches the output limit.
    pub keep_first: Option<HumanSize>,
    /// Bytes kept of the beginning of a tar archive.
    pub keep_first_of_archives: Option<HumanSize>,
    /// Bytes kept of the end of such an output.
    pub keep_last: Option<HumanSize>,
    /// Keep all of what a terminal showed.
    pub keep_terminals: Option<bool>,
}

/// `[spool]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// The folder.
    pub dir: Option<PathBuf>,
    /// Bytes of one session that may wait for storage.
    pub session_bytes: Option<HumanSize>,
    /// Bytes of all sessions that may wait.
    pub total_bytes: Option<HumanSize>,
    /// Number of sessions that may wait.
    pub sessions: Option<usize>,
    /// Free bytes to leave on the disk.
    pub disk_floor: Option<HumanSize>,
}

/// `[journal]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Journal {
    /// An object is stored when its lines have this many bytes,
    pub object_bytes: Option<HumanSize>,
    /// or when it is this old.
    pub object_age: Option<HumanDuration>,
}

/// `[limits]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of clients at once.
    pub connections: Option<usize>,
    /// Of these, of one person.
    pub connections_per_person: Option<usize>,
    /// Of these, from one address and without a credential so far.
    pub unauthenticated_per_address: Option<usize>,
    /// Sessions at once.
    pub sessions: Option<usize>,
    /// Of these, of one person.
    pub sessions_per_person: Option<usize>,
    /// For the TLS handshake, for a request's head, and until a request is let in.
    pub handshake: Option<HumanDuration>,
    /// For an h2 connection on which no request is under way.
    pub idle: Option<HumanDuration>,
    /// To connect to an API server.
    pub connect: Option<HumanDuration>,
    /// For an API server's answer to an upgrade.
    pub answer: Option<HumanDuration>,
    /// To ask for the image of a session's container.
    pub image: Option<HumanDuration>,
    /// Between an upgrade that failed and its second attempt by another protocol.
    pub fallback: Option<HumanDuration>,
    /// How long one side may be silent after the other has ended.
    pub linger: Option<HumanDuration>,
    /// For sessions, at the end of the process.
    pub shutdown: Option<HumanDuration>,
}

/// `[signing]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signing {
    /// Ed25519 private key, PEM.
    pub key: Option<PathBuf>,
    /// The private key before it, which vouches for it.
    pub previous_key: Option<PathBuf>,
}

/// `[search]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Whether `serve` keeps an index.
    pub enabled: Option<bool>,
    /// Folder of the index.
    pub dir: Option<PathBuf>,
    /// How often storage is looked at for what is new.
    pub interval: Option<HumanDuration>,
    /// Regular expressions of what is masked beside the well-known secrets.
    pub mask: Option<Vec<String>>,
}

/// `[anchors]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Anchors {
    /// The file.
    pub file: Option<PathBuf>,
    /// How often the position is written.
    pub every: Option<HumanDuration>,
}

/// `[verify]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// How often the whole store is verified.
    pub every: Option<HumanDuration>,
    /// Bytes that are read in a second for it.
    pub rate: Option<HumanSize>,
}

/// `[web]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Whether `serve` serves the pages.
    pub enabled: Option<bool>,
    /// Address to listen on.
    pub listen: Option<SocketAddr>,
    /// What login links begin with.
    pub public_url: Option<String>,
    /// Certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// Serve the pages without TLS to whoever reaches the address.
    pub insecure: Option<bool>,
    /// Proxies whose `X-Forwarded-For` is believed: addresses and networks.
    pub trusted_proxies: Option<Vec<String>>,
    /// These send a PROXY header instead.
    pub proxy_protocol: Option<bool>,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Address to listen on. Without it there are no metrics.
    pub listen: Option<SocketAddr>,
}

/// `[state]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateFolder {
    /// The folder.
    pub dir: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; or directives such as `info,gateway=debug`.
    pub level: Option<String>,
    /// `text` or `json`.
    pub format: Option<LogFormat>,
}

/// A policy file: what `[policy]` may name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The rules.
    pub rules: Vec<access::Rule>,
}

/// Environment variables, sorted by name.
pub type Environment = BTreeMap<String, String>;

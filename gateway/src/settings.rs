use std::{path::PathBuf, sync::Arc, time::Duration};

use identity::Authenticator;
use listener::{HeadBudget, TrustedProxies};
use recorder::LatencyObserver;

use crate::proxy::clusters::ClusterSettings;

/// The parts of a gateway.
pub struct Settings {
    /// Its name. It goes with every request to a cluster, so that the cluster can tell what came through a gateway.
    pub name: String,
    /// The clusters behind it; names must differ.
    pub clusters: Vec<ClusterSettings>,
    /// Who may do what, to begin with: [`crate::Gateway::exchange_policy`] takes another one.
    pub policy: Arc<access::Policy>,
    /// Decides who someone is; its authority signs the gateway's own certificate.
    pub authenticator: Arc<Authenticator>,
    /// Opens recordings.
    pub recorder: Arc<recorder::Recorder>,
    /// Takes an entry for every request.
    pub journal: journal::Journal,
    /// The gateway's own certificate.
    pub tls: TlsSettings,
    /// The balancers that say by a PROXY header whose connection it is: each of theirs begins with one, and nobody else's is
    /// believed.
    pub trusted_proxies: TrustedProxies,
    /// What unfinished request heads may take on connections without a credential, on this and other listeners. A head that
    /// needs more is answered 503 if it is the first; else the connection is closed.
    pub heads: HeadBudget,
    /// What it takes on, and how long it waits.
    pub limits: Limits,
    /// Told how long each message of a recorded session took, by who sent it.
    pub forward_latency: ForwardLatency,
}

/// Told how long a message of a recorded session took: from when the gateway had read it until the other side had all of it.
/// The recorder accepts the message in between.
#[derive(Clone, Debug, Default)]
pub struct ForwardLatency {
    /// Of messages that the client sent.
    pub to_server: LatencyObserver,
    /// Of messages that the API server sent.
    pub to_client: LatencyObserver,
}

/// The gateway's own certificate.
#[derive(Clone, Debug)]
pub enum TlsSettings {
    /// Signed by Kubetape's own CA for these DNS names and IP addresses. The gateway renews it.
    OwnAuthority {
        /// What people write as the gateway's host.
        names: Vec<String>,
    },
    /// Two PEM files, read again every hour.
    Given {
        /// The certificate chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// What one gateway takes on, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of clients at once, sessions included. One more closes the oldest on which no credential has been seen; if
    /// there is none, it waits in the kernel's queue.
    pub connections: usize,
    /// Connections of one person, sessions included: by default a tenth of all beside their sessions. Requests on more are
    /// answered 429.
    pub connections_per_person: usize,
    /// Connections from one address (IPv6: from one /64 network) on which no credential has been seen yet. One more closes the
    /// oldest of them.
    pub unauthenticated_per_address: usize,
    /// Recorded sessions at once. More are answered 429.
    pub sessions: usize,
    /// Recorded sessions of one person at once: a tenth of all by default, so that one leaked credential does not shut
    /// everybody out. More are answered 429.
    pub sessions_per_person: usize,
    /// From accepting a connection to the end of its TLS handshake, and from there to the end of a request's head, and to a
    /// request with a good credential. Slower connections are closed.
    pub head: Duration,
    /// How long an h2 connection is kept on which no request is under way.
    pub idle: Duration,
    /// To connect to an API server, TLS included. Then the client gets a 503.
    pub connect: Duration,
    /// From an upgrade request to the API server's answer. Then the client gets a 504.
    pub answer: Duration,
    /// To ask for the pod that a session is in, and so for its image, beside the session. Then the recording does
    /// not name it. Zero: it is not asked for.
    pub image: Duration,
    /// After a client's failed upgrade, how long its next attempt by another protocol continues the same
    /// recording.
    pub fallback: Duration,
    /// After one side of a session ended: how long the other may stay silent before it is closed.
    pub linger: Duration,
    /// At the end of the process: how long sessions have to end, and recordings to be finished.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_person: 1_400,
            unauthenticated_per_address: 1_000,
            sessions: 4_000,
            sessions_per_person: 400,
            head: Duration::from_secs(30),
            idle: Duration::from_secs(300),
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            image: Duration::from_secs(2),
            fallback: Duration::from_secs(5),
            linger: Duration::from_secs(60),
            shutdown: Duration::from_secs(10),
        }
    }
}

use std::{sync::Arc, time::Duration};

use crate::{listener::tls::TlsSettings, proxy::clusters::ClusterSettings};
use identity::{Authority, Tokens};

/// What a gateway is made of.
pub struct Settings {
    /// Its name. Goes with every request to a cluster, so that the cluster can tell what came through a gateway.
    pub name: String,
    /// The clusters behind it; names must differ.
    pub clusters: Vec<ClusterSettings>,
    /// Who may do what; checked.
    pub policy: Arc<access::Policy>,
    /// Signs and verifies client certificates.
    pub authority: Arc<Authority>,
    /// Knows bearer tokens.
    pub tokens: Arc<Tokens>,
    /// Opens recordings.
    pub recorder: Arc<recorder::Recorder>,
    /// Hears of every request.
    pub journal: journal::Journal,
    /// The gateway's own certificate.
    pub tls: TlsSettings,
    /// Bounds.
    pub limits: Limits,
}

/// What one gateway takes on, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of clients at once. More are accepted when others end; until then they wait in the
    /// kernel's queue.
    pub connections: usize,
    /// Recorded sessions at once. More are answered 429.
    pub sessions: usize,
    /// Of these, of one person. More are answered 429.
    pub sessions_per_person: usize,
    /// From accepting a connection to the end of its TLS handshake, and from there to the end of a request's
    /// head, and to a request that is let in. Slower connections are closed.
    pub head: Duration,
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
            sessions: 4_000,
            sessions_per_person: 4_000,
            head: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            image: Duration::from_secs(2),
            fallback: Duration::from_secs(5),
            linger: Duration::from_secs(60),
            shutdown: Duration::from_secs(10),
        }
    }
}

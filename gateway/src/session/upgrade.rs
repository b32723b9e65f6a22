//! One exec, attach or portforward, from its permit to the 101: record, then dial, then answer.

use std::{error::Error, sync::Arc};

use access::Permit;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use recorder::{Ending, OpenRecording, OpenRequest, Recording};
use recording::{
    Outcome, RecordingId,
    cast::SessionKind,
    journal::{JournalEvent, SessionGrant},
};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle, time::timeout};
use tokio_rustls::client::TlsStream;
use uuid::Uuid;
use wire::{Negotiated, Side, Subresource};

use super::{
    fallback::AttemptKey,
    finish, image,
    limits::SessionPlace,
    registry::{Registration, Termination},
    sessions::Sessions,
};
use crate::{
    auth::authorize::{Permitted, SessionRequest},
    proxy::{
        answer::{self, Answer},
        upstream::{Cluster, Origin},
    },
    request::{
        head::{self, HeadError},
        headers,
        parts::RequestParts,
        protocol::UpgradeProtocol,
        status::{self, Status},
    },
};

const EXTENSIONS: HeaderName = header::SEC_WEBSOCKET_EXTENSIONS;

/// Both ends are ready: the 101 can go to the client, and then bytes.
pub(crate) struct UpgradedSession {
    /// The 101's headers for the client.
    pub(crate) headers: HeaderMap,
    pub(super) upstream: TlsStream<TcpStream>,
    /// What came right behind the API server's 101. It is recorded already.
    pub(super) early: Bytes,
    pub(super) protocol: UpgradeProtocol,
    pub(super) opened: Opened,
}

/// A session's recording and its entries with the gateway.
pub(super) struct Opened {
    pub(super) recording: Arc<Recording>,
    /// Ends when the recording knows which image it is about, or that it will not know.
    pub(super) image: JoinHandle<()>,
    pub(super) user: String,
    pub(super) registration: Registration,
    pub(super) place: SessionPlace,
}

/// There is no session: the gateway's own refusal, or the API server's answer.
pub(crate) enum Refused {
    Status(Status),
    Answer(Box<Answer>),
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl Refused {
    fn message(&self) -> String {
        match self {
            Self::Status(status) => status.message.clone(),
            Self::Answer(answer) => status::message_of(answer.status, &answer.body),
        }
    }
}

/// A session that is being established: its recording is open, and its cluster is known.
struct Attempt {
    cluster: Arc<Cluster>,
    permit: Arc<Permit>,
    /// Canonical, below the cluster.
    path: String,
    session: SessionRequest,
    place: SessionPlace,
    from: Origin,
}

/// An API server that answered 101.
struct Switched {
    stream: TlsStream<TcpStream>,
    early: Bytes,
    headers: HeaderMap,
    negotiated: Negotiated,
}

/// Opens the recording, dials, and hands on the upgrade. Nothing is dialled before header and journal entry are durable.
/// Nothing that the client sent behind its request is forwarded here.
///
/// # Cancel safety
/// Not cancel safe: a recording that was opened would not be finished. Callers run it as a task.
pub(crate) async fn establish(sessions: &Arc<Sessions>, mut permitted: Permitted) -> Result<UpgradedSession, Refused> {
    let Some(session) = permitted.session.take() else {
        return Err(Status::bad_request("Upgrade request required").into());
    };
    let (cluster, place) = match reserve(sessions, &permitted) {
        Ok(reserved) => reserved,
        Err(status) => return Err(sessions.refusals.note(permitted.refuse(status)).await.into()),
    };
    let key = attempt_key(&permitted);
    let parked = match (session.protocol, &key) {
        (UpgradeProtocol::Spdy, Some(key)) => sessions.fallback.take(key),
        (UpgradeProtocol::Spdy, None) | (UpgradeProtocol::WebSocket, _) => None,
    };
    let recording = match parked {
        Some(parked) => parked.opened,
        None => open(sessions, &permitted, &session.request).await?,
    };
    let Permitted { peer, permit, path, parts, .. } = permitted;
    let from = Origin { client: peer.address.ip(), recording: Some(recording.id()) };
    let attempt = Attempt { cluster, permit, path, session, place, from };
    match attempt.switch(sessions, parts).await {
        Ok(switched) => attempt.begin(sessions, recording, switched).await,
        Err(refused) => {
            let key = key.filter(|_| attempt.session.protocol == UpgradeProtocol::WebSocket);
            let user = attempt.permit.principal().name.clone();
            finish::fail(sessions, user, key, recording, refused.message()).await;
            Err(refused)
        }
    }
}

/// The cluster, and a place among its person's sessions.
fn reserve(sessions: &Sessions, permitted: &Permitted) -> Result<(Arc<Cluster>, SessionPlace), Status> {
    let cluster = sessions.clusters.of(&permitted.permit)?;
    let place = sessions.places.take(permitted.user());
    let place = place.map_err(|full| Status::new(StatusCode::TOO_MANY_REQUESTS, full.to_string()))?;
    Ok((cluster, place))
}

/// What a second attempt of the same command has in common with this one; `None` if the client does not say which command
/// it is.
fn attempt_key(permitted: &Permitted) -> Option<AttemptKey> {
    let kubectl_session = headers::text(&permitted.parts.headers, "kubectl-session");
    (!kubectl_session.is_empty()).then(|| AttemptKey {
        user: permitted.user().to_owned(),
        groups: permitted.permit.impersonation().groups.clone(),
        kubectl_session,
        cluster: permitted.permit.target().cluster.clone(),
        path: permitted.path.clone(),
        query: permitted.parts.query.clone(),
    })
}

/// Makes header and journal entry durable.
async fn open(sessions: &Sessions, permitted: &Permitted, request: &wire::Request) -> Result<OpenRecording, Refused> {
    let user = permitted.user();
    let mut entry = permitted.journalled(StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let opening = OpenRequest {
        kind: match request.subresource {
            Subresource::Exec => SessionKind::Exec,
            Subresource::Attach => SessionKind::Attach,
            Subresource::PortForward => SessionKind::PortForward,
        },
        argv: request.argv.clone(),
        tty: request.tty,
        stdin: request.stdin,
        client: entry.client.clone(),
        user_agent: entry.user_agent.clone(),
        kubectl_command: entry.kubectl_command.clone(),
        kubectl_session: entry.kubectl_session.clone(),
    };
    // Header and entry are written at the same time: two waits for the store would be felt at every exec.
    let session = RecordingId(Uuid::now_v7());
    let grant = Box::new(grant(&permitted.permit, &request.argv));
    let (opened, noted) = tokio::join!(
        sessions.recorder.open_as(session, &permitted.permit, opening),
        sessions.journal.note_durably(user, JournalEvent::SessionOpened { session, request: entry.clone(), grant }),
    );
    let error: Box<dyn Error + Send + Sync> = match (opened, noted) {
        (Ok(opened), Ok(())) => return Ok(opened),
        (Ok(opened), Err(error)) => {
            finish::conclude(sessions, user, opened, "the session could not be journalled").await;
            error.into()
        }
        (Err(error), noted) => {
            if noted.is_ok() {
                let outcome = Outcome::FailedToStart { message: error.to_string() };
                sessions.journal.note(user, JournalEvent::SessionEnded { session, outcome }).await;
            }
            error.into()
        }
    };
    tracing::error!(user, %session, error = &*error, "session cannot be opened");
    let status = Status::unavailable(format!("no session without a recording: {error}"));
    (entry.code, entry.reason) = (status.code.as_u16(), status.message.clone());
    sessions.journal.note(user, JournalEvent::Refused(entry)).await;
    Err(status.into())
}

/// Why a session is permitted, for the journal.
fn grant(permit: &Permit, argv: &[String]) -> SessionGrant {
    let principal = permit.principal();
    SessionGrant {
        rule: permit.rule().to_owned(),
        groups: principal.groups.clone(),
        credential: Some(principal.credential),
        credential_id: principal.credential_id.clone(),
        impersonation: Some(permit.impersonation().clone()),
        argv_sha256: if argv.is_empty() { String::new() } else { argv_digest(argv) },
    }
}

/// Each element behind its length, so that no two argv have one digest.
fn argv_digest(argv: &[String]) -> String {
    let mut digest = Sha256::new();
    for element in argv {
        digest.update((element.len() as u64).to_le_bytes());
        digest.update(element);
    }
    recording::hex(digest.finalize().into())
}

impl Attempt {
    /// Dials, sends the request's head, reads the answer's.
    async fn switch(&self, sessions: &Sessions, parts: RequestParts) -> Result<Switched, Refused> {
        let cluster = &*self.cluster;
        let sent = self.request_head(parts)?;
        let mut stream = cluster.dial().await.map_err(|error| cluster.unreachable(&error))?;
        let exchange = async {
            let broken = |error: HeadError| broken(cluster, &error);
            stream.write_all(&sent).await.map_err(|e| broken(e.into()))?;
            stream.flush().await.map_err(|e| broken(e.into()))?;
            let mut buffer = BytesMut::new();
            let answer = head::response(&mut stream, &mut buffer).await.map_err(broken)?;
            if answer.status == StatusCode::SWITCHING_PROTOCOLS {
                let (negotiated, headers) = agree(cluster, &self.session, answer.headers)?;
                return Ok((negotiated, headers, buffer.freeze()));
            }
            let whole = answer::read(answer, buffer, &mut stream).await;
            let whole =
                whole.ok_or_else(|| Status::bad_gateway(format!("cluster {:?} sent a broken answer", cluster.name)))?;
            Err(Refused::Answer(Box::new(whole.in_words(&cluster.name))))
        };
        let slow =
            || Status::new(StatusCode::GATEWAY_TIMEOUT, format!("cluster {:?} did not answer in time", cluster.name));
        let exchanged = timeout(sessions.limits.answer, exchange).await;
        let (negotiated, headers, early) = exchanged.map_err(|_| slow())??;
        Ok(Switched { stream, early, headers, negotiated })
    }

    /// The request as it goes upstream: rebuilt, with one `Connection` and one `Upgrade`, the lines of
    /// `X-Stream-Protocol-Version` as they came, and without extensions, which would hide bytes from the recorder.
    fn request_head(&self, parts: RequestParts) -> Result<Vec<u8>, Status> {
        let RequestParts { method, query, headers, .. } = parts;
        let mut headers = self.cluster.request_headers(headers, self.permit.impersonation(), self.from)?;
        headers.remove(EXTENSIONS);
        let mut out = Vec::with_capacity(1024 + query.len());
        for part in [method.as_str(), " ", &self.cluster.prefix, &self.path] {
            out.extend_from_slice(part.as_bytes());
        }
        if !query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(query.as_bytes());
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if let Some(host) = headers.remove(header::HOST) {
            headers::write_one(&mut out, &header::HOST, &host);
        }
        headers::write(&mut out, &headers);
        if method == Method::POST {
            out.extend_from_slice(b"Content-Length: 0\r\n");
        }
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
        out.extend_from_slice(self.session.protocol.name().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        Ok(out)
    }

    /// Lists the session, and records what came right behind the 101.
    async fn begin(
        self,
        sessions: &Arc<Sessions>,
        opened: OpenRecording,
        switched: Switched,
    ) -> Result<UpgradedSession, Refused> {
        let Switched { stream, early, headers, negotiated } = switched;
        let Self { cluster, permit, path, session: SessionRequest { request, protocol }, place, from } = self;
        let user = permit.principal().name.clone();
        let recording = Arc::new(opened.begin(negotiated, &request));
        let registration = sessions.registry.enter(recording.id(), Arc::clone(&permit));
        if sessions.stopping.is_cancelled() {
            registration.switch.end(Termination::shutdown());
        }
        if !early.is_empty()
            && let Err(error) = recording.accept(Side::Server, &early).await
        {
            let message = error.to_string();
            let how = Ending::ByGateway { reason: message.clone(), by: String::new() };
            finish::finish(sessions, &user, recording, how).await;
            return Err(Status::bad_gateway(message).into());
        }
        let image = image::ask(sessions, &cluster, &permit, &path, request.subresource, &recording, from.client);
        let opened = Opened { recording, image, user, registration, place };
        Ok(UpgradedSession { headers, upstream: stream, early, protocol, opened })
    }
}

fn broken(cluster: &Cluster, error: &HeadError) -> Refused {
    tracing::warn!(cluster = cluster.name, error = error as &dyn Error, "upgrade failed");
    Status::with_causes(StatusCode::BAD_GATEWAY, error, &format!("cluster {:?}", cluster.name)).into()
}

/// What a 101 settled, and its headers for the client.
fn agree(
    cluster: &Cluster,
    session: &SessionRequest,
    mut headers: HeaderMap,
) -> Result<(Negotiated, HeaderMap), Refused> {
    let SessionRequest { request, protocol } = session;
    let refused =
        |why: &dyn std::fmt::Display| Status::bad_gateway(format!("cluster {:?}: its API server {why}", cluster.name));
    let name = match protocol {
        UpgradeProtocol::Spdy => HeaderName::from_static("x-stream-protocol-version"),
        UpgradeProtocol::WebSocket => HeaderName::from_static("sec-websocket-protocol"),
    };
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?").to_owned());
        let first = values.next();
        if values.next().is_none() { Ok(first) } else { Err(refused(&"named several protocols")) }
    };
    let upgrade = one(&header::UPGRADE)?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case(protocol.name()) || !headers::connection_upgrades(&headers) {
        return Err(refused(&"switched to a protocol that was not asked for").into());
    }
    if headers.contains_key(EXTENSIONS) {
        return Err(refused(&"switched on a WebSocket extension that was not asked for").into());
    }
    let negotiated = Negotiated::from_response(request, &upgrade, one(&name)?.as_deref())
        .map_err(|e| refused(&format_args!("cannot be recorded: {e}")))?;
    headers::strip_hop_by_hop(&mut headers);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(protocol.name()));
    Ok((negotiated, headers))
}

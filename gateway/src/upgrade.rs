//! One exec, attach or portforward, from its permit to the 101: record, then dial, then answer.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use recorder::{Ending, OpenRecording, OpenRequest, Recording};
use recording::{
    Manifest, Outcome, RecordingId,
    cast::SessionKind,
    journal::{JournalEvent, RequestContext},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinHandle};
use tokio_rustls::client::TlsStream;
use uuid::Uuid;
use wire::{Negotiated, Side, Subresource};

use crate::{
    admit::{self, Authorized, Head, UpgradeProtocol},
    answer::{self, Answer},
    fallback::{Key, Waiting},
    gateway::Shared,
    head, headers,
    identity::Peer,
    image,
    live::Registration,
    plain,
    slots::SessionPermit,
    status::{self, Status},
    upstream::Cluster,
};

const EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// Both ends are ready: the 101 can go to the client, and then bytes.
pub(crate) struct UpgradedSession {
    /// The 101's headers for the client.
    pub(crate) headers: HeaderMap,
    pub(crate) upstream: TlsStream<TcpStream>,
    /// What came right behind the upstream's 101. Recorded already.
    pub(crate) early: Bytes,
    pub(crate) recording: Arc<Recording>,
    /// Tells the recording which image it is about, in its own time.
    pub(crate) image: JoinHandle<()>,
    pub(crate) token: UpgradeProtocol,
    pub(crate) user: String,
    pub(crate) entered: Registration,
    pub(crate) slot: SessionPermit,
}

/// No session: the gateway's own refusal, or the upstream's answer.
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

/// An upstream that answered 101.
struct Switched {
    stream: TlsStream<TcpStream>,
    early: Bytes,
    headers: HeaderMap,
    negotiated: Negotiated,
}

/// Opens the recording, dials, and hands on the upgrade. Nothing is dialled before header and journal are
/// durable; nothing of the client's bytes is forwarded here.
pub(crate) async fn establish(
    shared: &Arc<Shared>,
    peer: &Peer,
    mut admitted: Authorized,
    head: Head,
) -> Result<UpgradedSession, Refused> {
    let (request, token) = admitted.session.take().ok_or_else(|| Status::bad_request("Upgrade request required"))?;
    let slot = match shared.slots.take(&admitted.permit.principal().name) {
        Ok(slot) => slot,
        Err(full) => {
            let status = Status::new(StatusCode::TOO_MANY_REQUESTS, full.to_string());
            return Err(admitted.refused(peer, &head, status).noted(shared).await.into());
        }
    };
    let key = key(&admitted, &head);
    let parked =
        if token == UpgradeProtocol::Spdy { key.as_ref().and_then(|key| shared.fallback.take(key)) } else { None };
    let opened = match parked {
        Some(waiting) => waiting.opened,
        None => open(shared, peer, &admitted, &head, &request).await?,
    };
    let user = admitted.permit.principal().name.clone();
    match switch(shared, &admitted, head, token, &request).await {
        Ok(switched) => begin(shared, opened, switched, &request, token, &admitted, slot).await,
        Err(refused) => {
            let key = if token == UpgradeProtocol::WebSocket { key } else { None };
            refuse(shared, user, key, opened, refused.message()).await;
            Err(refused)
        }
    }
}

fn key(admitted: &Authorized, head: &Head) -> Option<Key> {
    let kubectl_session = headers::text(&head.headers, "kubectl-session");
    (!kubectl_session.is_empty()).then(|| Key {
        user: admitted.permit.principal().name.clone(),
        groups: admitted.permit.impersonation().groups.clone(),
        kubectl_session,
        cluster: admitted.cluster.name.clone(),
        path: admitted.path.clone(),
        query: admitted.query.clone(),
    })
}

/// Header and journal entry, both durable when this returns.
async fn open(
    shared: &Shared,
    peer: &Peer,
    admitted: &Authorized,
    head: &Head,
    request: &wire::Request,
) -> Result<OpenRecording, Refused> {
    let permit = &admitted.permit;
    let user = &permit.principal().name;
    let target = permit.target().clone();
    let mut note = admit::noted(peer, head, target, admitted.verb, StatusCode::SWITCHING_PROTOCOLS.as_u16());
    let opening = OpenRequest {
        kind: match request.subresource {
            Subresource::Exec => SessionKind::Exec,
            Subresource::Attach => SessionKind::Attach,
            Subresource::PortForward => SessionKind::PortForward,
        },
        argv: request.argv.clone(),
        tty: request.tty,
        stdin: request.stdin,
        client: note.client.clone(),
        user_agent: note.user_agent.clone(),
        kubectl_command: note.kubectl_command.clone(),
        kubectl_session: note.kubectl_session.clone(),
    };
    // Header and entry are written at the same time: two waits for the store would be felt at every exec.
    let session = RecordingId(Uuid::now_v7());
    let (opened, noted) = tokio::join!(
        shared.recorder.open_as(session, permit, opening),
        shared.journal.note_durably(user, JournalEvent::SessionOpened { session, request: note.clone() }),
    );
    let error: Box<dyn std::error::Error + Send + Sync> = match (opened, noted) {
        (Ok(opened), Ok(())) => return Ok(opened),
        (Ok(opened), Err(error)) => {
            conclude(shared, user, opened, "the session could not be journalled").await;
            error.into()
        }
        (Err(error), noted) => {
            if noted.is_ok() {
                let outcome = Outcome::FailedToStart { message: error.to_string() };
                shared.journal.note(user, JournalEvent::SessionEnded { session, outcome }).await;
            }
            error.into()
        }
    };
    tracing::error!(user, %session, error = &*error, "session cannot be opened");
    let status = Status::unavailable(format!("no session without a recording: {error}"));
    (note.code, note.reason) = (status.code.as_u16(), status.message.clone());
    shared.journal.note(user, JournalEvent::Refused(note)).await;
    Err(status.into())
}

/// Dials, sends the request's head, reads the answer's.
async fn switch(
    shared: &Shared,
    admitted: &Authorized,
    head: Head,
    token: UpgradeProtocol,
    request: &wire::Request,
) -> Result<Switched, Refused> {
    let cluster = &*admitted.cluster;
    let sent = request_head(admitted, head, token)?;
    let mut stream = cluster.dial().await.map_err(|e| plain::undialled(cluster, &e))?;
    let exchange = async {
        let broken = |error: head::HeadError| broken(cluster, &error);
        stream.write_all(&sent).await.map_err(|e| broken(e.into()))?;
        stream.flush().await.map_err(|e| broken(e.into()))?;
        let mut buffer = BytesMut::new();
        let answer = head::response(&mut stream, &mut buffer).await.map_err(broken)?;
        if answer.status == StatusCode::SWITCHING_PROTOCOLS {
            let (negotiated, headers) = agree(cluster, request, token, answer.headers)?;
            return Ok((negotiated, headers, buffer.freeze()));
        }
        let whole = answer::read(answer, buffer, &mut stream).await;
        let whole =
            whole.ok_or_else(|| Status::bad_gateway(format!("cluster {:?} sent a broken answer", cluster.name)))?;
        Err(Refused::Answer(Box::new(whole.in_words(&cluster.name))))
    };
    let slow =
        || Status::new(StatusCode::GATEWAY_TIMEOUT, format!("cluster {:?} did not answer in time", cluster.name));
    let exchanged = tokio::time::timeout(shared.limits.answer, exchange).await;
    let (negotiated, headers, early) = exchanged.map_err(|_| slow())??;
    Ok(Switched { stream, early, headers, negotiated })
}

fn broken(cluster: &Cluster, error: &head::HeadError) -> Refused {
    tracing::warn!(cluster = cluster.name, error = error as &dyn std::error::Error, "upgrade failed");
    Status::bad_gateway(format!("cluster {:?}: {error}", cluster.name)).into()
}

/// The request as it goes upstream: rebuilt, with one `Connection` and one `Upgrade`, the lines of
/// `X-Stream-Protocol-Version` as they came, and without extensions, which would hide bytes from the recorder.
fn request_head(admitted: &Authorized, head: Head, token: UpgradeProtocol) -> Result<Vec<u8>, Status> {
    let method = head.method;
    let mut headers = plain::own(head.headers, admitted)?;
    headers.remove(EXTENSIONS);
    let mut out = Vec::with_capacity(1024 + admitted.query.len());
    for part in [method.as_str(), " ", &admitted.cluster.prefix, &admitted.path] {
        out.extend_from_slice(part.as_bytes());
    }
    if !admitted.query.is_empty() {
        out.push(b'?');
        out.extend_from_slice(admitted.query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(host) = headers.remove(header::HOST) {
        headers::write_one(&mut out, &header::HOST, &host);
    }
    headers::write(&mut out, &headers);
    if method == http::Method::POST {
        out.extend_from_slice(b"Content-Length: 0\r\n");
    }
    out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: ");
    out.extend_from_slice(token.name().as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    Ok(out)
}

/// What a 101 agreed on, and its headers for the client.
fn agree(
    cluster: &Cluster,
    request: &wire::Request,
    token: UpgradeProtocol,
    mut headers: HeaderMap,
) -> Result<(Negotiated, HeaderMap), Refused> {
    let refused =
        |why: &dyn std::fmt::Display| Status::bad_gateway(format!("cluster {:?}: its API server {why}", cluster.name));
    let name = match token {
        UpgradeProtocol::Spdy => HeaderName::from_static("x-stream-protocol-version"),
        UpgradeProtocol::WebSocket => HeaderName::from_static("sec-websocket-protocol"),
    };
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?").to_owned());
        let first = values.next();
        if values.next().is_none() { Ok(first) } else { Err(refused(&"named several protocols")) }
    };
    let upgrade = one(&header::UPGRADE)?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case(token.name()) || !headers::connection_upgrades(&headers) {
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
    headers.insert(header::UPGRADE, HeaderValue::from_static(token.name()));
    Ok((negotiated, headers))
}

async fn begin(
    shared: &Arc<Shared>,
    opened: OpenRecording,
    switched: Switched,
    request: &wire::Request,
    token: UpgradeProtocol,
    admitted: &Authorized,
    slot: SessionPermit,
) -> Result<UpgradedSession, Refused> {
    let Switched { stream, early, headers, negotiated } = switched;
    let user = admitted.permit.principal().name.clone();
    let recording = Arc::new(opened.begin(negotiated, request));
    let entered = shared.live.enter(recording.id(), &user);
    if shared.stopping.is_cancelled() {
        entered.cut.cut(crate::gateway::stopping());
    }
    if !early.is_empty()
        && let Err(error) = recording.accept(Side::Server, &early).await
    {
        let message = error.to_string();
        finish(shared, &user, recording, Ending::ByGateway { reason: message.clone(), by: String::new() }).await;
        return Err(Status::bad_gateway(message).into());
    }
    let image = image::ask(shared, admitted, request.subresource, &recording);
    Ok(UpgradedSession { headers, upstream: stream, early, recording, image, token, user, entered, slot })
}

/// A recording without a session: kept for the second attempt where there can be one, else finished.
async fn refuse(shared: &Arc<Shared>, user: String, key: Option<Key>, opened: OpenRecording, message: String) {
    let Some(key) = key else { return conclude(shared, &user, opened, &message).await };
    let id = opened.id();
    if let Err(waiting) = shared.fallback.park(key.clone(), Box::new(Waiting { opened, message })) {
        return conclude(shared, &user, waiting.opened, &waiting.message).await;
    }
    let (task, tracker) = (Arc::clone(shared), shared.tasks.clone());
    tracker.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(task.limits.fallback) => {}
            () = task.stopping.cancelled() => {}
        }
        if let Some(waiting) = task.fallback.expire(&key, id) {
            conclude(&task, &user, waiting.opened, &waiting.message).await;
        }
    });
}

/// Writes the manifest of a recording whose session never began.
async fn conclude(shared: &Shared, user: &str, opened: OpenRecording, message: &str) {
    let session = opened.id();
    let outcome = match opened.refused(message).await {
        Ok(manifest) => manifest.outcome,
        Err(error) => {
            tracing::error!(%session, error = &error as &dyn std::error::Error, "manifest cannot be stored");
            Outcome::FailedToStart { message: message.to_owned() }
        }
    };
    told(shared, user, session, outcome).await;
}

/// Writes the manifest of a session that is over.
pub(crate) async fn finish(shared: &Shared, user: &str, recording: Arc<Recording>, how: Ending) {
    let session = recording.id();
    let outcome = match recording.finish(how.clone()).await {
        Ok(manifest) => {
            carried(shared, user, &manifest).await;
            manifest.outcome
        }
        Err(error) => {
            tracing::error!(%session, error = &error as &dyn std::error::Error, "recording cannot be finished");
            match how {
                Ending::ByGateway { reason, by } => Outcome::EndedByGateway { reason, by },
                Ending::Interrupted => Outcome::Interrupted,
                Ending::Closed(_) => Outcome::EndedByGateway { reason: error.to_string(), by: String::new() },
            }
        }
    };
    // Its kind only: the rest may quote the session, as a Status does that names the command it did not find.
    tracing::info!(%session, user, outcome = outcome.name(), "session ended");
    told(shared, user, session, outcome).await;
}

/// Journals a session's end, and only then lets the spool forget it.
async fn told(shared: &Shared, user: &str, session: RecordingId, outcome: Outcome) {
    shared.journal.note(user, JournalEvent::SessionEnded { session, outcome: outcome.clone() }).await;
    shared.recorder.acknowledge(session, &outcome);
}

/// Journals what a session carried: files, forwarded connections.
async fn carried(shared: &Shared, user: &str, manifest: &Manifest) {
    let session = &manifest.session;
    let of = || RequestContext {
        target: session.target.clone(),
        kubectl_command: session.kubectl_command.clone(),
        kubectl_session: session.kubectl_session.clone(),
    };
    if let Some(copied) = &manifest.contents.copied {
        let what = JournalEvent::Copied { session: session.id, of: of(), copied: copied.clone() };
        shared.journal.note(user, what).await;
    }
    if session.kind == SessionKind::PortForward {
        let what = JournalEvent::Forwarded { session: session.id, of: of(), ports: manifest.contents.ports.clone() };
        shared.journal.note(user, what).await;
    }
}

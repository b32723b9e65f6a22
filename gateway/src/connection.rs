//! One connection of a client: TLS, then the first request's head, then one of two ways.
//!
//! An upgrade is always the first request on its connection (kubectl and every known library dial anew), so it
//! is read by hand: its URL may be longer than hyper takes, and its bytes belong to another protocol after it.
//! Everything else goes to hyper, with the bytes that were read. An upgrade that comes later is taken from hyper.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use recording::journal::{self, JournalEvent};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use crate::{
    admit::{self, Authorized, Head},
    gateway::Shared,
    head::{self, HeadError, MAX_HEAD, MAX_HEADERS, RequestHead},
    headers,
    identity::{Certified, Peer},
    plain::{self, Body},
    session, socket,
    status::Status,
    upgrade::{self, Refused},
};

/// Longest URL that hyper takes.
const MAX_URI: usize = 65_534;
/// At shutdown: how long watches and other running requests are left alone.
const REQUESTS_END: Duration = Duration::from_secs(2);
/// After a refusal on a connection of its own: how long the client has to read it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection to its end. A session outlives it as a task of its own.
pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, address: SocketAddr) {
    if socket::prepare(&tcp).is_err() {
        return;
    }
    let mut tls = match timeout(shared.limits.head, shared.acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "TLS handshake failed"),
        Err(_) => return,
    };
    let peer = Arc::new(peer(&shared, &tls, address));
    let mut buffer = BytesMut::new();
    if tls.get_ref().1.alpn_protocol() != Some(b"h2") {
        let first = timeout(shared.limits.head, head::fill(&mut tls, &mut buffer)).await;
        match first.unwrap_or(Err(HeadError::Ended)) {
            Ok(()) => {}
            Err(error) => return unreadable(&shared, &peer, tls, &error).await,
        }
        if !buffer.starts_with(b"PRI * HTTP/2.0\r\n") {
            match head::request(&buffer) {
                Ok(head) if by_hand(&head) => {
                    return Box::pin(upgrade(shared, peer, tls, head, buffer)).await;
                }
                Ok(_) => {}
                Err(error) => return unreadable(&shared, &peer, tls, &error).await,
            }
        }
    }
    Box::pin(http(shared, peer, socket::Prefixed::new(buffer.freeze(), tls))).await;
}

/// What hyper is not to read: upgrades, what it has no room for, and what it reads more leniently than is safe. The last two
/// are refused, by the same judge as all requests, so that the journal has them.
fn by_hand(head: &RequestHead) -> bool {
    head.headers.contains_key(header::UPGRADE)
        || head.target.len() > MAX_URI
        || head::unambiguous_length(&head.headers).is_err()
}

fn peer(shared: &Shared, tls: &TlsStream<TcpStream>, address: SocketAddr) -> Peer {
    let chain = tls.get_ref().1.peer_certificates();
    let identify = |chain: &[_]| {
        let holder = shared.authority.identify(chain, std::time::SystemTime::now())?;
        Ok(Certified { principal: holder.principal, until: holder.until })
    };
    Peer { address, certificate: chain.map(identify) }
}

/// Refuses what is no request. The journal hears of it where a certificate says who sent it.
async fn unreadable(shared: &Shared, peer: &Peer, tls: TlsStream<TcpStream>, error: &HeadError) {
    let status = of_head(error);
    let user = peer.name();
    if !user.is_empty() && status.code != StatusCode::REQUEST_TIMEOUT {
        let (code, reason) = (status.code.as_u16(), status.message.clone());
        let request = journal::ApiRequest { code, reason, client: peer.address.to_string(), ..Default::default() };
        shared.journal.note(&user, JournalEvent::Refused(request)).await;
    }
    refuse(tls, &status).await;
}

fn of_head(error: &HeadError) -> Status {
    match error {
        HeadError::TooLong | HeadError::TooMany => {
            Status::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, error.to_string())
        }
        HeadError::Ended | HeadError::Io(_) => Status::new(StatusCode::REQUEST_TIMEOUT, "no request came"),
        HeadError::Malformed(_) => Status::bad_request(error.to_string()),
    }
}

/// The hand-read way: one upgrade request, one answer, one session or none.
async fn upgrade(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    mut tls: TlsStream<TcpStream>,
    first: RequestHead,
    mut buffer: BytesMut,
) {
    buffer.advance(first.length);
    let (path, query) = first.target.split_once('?').unwrap_or((&first.target, ""));
    let mut head =
        Head { method: first.method, path: path.to_owned(), query: query.to_owned(), headers: first.headers };
    let admitted = match admit::admit(&shared, &peer, &mut head) {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(tls, &refusal.noted(&shared).await).await,
    };
    if let Some(status) = unfit(first.modern, &admitted, &head) {
        let refusal = admitted.refused(&peer, &head, status);
        return refuse(tls, &refusal.noted(&shared).await).await;
    }
    match upgrade::establish(&shared, &peer, admitted, head).await {
        Ok(session) => {
            let mut out = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
            headers::write(&mut out, &session.headers);
            out.extend_from_slice(b"\r\n");
            // If the client is gone already, the session sees it and ends.
            let _ = crate::splice::write(&mut tls, &out).await;
            session::start(&shared, tls, buffer.freeze(), session);
        }
        Err(Refused::Status(status)) => refuse(tls, &status).await,
        Err(Refused::Answer(answer)) => say(tls, answer.status, answer.headers, &answer.body).await,
    }
}

/// Why a request that was let in does not go the hand-read way.
fn unfit(modern: bool, admitted: &Authorized, head: &Head) -> Option<Status> {
    if !modern || head.headers.get_all(header::HOST).iter().nth(1).is_some() {
        return Some(Status::bad_request("an upgrade is an HTTP/1.1 request with one Host"));
    }
    let too_long = || Status::new(StatusCode::URI_TOO_LONG, "the URL is too long to be forwarded");
    admitted.session.is_none().then(too_long)
}

async fn refuse(stream: impl AsyncRead + AsyncWrite + Unpin, status: &Status) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = status.json();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    say(stream, status.code, headers, &body).await;
}

/// Writes an answer and closes: kubectl dials anew for its next attempt anyway.
async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: StatusCode, mut headers: HeaderMap, body: &[u8]) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
    headers::write(&mut out, &headers);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    if crate::splice::write(&mut stream, &out).await.is_ok() && stream.shutdown().await.is_ok() {
        crate::splice::drain(&mut stream, FAREWELL).await;
    }
}

/// The way through hyper: HTTP/1.1 with keep-alive, or h2.
async fn http<S>(shared: Arc<Shared>, peer: Arc<Peer>, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.limits.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .max_concurrent_streams(250);
    let stopping = shared.stopping.clone();
    let known = Arc::new(AtomicBool::new(false));
    let strange = strange(shared.limits.head, Arc::clone(&known));
    let service =
        service_fn(move |request| handle(Arc::clone(&shared), Arc::clone(&peer), Arc::clone(&known), request));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { tokio::select! { () = stopping.cancelled() => {}, () = strange => {} } } => {
            connection.as_mut().graceful_shutdown();
            timeout(REQUESTS_END, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "connection ended");
    }
}

/// Resolves where nobody with a credential has asked for anything in time. hyper lets an h2 connection without
/// requests be: strangers could hold all there may be.
async fn strange(patience: Duration, known: Arc<AtomicBool>) {
    tokio::time::sleep(patience).await;
    if known.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

async fn handle(
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    known: Arc<AtomicBool>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if let Some(answer) = health(&shared, request.uri().path()) {
        return Ok(answer.map(Either::Left));
    }
    let upgraded = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let mut head = Head {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
    };
    let admitted = match admit::admit(&shared, &peer, &mut head) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal.noted(&shared).await.response().map(Either::Left)),
    };
    known.store(true, Ordering::Relaxed);
    let Some(upgraded) = upgraded.filter(|_| admitted.session.is_some()) else {
        return Ok(plain::forward(&shared, &peer, admitted, head, body).await);
    };
    // A task of its own: hyper drops a request's future when its client goes, and a recording must be finished. What
    // was established there starts there too.
    let task = Arc::clone(&shared);
    let established = shared.tasks.spawn(async move {
        let mut session = upgrade::establish(&task, &peer, admitted, head).await?;
        let headers = std::mem::take(&mut session.headers);
        session::start_later(&task, upgraded, session);
        Ok(headers)
    });
    let mut answer = Response::new(Either::Left(Full::default()));
    match established.await {
        Ok(Ok(headers)) => {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *answer.headers_mut() = headers;
        }
        Ok(Err(Refused::Status(status))) => answer = status.response().map(Either::Left),
        Ok(Err(Refused::Answer(upstream))) => {
            *answer.status_mut() = upstream.status;
            *answer.headers_mut() = upstream.headers;
            *answer.body_mut() = Either::Left(Full::new(upstream.body));
        }
        Err(_) => {
            let status = Status::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed");
            answer = status.response().map(Either::Left);
        }
    }
    Ok(answer)
}

/// For load balancers and kubelets: no credential, nothing told.
fn health(shared: &Shared, path: &str) -> Option<Response<Full<Bytes>>> {
    let ready = match path {
        "/healthz" | "/livez" => true,
        "/readyz" => !shared.stopping.is_cancelled(),
        _ => return None,
    };
    let mut answer = Response::new(Full::from(if ready { "ok" } else { "stopping" }));
    if !ready {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Some(answer)
}

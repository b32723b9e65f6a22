//! One connection of a client: TLS, then the first request's head, then one of two ways.
//!
//! An upgrade is always the first request on its connection (kubectl and every known library dial anew), so it
//! is read by hand: its URL may be longer than hyper takes, and its bytes belong to another protocol after it.
//! Everything else goes to hyper, with the bytes that were read. An upgrade that comes later is taken from hyper.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use listener::{Place, proxy_header};
use recording::journal::ApiRequest;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use super::{
    prefixed::Prefixed,
    unauthenticated::{FirstHead, MAX_UNAUTHENTICATED},
};
use crate::{
    auth::{
        authenticate::{self, Peer},
        authorize::{Permitted, Received},
        refusals::{Refusal, Step},
    },
    listener::context::Context,
    request::{
        head::{self, HeadError, RequestHead},
        headers,
        parts::RequestParts,
        status::Status,
    },
    session::{
        run,
        upgrade::{self, Refused},
    },
    transport::{self, drain, write},
};

/// Longest URL that hyper takes.
const MAX_URI: usize = 65_534;
/// After a refusal on a connection of its own: how long the client has to read it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a connection to its end, or until its place is wanted for another. A session outlives it as a task of its own.
pub(crate) async fn serve(context: Arc<Context>, tcp: TcpStream, address: SocketAddr, place: Place) {
    let place = Arc::new(place);
    tokio::select! {
        biased;
        () = place.evicted() => tracing::debug!(%address, "closed: another needs its place, and it showed no credential"),
        () = accepted(context, tcp, address, &place) => {}
    }
}

async fn accepted(context: Arc<Context>, mut tcp: TcpStream, peer: SocketAddr, place: &Arc<Place>) {
    if transport::prepare(&tcp).is_err() {
        return;
    }
    let Some(address) = client(&context, &mut tcp, peer, place).await else { return };
    let mut tls = match timeout(context.limits.head, context.acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return tracing::debug!(%address, %error, "TLS handshake failed"),
        Err(_) => return,
    };
    let chain = tls.get_ref().1.peer_certificates();
    let peer = Arc::new(Peer::new(&context.authenticator, address, chain, SystemTime::now()));
    let holder = peer.name(SystemTime::now());
    if !holder.is_empty() {
        // One that has too many connections is told so by the first request.
        let _ = place.let_in(Some(holder));
    }
    let is_h2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let mut buffer = BytesMut::new();
    let first = if is_h2 {
        Ok(None)
    } else {
        timeout(context.limits.head, first_head(&mut tls, &mut buffer, place)).await.unwrap_or(Err(HeadError::Ended))
    };
    let first = match first {
        Ok(Some(head)) if needs_raw_path(&head) => {
            return Box::pin(raw(context, peer, tls, head, buffer, place)).await;
        }
        Ok(first) => first,
        Err(error) => return unreadable(&context, &peer, tls, &error).await,
    };
    let speaks_h2 = first.is_none();
    match admit_first(&context, &peer, first.as_ref(), place).await {
        Ok(()) => {}
        Err(_) if is_h2 => return tracing::debug!(%address, "closed: no room for heads without a credential"),
        Err(error) => return unreadable(&context, &peer, tls, &error).await,
    }
    let stream = Prefixed::new(buffer.freeze(), tls);
    Box::pin(super::http::serve(context, peer, stream, Arc::clone(place), speaks_h2)).await;
}

/// The address that the person comes from: what a trusted proxy says, and nobody else. `None` if a trusted proxy says it in no
/// form that can be read: its connection is then of no use.
async fn client(context: &Context, tcp: &mut TcpStream, peer: SocketAddr, place: &Place) -> Option<SocketAddr> {
    if !context.trusted_proxies.contains(peer.ip()) {
        return Some(peer);
    }
    match timeout(context.limits.head, proxy_header::read(tcp)).await {
        Ok(Ok(Some(address))) => {
            place.comes_from(address.ip());
            Some(address)
        }
        // The proxy's own, such as a health check.
        Ok(Ok(None)) => Some(peer),
        Ok(Err(error)) => {
            tracing::warn!(proxy = %peer, %error, "closed: a trusted proxy (gateway.trusted_proxies) does not say whose it is");
            None
        }
        Err(_) => None,
    }
}

/// Reads the first head; `None` if the client speaks h2 without having said so in the handshake.
async fn first_head(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    place: &Place,
) -> Result<Option<RequestHead>, HeadError> {
    let mut first = FirstHead::default();
    head::fill(stream, buffer, |head| first.may_grow(head, place)).await?;
    place.release();
    if buffer.starts_with(b"PRI * HTTP/2.0\r\n") { Ok(None) } else { head::request(buffer).map(Some) }
}

/// Lets the sender of the first head in, if it has a good credential. If not, room is reserved for the heads of h2, which nobody
/// reads along.
async fn admit_first(
    context: &Context,
    peer: &Peer,
    first: Option<&RequestHead>,
    place: &Place,
) -> Result<(), HeadError> {
    if place.is_let_in() {
        return Ok(());
    }
    let Some(first) = first else { return place.reserve(MAX_UNAUTHENTICATED).map_err(|_| HeadError::NoRoom) };
    let bearer = first.headers.get(header::AUTHORIZATION).and_then(authenticate::bearer);
    let known = context.authenticator.request(peer.certificate.as_ref(), bearer.as_deref(), SystemTime::now()).await;
    if let Ok(person) = known {
        let _ = place.let_in(Some(&person.name));
    }
    Ok(())
}

/// Whether hyper is not to read a request: upgrades, URLs that it has no room for, and bodies whose end it reads more
/// leniently than is safe. The last two are refused, in the same steps as all requests, so that the journal has them.
fn needs_raw_path(head: &RequestHead) -> bool {
    head.headers.contains_key(header::UPGRADE)
        || head.target.len() > MAX_URI
        || head::unambiguous_length(&head.headers).is_err()
}

/// Refuses what is no request. It is journalled if a certificate says who sent it.
async fn unreadable(context: &Context, peer: &Peer, tls: TlsStream<TcpStream>, error: &HeadError) {
    let status = match error {
        HeadError::TooLong(_) | HeadError::TooMany => {
            Status::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, error.to_string())
        }
        HeadError::NoRoom => Status::unavailable(error.to_string()),
        HeadError::Ended | HeadError::Io(_) => Status::new(StatusCode::REQUEST_TIMEOUT, "no request came"),
        HeadError::Malformed(_) => Status::bad_request(error.to_string()),
    };
    let user = peer.name(SystemTime::now()).to_owned();
    if !user.is_empty() && status.code != StatusCode::REQUEST_TIMEOUT {
        let request = ApiRequest { client: peer.address.to_string(), ..Default::default() };
        context.refusals.note(Refusal::new(Step::Classification, user, request, status.clone())).await;
    }
    refuse(tls, &status).await;
}

/// The way of a request that was read by hand: one upgrade, one answer, one session or none.
async fn raw(
    context: Arc<Context>,
    peer: Arc<Peer>,
    mut tls: TlsStream<TcpStream>,
    first: RequestHead,
    mut buffer: BytesMut,
    place: &Arc<Place>,
) {
    buffer.advance(first.length);
    let is_http11 = first.is_http11;
    let parts = RequestParts::new(first.method, &first.target, first.headers);
    let permitted = match context.authorize(Received { peer, parts }, place).await {
        Ok(permitted) => permitted,
        Err(refusal) => return refuse(tls, &context.refusals.note(refusal).await).await,
    };
    if let Some(status) = reject_upgrade(is_http11, &permitted) {
        return refuse(tls, &context.refusals.note(permitted.refuse(status)).await).await;
    }
    match upgrade::establish(&context.sessions, permitted).await {
        Ok(session) => {
            let mut out = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
            headers::write(&mut out, &session.headers);
            out.extend_from_slice(b"\r\n");
            // If the client is gone already, the session notices it and ends.
            let _ = write(&mut tls, &out).await;
            run::start(&context.sessions, tls, buffer.freeze(), session, Arc::clone(place));
        }
        Err(Refused::Status(status)) => refuse(tls, &status).await,
        Err(Refused::Answer(answer)) => write_response(tls, answer.status, answer.headers, &answer.body).await,
    }
}

/// Why a request that policy permits cannot be served on the way of upgrades.
fn reject_upgrade(is_http11: bool, permitted: &Permitted) -> Option<Status> {
    if !is_http11 || !permitted.parts.names_one_host() {
        return Some(Status::bad_request("an upgrade is an HTTP/1.1 request with one Host"));
    }
    let too_long = || Status::new(StatusCode::URI_TOO_LONG, "the URL is too long to be forwarded");
    permitted.session.is_none().then(too_long)
}

async fn refuse(stream: impl AsyncRead + AsyncWrite + Unpin, status: &Status) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = status.json();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    write_response(stream, status.code, headers, &body).await;
}

/// Writes an answer and closes: kubectl dials anew for its next attempt anyway.
async fn write_response(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    status: StatusCode,
    mut headers: HeaderMap,
    body: &[u8],
) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let mut out = format!("HTTP/1.1 {status}\r\n").into_bytes();
    headers::write(&mut out, &headers);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    if write(&mut stream, &out).await.is_ok() && stream.shutdown().await.is_ok() {
        drain(&mut stream, CLOSE_TIMEOUT).await;
    }
}

//! The way through hyper: HTTP/1.1 with keep-alive, or h2.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, service::service_fn, upgrade::OnUpgrade};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use listener::{Heads, OneLength, Place};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    unauthenticated::MAX_UNAUTHENTICATED,
    under_way::{Counted, UnderWay},
};
use crate::{
    auth::{
        authenticate::Peer,
        authorize::{Permitted, Received},
    },
    listener::context::Context,
    proxy::forward,
    request::{
        head::{MAX_HEAD, MAX_HEADERS, set_ambiguous_length, unambiguous_length},
        status::Status,
    },
    session::{
        registry::Termination,
        run,
        stream::{self, StreamBody},
        upgrade::{self, Refused},
    },
};

/// At shutdown: how long watches and other running requests are left alone.
const REQUESTS_END: Duration = Duration::from_secs(2);

type Body = Either<Full<Bytes>, StreamBody<forward::Body>>;

/// A connection that hyper reads.
struct Connection {
    context: Arc<Context>,
    peer: Arc<Peer>,
    place: Arc<Place>,
    heads: Arc<Heads>,
    under_way: UnderWay,
}

/// Serves a connection to its end.
pub(super) async fn serve<S>(context: Arc<Context>, peer: Arc<Peer>, stream: S, place: Arc<Place>, speaks_h2: bool)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let max_head = if place.is_let_in() { MAX_HEAD } else { MAX_UNAUTHENTICATED };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(context.limits.head)
        .max_headers(MAX_HEADERS)
        .max_buf_size(max_head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
        .max_concurrent_streams(250);
    let stream = match speaks_h2 {
        true => OneLength::h2(stream),
        false => OneLength::new(stream, max_head, Some(Arc::clone(&place))),
    };
    let (stopping, limits) = (context.sessions.stopping.clone(), context.limits);
    let connection = Connection { context, peer, place, heads: stream.heads(), under_way: UnderWay::default() };
    let connection = Arc::new(connection);
    let deadline = auth_deadline(limits.head, Arc::clone(&connection.place));
    let under_way = connection.under_way.clone();
    let service = service_fn(move |request| {
        let connection = Arc::clone(&connection);
        async move { Ok::<_, Infallible>(connection.handle(request).await) }
    });
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = async { tokio::select! {
            () = stopping.cancelled() => {}
            () = deadline => {}
            // hyper bounds the time between two requests of HTTP/1.1 itself, by `header_read_timeout`.
            () = under_way.idle(limits.idle), if speaks_h2 => {}
        } } => {
            served.as_mut().graceful_shutdown();
            timeout(REQUESTS_END, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &*error, "connection ended");
    }
}

/// Resolves if no credential is seen in time. hyper keeps an h2 connection without requests: people without a credential
/// could hold all connections that there may be.
async fn auth_deadline(limit: Duration, place: Arc<Place>) {
    tokio::time::sleep(limit).await;
    if place.is_let_in() {
        std::future::pending().await
    }
}

impl Connection {
    async fn handle(&self, mut request: Request<Incoming>) -> Response<Counted<Body>> {
        let under_way = self.under_way.begin();
        let head = self.heads.next();
        if head.is_ambiguous {
            set_ambiguous_length(request.headers_mut());
        }
        let mut answer = self.answer(request).await;
        let stays = !head.asks_to_switch || answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if head.is_ambiguous || !stays {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| Counted::new(body, under_way))
    }

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let context = &self.context;
        if let Some(answer) = health(context, &request) {
            return answer.map(Either::Left);
        }
        let upgraded = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let received = Received { peer: Arc::clone(&self.peer), parts: parts.into() };
        let permitted = match context.authorize(received, &self.place).await {
            Ok(permitted) => permitted,
            Err(refusal) => return local(&context.refusals.note(refusal).await),
        };
        match upgraded.filter(|_| permitted.session.is_some()) {
            Some(upgraded) => establish(context, permitted, upgraded, Arc::clone(&self.place)).await,
            None => forward(context, permitted, body).await,
        }
    }
}

/// Forwards a request. One whose answer stays open is listed, and ended when its permit is.
async fn forward(context: &Context, permitted: Permitted, body: Incoming) -> Response<Body> {
    if !permitted.stays_open {
        let answer = context.forwarder.forward(permitted, body).await;
        return answer.map(|body| Either::Right(StreamBody::unregistered(body)));
    }
    let entry = permitted.journalled(StatusCode::FORBIDDEN.as_u16());
    let registration = context.sessions.registry.enter_stream(Arc::clone(&permitted.permit), entry);
    match stream::registered(registration, context.forwarder.forward(permitted, body)).await {
        Ok(answer) => answer.map(Either::Right),
        Err(Termination { message, .. }) => local(&Status::forbidden(message)),
    }
}

/// Establishes a session, in a task of its own: hyper drops a request's future when its client goes, and a recording must
/// be finished. What was established there starts there too.
async fn establish(context: &Context, permitted: Permitted, upgraded: OnUpgrade, place: Arc<Place>) -> Response<Body> {
    let sessions = Arc::clone(&context.sessions);
    let established = context.sessions.tasks.spawn(async move {
        let mut session = upgrade::establish(&sessions, permitted).await?;
        let headers = std::mem::take(&mut session.headers);
        run::start_later(&sessions, upgraded, session, place);
        Ok(headers)
    });
    let mut answer = Response::new(Either::Left(Full::default()));
    match established.await {
        Ok(Ok(headers)) => {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            *answer.headers_mut() = headers;
        }
        Ok(Err(Refused::Status(status))) => answer = local(&status),
        Ok(Err(Refused::Answer(upstream))) => {
            *answer.status_mut() = upstream.status;
            *answer.headers_mut() = upstream.headers;
            *answer.body_mut() = Either::Left(Full::new(upstream.body));
        }
        Err(_) => answer = local(&Status::new(StatusCode::INTERNAL_SERVER_ERROR, "the gateway failed")),
    }
    answer
}

/// The gateway's own answer.
fn local(status: &Status) -> Response<Body> {
    status.response().map(Either::Left)
}

/// Answers load balancers and kubelets, without a credential and without telling anything.
fn health(context: &Context, request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    let ready = match request.uri().path() {
        "/healthz" | "/livez" => true,
        "/readyz" => !context.sessions.stopping.is_cancelled(),
        _ => return None,
    };
    if let Err(error) = unambiguous_length(request.headers()) {
        return Some(Status::bad_request(error.to_string()).response());
    }
    let mut answer = Response::new(Full::from(if ready { "ok" } else { "stopping" }));
    if !ready {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Some(answer)
}

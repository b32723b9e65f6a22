use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_TYPE},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use listener::{HeadBudget, Heads, OneLength, PersonFull, Place, PlaceLimits, Places, TrustedProxies, proxy_header};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{read_in_time::ReadInTime, tls::Tls};

/// Connections at a time; of one address without a login, and of one person. A browser opens six.
const PLACES: PlaceLimits = PlaceLimits { total: 1024, per_address: 256, per_person: 128 };

/// Connections for numbers at a time: a monitoring system has one or two.
const PLACES_FOR_METRICS: PlaceLimits = PlaceLimits { total: 64, per_address: 64, per_person: 64 };

/// Largest head of a request.
const MAX_HEAD: usize = 64 * 1024;

/// How long somebody may take nothing of an answer.
const UNREAD: Duration = Duration::from_secs(60);

/// For a TLS handshake, and for a request's head (which bounds idle connections too).
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// How long requests that run at the shutdown have to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after an accept that failed (out of descriptors), before the next.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The numbers of the moment, in OpenMetrics' text format.
pub type Exposition = Arc<dyn Fn() -> String + Send + Sync>;

/// Serves `/metrics` over plain HTTP until `shutdown`, to anybody who reaches the address: no person, pod or command is
/// in it.
///
/// # Cancel safety
/// Dropping the future closes the listener; connections that were accepted go on without an end of their own.
pub async fn serve_metrics(listener: TcpListener, exposition: Exposition, shutdown: CancellationToken) {
    let answer = move || {
        let text = exposition();
        async move { ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response() }
    };
    let arrivals = Arrivals {
        places: Places::new(PLACES_FOR_METRICS, HeadBudget::default()),
        address: Arc::new(Some),
        proxy_protocol: TrustedProxies::default(),
    };
    serve(Router::new().route("/metrics", get(answer)), listener, None, arrivals, shutdown).await;
}

/// How connections are told apart and counted.
pub(crate) struct Arrivals {
    places: Arc<Places>,
    /// The address that a connection counts for; `None` if it carries the requests of many.
    address: Arc<dyn Fn(IpAddr) -> Option<IpAddr> + Send + Sync>,
    /// Whose connections begin with a PROXY header.
    proxy_protocol: TrustedProxies,
}

impl Arrivals {
    /// Arrivals at the pages.
    pub(crate) fn at_pages(
        heads: HeadBudget,
        proxy_protocol: TrustedProxies,
        address: impl Fn(IpAddr) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        Self { places: Places::new(PLACES, heads), address: Arc::new(address), proxy_protocol }
    }
}

/// The connection that a request came on. Requests have it as an extension.
#[derive(Clone)]
pub(crate) struct ItsConnection {
    place: Arc<Place>,
    /// It is a proxy's, and carries the requests of many.
    is_shared: bool,
}

impl ItsConnection {
    /// Somebody who is logged in came on it: it is theirs from now on, unless it is a proxy's.
    pub(crate) fn let_in(&self, user: &str) -> Result<(), PersonFull> {
        self.place.let_in((!self.is_shared).then_some(user))
    }
}

/// Serves `router` until `shutdown`, over TLS if `tls` is given. Requests find the other side's [`SocketAddr`] and
/// [`ItsConnection`] as extensions.
pub(crate) async fn serve(
    router: Router,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    arrivals: Arrivals,
    shutdown: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    let arrivals = Arc::new(arrivals);
    loop {
        let accepted = async {
            arrivals.places.room().await;
            listener.accept().await
        };
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            },
        };
        let says_address = arrivals.proxy_protocol.contains(peer.ip());
        let known = if says_address { None } else { (arrivals.address)(peer.ip()) };
        // At once, so that the next one finds it counted; the room may have been taken by people meanwhile.
        let place = arrivals.places.admit(known);
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        let arrivals = Arc::clone(&arrivals);
        tokio::spawn(async move {
            let place = match place {
                Some(place) => place,
                None => arrivals.places.admitted(known).await,
            };
            let place = Arc::new(place);
            let served = async {
                let mut stream = stream;
                let Some(peer) = client(&mut stream, peer, says_address).await else { return };
                let address = (arrivals.address)(peer.ip());
                if let Some(address) = address {
                    place.comes_from(address);
                }
                let connection = ItsConnection { place: Arc::clone(&place), is_shared: address.is_none() };
                serve_connection(router, stream, peer, connection, tls, watcher).await;
            };
            tokio::select! {
                biased;
                () = place.evicted() => tracing::debug!(%peer, "closed: another needs its place, and nobody logged in on it"),
                () = served => {}
            }
        });
    }
    drop(listener);
    if timeout(CLOSE_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests had not ended at shutdown");
    }
}

/// Whose connection it is: the other side's, or of whom a balancer that it is says so. `None` if it is of no use.
async fn client(stream: &mut TcpStream, peer: SocketAddr, says_address: bool) -> Option<SocketAddr> {
    if !says_address {
        return Some(peer);
    }
    match timeout(HEAD_TIMEOUT, proxy_header::read(stream)).await {
        Ok(Ok(address)) => Some(address.unwrap_or(peer)),
        Ok(Err(error)) => {
            tracing::warn!(proxy = %peer, %error, "closed: a trusted proxy (web.proxy_protocol) does not say whose it is");
            None
        }
        Err(_) => None,
    }
}

async fn serve_connection(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    connection: ItsConnection,
    tls: Option<Arc<Tls>>,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    let stream = ReadInTime::new(stream, UNREAD);
    let place = Arc::clone(&connection.place);
    let router = router.layer(Extension(peer)).layer(Extension(connection));
    let Some(tls) = tls else { return serve_requests(router, stream, place, watcher).await };
    match timeout(HEAD_TIMEOUT, tls.acceptor().await.accept(stream)).await {
        Ok(Ok(stream)) => serve_requests(router, stream, place, watcher).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

/// HTTP/1.1 only: h2 would let one connection have many requests under way, and nothing here needs it.
async fn serve_requests<S>(router: Router, stream: S, place: Arc<Place>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = OneLength::new(stream, MAX_HEAD, Some(place));
    let router = router.layer(from_fn_with_state(stream.heads(), one_length));
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(error, "a connection ended early");
    }
}

/// Refuses a request whose end two servers would see in two places, and lets no connection go on behind one.
async fn one_length(State(heads): State<Arc<Heads>>, request: Request, next: Next) -> Response {
    let head = heads.next();
    let close = [(CONNECTION, HeaderValue::from_static("close"))];
    if head.is_ambiguous {
        let why = "Where the body of this request ends can be read in two ways, so it was refused.\n";
        return (StatusCode::BAD_REQUEST, close, why).into_response();
    }
    let response = next.run(request).await;
    if head.asks_to_switch { (close, response).into_response() } else { response }
}

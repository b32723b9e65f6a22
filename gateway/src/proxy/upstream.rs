//! An API server: dialled for each upgrade, through a pool of connections for everything else.
//!
//! Both speak HTTP/1.1. One h2 connection would carry all people's requests to a cluster: an API server allows
//! 100 to 250 streams on it, which watches hold for hours, and one person who reads slowly would fill the
//! connection's window for all.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri, header};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use thiserror::Error;
use tokio::{io::AsyncWrite, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    auth::impersonate,
    listener::socket,
    listener::tls::{self, TlsError},
    proxy::clusters::{ClusterSettings, Credential, Server},
};

/// Idle connections kept for a cluster, and for how long: API servers close theirs after 180 s at the earliest.
const IDLE_CONNECTIONS: usize = 32;
const IDLE: Duration = Duration::from_secs(90);
/// A token file is read again when what was read is this old; service account tokens rotate hourly.
const TOKEN_AGE: Duration = Duration::from_secs(60);

/// Why an API server cannot be reached. For the person; the cluster's name is added by who knows it.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    #[error("cannot connect to its API server: {0}")]
    Connect(io::Error),
    #[error("the TLS handshake with its API server failed: {0}")]
    Tls(io::Error),
    #[error("its API server did not answer the connection within {0:?}")]
    Slow(Duration),
    #[error("the gateway's own token for it cannot be read")]
    Token(#[source] io::Error),
}

/// The body of a request: a client's, or none.
type Sent = Either<Incoming, Empty<Bytes>>;

/// A cluster that is being served.
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) host: HeaderValue,
    pub(crate) prefix: String,
    dialer: Dialer,
    client: Client<Dialer, Sent>,
    credential: Bearer,
    /// The gateway's name, for [`impersonate::GATEWAY`].
    gateway: HeaderValue,
}

enum Bearer {
    None,
    Fixed(HeaderValue),
    File { path: PathBuf, read: Mutex<Option<(Instant, HeaderValue)>> },
}

impl Cluster {
    pub(crate) fn new(settings: ClusterSettings, gateway: &str, connect: Duration) -> Result<Self, TlsError> {
        let unusable = |why: &str| TlsError::Pem { what: format!("cluster {}", settings.name), why: why.to_owned() };
        let connector = TlsConnector::from(Arc::new(tls::client(&settings)?));
        let Server { host, port, prefix, .. } = &settings.server;
        let bracketed = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let host = HeaderValue::from_str(&bracketed).map_err(|_| unusable("its host cannot stand in a header"))?;
        let prefix = prefix.clone();
        let gateway =
            HeaderValue::from_str(gateway).map_err(|_| unusable("the gateway's name cannot stand in a header"))?;
        let credential = match &settings.credential {
            Credential::Token(token) => {
                Bearer::Fixed(bearer(token).ok_or_else(|| unusable("its token cannot stand in a header"))?)
            }
            Credential::TokenFile(path) => Bearer::File { path: path.clone(), read: Mutex::new(None) },
            Credential::Certificate { .. } | Credential::None => Bearer::None,
        };
        let dialer = Dialer { server: Arc::new(settings.server), connector, patience: connect };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_timer(TokioTimer::new())
            .http1_max_headers(crate::request::head::MAX_HEADERS)
            .http1_max_buf_size(crate::request::head::MAX_HEAD)
            .build(dialer.clone());
        Ok(Self { name: settings.name, host, prefix, dialer, client, credential, gateway })
    }

    /// Sets the gateway's own credential, and its name.
    pub(crate) fn authorize(&self, headers: &mut HeaderMap) -> Result<(), DialError> {
        headers.insert(impersonate::GATEWAY, self.gateway.clone());
        let value = match &self.credential {
            Bearer::None => return Ok(()),
            Bearer::Fixed(value) => value.clone(),
            Bearer::File { path, read } => {
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                match &*read {
                    Some((at, value)) if at.elapsed() < TOKEN_AGE => value.clone(),
                    _ => {
                        let value = from_file(path).map_err(DialError::Token)?;
                        *read = Some((Instant::now(), value.clone()));
                        value
                    }
                }
            }
        };
        headers.insert(header::AUTHORIZATION, value);
        Ok(())
    }

    /// The URI of a canonical path on this cluster; none where it is too long for one.
    pub(crate) fn uri(&self, path: &str, query: &str) -> Option<Uri> {
        let host = self.host.to_str().ok()?;
        let mark = if query.is_empty() { "" } else { "?" };
        format!("https://{host}{}{path}{mark}{query}", self.prefix).parse().ok()
    }

    pub(crate) async fn request(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        self.client.request(request.map(Either::Left)).await
    }

    /// A GET of the gateway's own; none where the path is too long for one.
    pub(crate) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
    ) -> Option<Result<Response<Incoming>, hyper_util::client::legacy::Error>> {
        let mut request = Request::new(Either::Right(Empty::new()));
        *request.uri_mut() = self.uri(path, "")?;
        *request.headers_mut() = headers;
        Some(self.client.request(request).await)
    }

    /// A connection of its own.
    pub(crate) async fn dial(&self) -> Result<TlsStream<TcpStream>, DialError> {
        self.dialer.dial().await
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn from_file(path: &std::path::Path) -> io::Result<HeaderValue> {
    let token = std::fs::read_to_string(path)?;
    bearer(&token).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a token"))
}

#[derive(Clone)]
struct Dialer {
    server: Arc<Server>,
    connector: TlsConnector,
    patience: Duration,
}

impl Dialer {
    async fn dial(&self) -> Result<TlsStream<TcpStream>, DialError> {
        let dial = async {
            let address = (self.server.host.as_str(), self.server.port);
            let tcp = TcpStream::connect(address).await.map_err(DialError::Connect)?;
            socket::prepare(&tcp).map_err(DialError::Connect)?;
            self.connector.connect(self.server.tls_name.clone(), tcp).await.map_err(DialError::Tls)
        };
        tokio::time::timeout(self.patience, dial).await.unwrap_or(Err(DialError::Slow(self.patience)))
    }
}

impl tower::Service<Uri> for Dialer {
    type Response = Pooled;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Pooled, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    /// The URI says nothing that the dialer does not know: a pool serves one cluster.
    fn call(&mut self, _: Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial().await.map(|stream| Pooled(TokioIo::new(stream))) })
    }
}

/// A connection as hyper's pool wants it.
struct Pooled(TokioIo<TlsStream<TcpStream>>);

impl Connection for Pooled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Pooled {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl hyper::rt::Write for Pooled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.inner().is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }
}

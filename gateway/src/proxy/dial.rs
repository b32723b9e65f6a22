//! Connections to an API server.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use thiserror::Error;
use tokio::{io::AsyncWrite, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::clusters::Server;
use crate::transport;

/// Why an API server cannot be reached. For the person; the caller adds the cluster's name.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    #[error("cannot connect to its API server")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake with its API server failed")]
    Tls(#[source] io::Error),
    #[error("its API server did not answer the connection within {0:?}")]
    Slow(Duration),
    #[error("the gateway's own token for it cannot be read")]
    Token(#[source] io::Error),
}

/// Dials one API server, with the trust and the client certificate of its [`TlsConnector`].
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) server: Arc<Server>,
    pub(super) connector: TlsConnector,
    pub(super) timeout: Duration,
}

impl Dialer {
    /// Connects, TLS included.
    pub(super) async fn dial(&self) -> Result<TlsStream<TcpStream>, DialError> {
        let dial = async {
            let address = (self.server.host.as_str(), self.server.port);
            let tcp = TcpStream::connect(address).await.map_err(DialError::Connect)?;
            transport::prepare(&tcp).map_err(DialError::Connect)?;
            self.connector.connect(self.server.tls_name.clone(), tcp).await.map_err(DialError::Tls)
        };
        timeout(self.timeout, dial).await.unwrap_or(Err(DialError::Slow(self.timeout)))
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
pub(super) struct Pooled(TokioIo<TlsStream<TcpStream>>);

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

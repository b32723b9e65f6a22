use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Extension, Router, response::IntoResponse, routing::get};
use http::header::CONTENT_TYPE;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::tls::Tls;

/// Connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;

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
    serve(Router::new().route("/metrics", get(answer)), listener, None, shutdown).await;
}

/// Serves `router` until `shutdown`, over TLS if `tls` is given. Requests find the peer's [`SocketAddr`] as an extension.
pub(crate) async fn serve(router: Router, listener: TcpListener, tls: Option<Arc<Tls>>, shutdown: CancellationToken) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            },
        };
        let (router, tls, watcher) = (router.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            serve_connection(router, stream, peer, tls, watcher).await;
        });
    }
    drop(listener);
    if timeout(CLOSE_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests had not ended at shutdown");
    }
}

async fn serve_connection(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    watcher: Watcher,
) {
    let _ = stream.set_nodelay(true);
    let router = router.layer(Extension(peer));
    let Some(tls) = tls else { return serve_requests(router, stream, watcher).await };
    match timeout(HEAD_TIMEOUT, tls.acceptor().await.accept(stream)).await {
        Ok(Ok(stream)) => serve_requests(router, stream, watcher).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn serve_requests<S>(router: Router, stream: S, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(64)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(HEAD_TIMEOUT)
        .keep_alive_timeout(HEAD_TIMEOUT);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).into_owned();
    if let Err(error) = watcher.watch(served).await {
        tracing::debug!(error, "a connection ended early");
    }
}

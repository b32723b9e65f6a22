//! What both ends of the gateway have in common: TCP as sessions need it, the TLS provider, writes that leave at once.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use identity::AuthorityError;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// Kubetape's own CA could not make a certificate.
    #[error("cannot make the gateway's certificate")]
    Authority(#[from] AuthorityError),
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// What was read is not what it should be.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// The file or the setting.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// rustls refuses the combination.
    #[error("TLS cannot be configured")]
    Config(#[from] rustls::Error),
}

/// The crypto provider, which is always named: the process needs no default one.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Makes small writes leave at once, and has a peer that vanished silently noticed after about two minutes.
pub(crate) fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// Writes and flushes: a keystroke's echo must not wait in TLS's buffer.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Reads and discards until the stream ends or `limit` has passed: closing a socket with unread bytes resets it, and a
/// reset can overtake what was sent last.
pub(crate) async fn drain(from: &mut (impl AsyncRead + Unpin), limit: Duration) {
    let mut bytes = [0; 512];
    let _ = timeout(limit, async { while matches!(from.read(&mut bytes).await, Ok(1..)) {} }).await;
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn small_writes_leave_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&tcp).unwrap();
        assert!(tcp.nodelay().unwrap() && SockRef::from(&tcp).keepalive().unwrap());
    }
}

use std::io;
use std::net::SocketAddr;

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The cluster runs commands for anyone who holds its token, so it stays on this machine.
    #[error("the demo cluster listens on loopback only, not on {0}")]
    NotLoopback(SocketAddr),
    /// The address is taken or may not be used.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The folder cannot be written.
    #[error("cannot write the demo cluster's folder")]
    Folder(#[source] io::Error),
    /// A key or certificate could not be made.
    #[error("cannot make the demo cluster's certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused its settings.
    #[error("cannot set up TLS for the demo cluster")]
    Tls(#[from] rustls::Error),
}

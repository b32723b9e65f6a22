//! The clusters behind the gateway: where their API servers are, how they are trusted, what the gateway shows them.

mod kubeconfig;
mod static_cluster;

use std::{
    io,
    path::{Path, PathBuf},
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use thiserror::Error;

pub use kubeconfig::from_kubeconfig;
pub use static_cluster::{StaticCluster, explicit, in_cluster, is_namespace};

/// What is known of a cluster before it is served.
pub struct ClusterSettings {
    /// Its name in URLs (`/clusters/<name>`), policies and journals: `[A-Za-z0-9._-]`, not `.` or `..`.
    pub name: String,
    /// Where its API server is.
    pub server: Server,
    /// How the API server's certificate is checked.
    pub trust: Trust,
    /// What the gateway shows it.
    pub credential: Credential,
    /// Where trust and credential were read, so that they can be read again.
    pub source: Source,
    /// The namespace that the gateway itself runs in; `None` if it runs elsewhere. Through the gateway nobody changes or enters
    /// it. What it is at the start counts: it is not read again.
    pub own_namespace: Option<String>,
}

/// Where a cluster's settings were read.
#[derive(Clone, Debug)]
pub enum Source {
    /// Nowhere: they do not change.
    Fixed,
    /// A context of a kubeconfig.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context's name in the file.
        context: String,
    },
    /// The service account of the pod that the gateway runs in.
    InCluster,
    /// Kubetape's own configuration.
    Static(Box<StaticCluster>),
}

impl Source {
    /// Reads the settings again, with the files that they name; `None` if they do not change. `name` is what the cluster is
    /// called.
    ///
    /// # Errors
    /// [`ClusterError`] names the file and what is wrong with it.
    pub(crate) fn read(&self, name: &str) -> Result<Option<ClusterSettings>, ClusterError> {
        match self {
            Self::Fixed => Ok(None),
            Self::Kubeconfig { path, context } => {
                let found = from_kubeconfig(path, Some(std::slice::from_ref(context)))?;
                Ok(found.into_iter().next())
            }
            Self::InCluster => in_cluster(name).map(Some),
            Self::Static(settings) => explicit(settings).map(Some),
        }
    }
}

/// An API server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name or IP address to connect to; IPv6 without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// What stands before `/api`: empty, or `/prefix` without a slash at its end.
    pub prefix: String,
    /// The name its certificate must have.
    pub tls_name: ServerName<'static>,
}

/// How an API server's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// By these roots.
    Roots(Vec<CertificateDer<'static>>),
    /// By the operating system's roots.
    System,
    /// Not at all (`insecure-skip-tls-verify`): anybody in between can be the API server.
    Anything,
}

/// What the gateway shows an API server. Its `Debug` does not show secrets.
#[derive(PartialEq, Eq)]
pub enum Credential {
    /// A bearer token.
    Token(String),
    /// A file with a bearer token. It is read again every minute: service account tokens rotate.
    TokenFile(PathBuf),
    /// A client certificate.
    Certificate {
        /// The certificate chain.
        chain: Vec<CertificateDer<'static>>,
        /// Its private key.
        key: PrivateKeyDer<'static>,
    },
    /// The gateway shows nothing.
    None,
}

/// Why a cluster's settings cannot be used.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The kubeconfig is not one.
    #[error("{} is not a kubeconfig: {why}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Where and why. Never a secret: values are not quoted.
        why: String,
    },
    /// A cluster's settings contradict themselves or ask for what is not supported.
    #[error("cluster {name:?}: {why}")]
    Cluster {
        /// The cluster's name, or the context's.
        name: String,
        /// What to change.
        why: String,
    },
}

impl ClusterError {
    fn of(name: &str, why: impl Into<String>) -> Self {
        Self::Cluster { name: name.to_owned(), why: why.into() }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::TokenFile(_) => "TokenFile",
            Self::Certificate { .. } => "Certificate",
            Self::None => "None",
        })
    }
}

impl std::fmt::Debug for ClusterSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterSettings")
            .field("name", &self.name)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Whether a cluster can have this name: it must stand in a URL as it is.
pub(crate) fn legal_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && name.bytes().all(legal_byte)
}

/// The cluster's name that a context's name becomes: what cannot stand in a URL is replaced by `-`.
fn url_name(context: &str) -> String {
    context.bytes().map(|b| if legal_byte(b) { char::from(b) } else { '-' }).collect()
}

fn legal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// Takes an API server's URL apart.
fn server(cluster: &str, url: &str, tls_name: Option<&str>) -> Result<Server, ClusterError> {
    let wrong = |why: &str| ClusterError::of(cluster, format!("server {url:?}: {why}"));
    let uri: http::Uri = url.parse().map_err(|_| wrong("this is not a URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(wrong("only https:// is supported: the gateway's credential must not travel in clear"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
    if authority.as_str().contains('@') || uri.query().is_some() {
        return Err(wrong("it must not have a user or a query"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let tls_name = ServerName::try_from(tls_name.unwrap_or(&host).to_owned())
        .map_err(|_| wrong("its name cannot stand in a certificate"))?;
    Ok(Server {
        host,
        port: authority.port_u16().unwrap_or(443),
        prefix: uri.path().trim_end_matches('/').to_owned(),
        tls_name,
    })
}

fn certificates(cluster: &str, what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClusterError> {
    let wrong = || ClusterError::of(cluster, format!("{what} has no certificate in PEM"));
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| wrong())?;
    if found.is_empty() { Err(wrong()) } else { Ok(found) }
}

fn private_key(cluster: &str, what: &str, pem: &[u8]) -> Result<PrivateKeyDer<'static>, ClusterError> {
    PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| ClusterError::of(cluster, format!("{what} has no private key in PEM")))
}

fn read(path: &Path) -> Result<Vec<u8>, ClusterError> {
    std::fs::read(path).map_err(|source| ClusterError::File { path: path.to_owned(), source })
}

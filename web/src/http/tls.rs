use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// Why a certificate and its key cannot be served with.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate's file is not PEM.
    #[error("{} is not a PEM certificate chain", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The certificate's file is PEM of something else.
    #[error("{} has no certificate: it must have BEGIN CERTIFICATE in it", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key's file is not a PEM private key.
    #[error("{} is not a PEM private key", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not belong together, or rustls cannot use them.
    #[error("{} is not the key of {}", key.display(), certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// TLS with a certificate and key in PEM files, which are read again when they change.
///
/// The files are looked at before every handshake: two `stat`s, where the handshake signs. Certificates that live for
/// days are renewed under a process that lives for months.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// The files when they were last read, whether they could be used or not.
    stamps: Stamps,
}

/// Both files' inode, modification time (seconds, nanoseconds) and size; `None` for a file that cannot be looked at.
type Stamps = [Option<(u64, i64, i64, u64)>; 2];

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// [`TlsError`] names the file and says what is wrong with it.
    pub fn open(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        // Before reading: a change in between is read again, not missed.
        let stamps = stamps(&certificate, &key);
        let config = Arc::new(load(&certificate, &key)?);
        Ok(Self { certificate, key, loaded: RwLock::new(Loaded { config, stamps }) })
    }

    /// Accepts the next connection with the files as they are now. If they changed and cannot be used, the certificate
    /// read before stays in use and the log says so, once for each change: a renewal writes one file after the other.
    pub(crate) async fn acceptor(self: &Arc<Self>) -> TlsAcceptor {
        let tls = Arc::clone(self);
        let config = tokio::task::spawn_blocking(move || tls.current()).await;
        TlsAcceptor::from(config.unwrap_or_else(|_| self.loaded()))
    }

    fn current(&self) -> Arc<ServerConfig> {
        let stamps = stamps(&self.certificate, &self.key);
        if self.loaded.read().unwrap_or_else(PoisonError::into_inner).stamps == stamps {
            return self.loaded();
        }
        let read = load(&self.certificate, &self.key);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if loaded.stamps != stamps {
            loaded.stamps = stamps;
            match read {
                Ok(config) => {
                    loaded.config = Arc::new(config);
                    tracing::info!(certificate = %self.certificate.display(), "read the changed certificate");
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the changed certificate cannot be used; the one before stays in use");
                }
            }
        }
        Arc::clone(&loaded.config)
    }

    fn loaded(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner).config)
    }
}

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(|file| {
        let found = fs::metadata(file).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
    })
}

fn load(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let read = |path: &Path| fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source });
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Chain { path: certificate.to_owned(), source })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: certificate.to_owned() });
    }
    let private =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|source| TlsError::Key { path: key.to_owned(), source })?;
    // The provider is named: no process-wide default is needed.
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|source| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), source })
}

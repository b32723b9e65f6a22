//! Kubetape's own certificate authority: it signs the gateway's certificate, where none is given, and the
//! client certificates that people log in with.

mod certificate;
mod verify;

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use access::{NameError, Principal, name};
use rcgen::{Issuer, KeyPair};
use rustls::{RootCertStore, server::danger::ClientCertVerifier};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use thiserror::Error;

use storage::private_file;

use verify::expiry;
pub use verify::{AnyCertificate, CertificateRefusal};

/// Ten years: replacing the CA means that everybody logs in again.
const CA_VALIDITY: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The gateway's own certificate is renewed when a third of this is left.
const SERVER_VALIDITY: Duration = Duration::from_secs(90 * 86_400);

/// Why the authority's files cannot be used or a certificate not be made.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A file or folder cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `create`, `write`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder has files, but not those of an authority.
    #[error("{} has files but no {CA_CERTIFICATE}: name an empty folder, or one that Kubetape made", .0.display())]
    Foreign(PathBuf),
    /// A file is not what its name says.
    #[error("{} is not usable: {why}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A certificate's names cannot be used.
    #[error("cannot make a certificate for {names:?}")]
    Names {
        /// The names.
        names: Vec<String>,
        /// Why.
        source: rcgen::Error,
    },
    /// A person's or group's name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Signing failed.
    #[error("cannot sign a certificate")]
    Sign(#[source] rcgen::Error),
    /// The verifier for client certificates cannot be made.
    #[error("cannot verify client certificates")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";
const SERVER_CERTIFICATE: &str = "server.pem";
const SERVER_KEY: &str = "server.key";

/// The person whom a client certificate names. A connection may outlive the certificate, so its end is kept.
#[derive(Clone, Debug)]
pub struct CertificateHolder {
    /// The person.
    pub principal: Arc<Principal>,
    /// When the certificate expires.
    pub until: SystemTime,
}

/// The certificate authority, loaded.
pub struct Authority {
    folder: PathBuf,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Authority {
    /// Loads the authority in `folder`, or creates one there (mode 0700, files 0600). If two processes start at once, one
    /// creates it and both use it.
    ///
    /// # Errors
    /// [`AuthorityError`] names the file.
    pub fn load_or_create(folder: &Path) -> Result<Self, AuthorityError> {
        if !folder.join(CA_CERTIFICATE).exists() {
            create(folder)?;
        }
        Self::load(folder)
    }

    fn load(folder: &Path) -> Result<Self, AuthorityError> {
        let ca_pem = read(&folder.join(CA_CERTIFICATE))?;
        let key_pem = read(&folder.join(CA_KEY))?;
        let damaged = |name: &str, why: String| AuthorityError::Damaged { path: folder.join(name), why };
        let key = KeyPair::from_pem(&key_pem).map_err(|e| damaged(CA_KEY, e.to_string()))?;
        let root =
            CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(|e| damaged(CA_CERTIFICATE, format!("{e:?}")))?;
        verify::key_matches(&root, &key).map_err(|why| damaged(CA_CERTIFICATE, why))?;
        let mut roots = RootCertStore::empty();
        roots.add(root).map_err(|e| damaged(CA_CERTIFICATE, e.to_string()))?;
        let verifier = verify::verifier(roots).map_err(AuthorityError::Verifier)?;
        let issuer = Issuer::from_ca_cert_pem(&ca_pem, key).map_err(|e| damaged(CA_CERTIFICATE, e.to_string()))?;
        Ok(Self { folder: folder.to_owned(), ca_pem, issuer, verifier })
    }

    /// The CA's certificate: what clients trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Makes a client certificate: `CN` is the person's name, each `O` a group. Returns certificate and key, PEM.
    ///
    /// # Errors
    /// [`AuthorityError::Name`] for a name that could be taken for one of Kubernetes' own.
    pub fn issue_client(
        &self,
        name: &str,
        groups: &[String],
        validity: Duration,
    ) -> Result<(String, String), AuthorityError> {
        name::check(name)?;
        groups.iter().try_for_each(|group| name::check(group))?;
        certificate::issue(certificate::client(name, groups), &self.issuer, SystemTime::now(), validity)
    }

    /// Makes a server certificate for DNS names and IP addresses. Returns certificate and key, PEM.
    ///
    /// # Errors
    /// [`AuthorityError::Names`] for what is neither.
    pub fn issue_server(&self, names: &[String]) -> Result<(String, String), AuthorityError> {
        certificate::issue(certificate::server(names)?, &self.issuer, SystemTime::now(), SERVER_VALIDITY)
    }

    /// The gateway's own certificate and key, PEM: the stored one, or a new one when the names changed, a third
    /// of its life is left, or it is not of this authority.
    ///
    /// # Errors
    /// [`AuthorityError`] when a new one cannot be made or stored.
    pub fn server_certificate(&self, names: &[String]) -> Result<(String, String), AuthorityError> {
        let (cert_path, key_path) = (self.folder.join(SERVER_CERTIFICATE), self.folder.join(SERVER_KEY));
        if let (Ok(cert), Ok(key)) = (read(&cert_path), read(&key_path))
            && certificate::still_good(&cert, &key, names, &self.ca_pem, SystemTime::now(), SERVER_VALIDITY / 3)
        {
            return Ok((cert, key));
        }
        let (cert, key) = self.issue_server(names)?;
        for (path, pem) in [(&key_path, &key), (&cert_path, &cert)] {
            private_file::replace(path, pem.as_bytes()).map_err(|source| AuthorityError::File {
                action: "write",
                path: path.clone(),
                source,
            })?;
        }
        Ok((cert, key))
    }

    /// Checks a client's chain, its time and its purpose, and reads whom it names. `chain` starts with the client's own
    /// certificate.
    ///
    /// # Errors
    /// [`CertificateRefusal`], in words for the person.
    pub fn identify(
        &self,
        chain: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<CertificateHolder, CertificateRefusal> {
        let principal = verify::identify(self.verifier.as_ref(), chain, now)?;
        Ok(CertificateHolder { principal: Arc::new(principal), until: expiry(chain) })
    }

    /// Reads whom a client certificate of this authority names. `chain` is PEM, as [`Authority::issue_client`] returns it.
    ///
    /// # Errors
    /// [`CertificateRefusal`]
    pub fn holder_of(&self, chain: &str, now: SystemTime) -> Result<CertificateHolder, CertificateRefusal> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        self.identify(&chain.unwrap_or_default(), now)
    }

    /// The verifier of signatures and chains, for a TLS server's configuration.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Creates the folder beside its place and renames it, so that no process ever sees half an authority.
fn create(folder: &Path) -> Result<(), AuthorityError> {
    let failed = |source| AuthorityError::File { action: "create", path: folder.to_owned(), source };
    let (cert, key) = certificate::self_signed(SystemTime::now(), CA_VALIDITY)?;
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    private_file::create_folder(parent).map_err(failed)?;
    let private = Permissions::from_mode(0o700);
    // Removed when it is dropped, unless it was renamed.
    let beside = tempfile::Builder::new().prefix(".ca.").permissions(private).tempdir_in(parent).map_err(failed)?;
    for (name, pem) in [(CA_KEY, &key), (CA_CERTIFICATE, &cert)] {
        private_file::create(&beside.path().join(name), pem.as_bytes()).map_err(failed)?;
    }
    match std::fs::rename(beside.path(), folder) {
        Ok(()) => {
            let _ = beside.keep();
            Ok(())
        }
        // Another process was quicker: its authority is the one.
        Err(_) if folder.join(CA_CERTIFICATE).exists() => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Err(AuthorityError::Foreign(folder.to_owned())),
        Err(e) => Err(failed(e)),
    }
}

fn read(path: &Path) -> Result<String, AuthorityError> {
    std::fs::read_to_string(path).map_err(|source| AuthorityError::File { action: "read", path: path.into(), source })
}

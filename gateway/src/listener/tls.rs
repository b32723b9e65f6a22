//! TLS on both sides of the gateway. The crypto provider is always named: no process-wide default is needed.

use std::{path::PathBuf, sync::Arc, sync::PoisonError, sync::RwLock};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use thiserror::Error as ThisError;

use crate::proxy::clusters::{ClusterSettings, Credential, Trust};
use identity::{Authority, AuthorityError, authority::AnyCertificate};

/// The gateway's own certificate.
#[derive(Clone, Debug)]
pub enum TlsSettings {
    /// Signed by Kubetape's own CA for these DNS names and IP addresses, renewed by itself.
    OwnAuthority {
        /// What people write as the gateway's host.
        names: Vec<String>,
    },
    /// Given: PEM files, read again every hour.
    Given {
        /// The chain.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// Why TLS cannot be set up.
#[derive(Debug, ThisError)]
pub enum TlsError {
    /// The own CA could not make a certificate.
    #[error("cannot make the gateway's certificate")]
    Authority(#[from] AuthorityError),
    /// A PEM file cannot be used.
    #[error("{what} cannot be used: {why}")]
    Pem {
        /// Which file.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// rustls refuses the combination.
    #[error("TLS cannot be configured")]
    Config(#[from] Error),
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificate in use; exchanged without a restart.
#[derive(Debug)]
pub(crate) struct OwnCertificate(RwLock<Arc<CertifiedKey>>);

impl OwnCertificate {
    pub(crate) fn new(settings: &TlsSettings, authority: &Authority) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Arc::new(load(settings, authority)?))))
    }

    /// Loads or renews it.
    pub(crate) fn refresh(&self, settings: &TlsSettings, authority: &Authority) -> Result<(), TlsError> {
        let fresh = Arc::new(load(settings, authority)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn load(settings: &TlsSettings, authority: &Authority) -> Result<CertifiedKey, TlsError> {
    let (cert, key, what) = match settings {
        TlsSettings::OwnAuthority { names } => {
            let (cert, key) = authority.server_certificate(names)?;
            (cert.into_bytes(), key.into_bytes(), ["its certificate".to_owned(), "its key".to_owned()])
        }
        TlsSettings::Given { certificate, key } => {
            let what = [certificate.display().to_string(), key.display().to_string()];
            let read = |path: &PathBuf| {
                std::fs::read(path).map_err(|e| TlsError::Pem { what: path.display().to_string(), why: e.to_string() })
            };
            (read(certificate)?, read(key)?, what)
        }
    };
    let pem = |what: &str, why: &str| TlsError::Pem { what: what.to_owned(), why: why.to_owned() };
    let chain = CertificateDer::pem_slice_iter(&cert).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| pem(&what[0], "no certificate in PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| pem(&what[1], "no private key in PEM"))?;
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}

/// For clients: any client certificate passes the handshake and is judged after it; h2 and HTTP/1.1 are
/// offered and neither is required, since upgrades come without ALPN.
pub(crate) fn server(certificate: Arc<OwnCertificate>, authority: &Authority) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(AnyCertificate(authority.verifier())))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    // One ticket a connection: kubectl uses none, others reconnect once.
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// For an API server: no ALPN, so that it answers with HTTP/1.1, the only version that can be upgraded.
pub(crate) fn client(settings: &ClusterSettings) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match &settings.trust {
        Trust::Roots(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate.clone())?;
            }
            builder.with_root_certificates(roots)
        }
        Trust::System => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(roots)
        }
        Trust::Anything => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider()))),
    };
    match &settings.credential {
        Credential::Certificate { chain, key } => Ok(builder.with_client_auth_cert(chain.clone(), key.clone_key())?),
        Credential::Token(_) | Credential::TokenFile(_) | Credential::None => Ok(builder.with_no_client_auth()),
    }
}

/// `insecure-skip-tls-verify`: the operator said that any certificate will do.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

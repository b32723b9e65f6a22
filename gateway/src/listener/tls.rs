//! TLS to clients, and the gateway's own certificate.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use identity::{Authority, authority::AnyCertificate};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    settings::TlsSettings,
    transport::{TlsError, provider},
};

/// The gateway's certificate in use, which can be exchanged while it serves.
#[derive(Debug)]
pub(crate) struct OwnCertificate(RwLock<Arc<CertifiedKey>>);

impl OwnCertificate {
    pub(crate) fn new(settings: &TlsSettings, authority: &Authority) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(Arc::new(load(settings, authority)?))))
    }

    /// Reads the certificate again, or renews it. On an error the one in use stays.
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
    let (certificate, key, names) = match settings {
        TlsSettings::OwnAuthority { names } => {
            let (certificate, key) = authority.server_certificate(names)?;
            let names = ["its certificate", "its key"].map(str::to_owned);
            (certificate.into_bytes(), key.into_bytes(), names)
        }
        TlsSettings::Given { certificate, key } => {
            (read(certificate)?, read(key)?, [certificate, key].map(|path| path.display().to_string()))
        }
    };
    let [certificate_name, key_name] = names;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificate).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() {
        return Err(TlsError::Unusable { what: certificate_name, why: "no certificate in PEM" });
    }
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| TlsError::Unusable { what: key_name, why: "no private key in PEM" })?;
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

/// The configuration for clients. Any client certificate passes the handshake: it is judged after it. h2 and HTTP/1.1 are
/// offered and neither is required, since upgrades come without ALPN.
pub(crate) fn server(certificate: Arc<OwnCertificate>, authority: &Authority) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(AnyCertificate(authority.verifier())))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    // One ticket per connection: kubectl uses none, other clients reconnect once.
    config.send_tls13_tickets = 1;
    Ok(config)
}

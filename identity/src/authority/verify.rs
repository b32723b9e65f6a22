use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use access::{Credential, Principal, name};
use rcgen::KeyPair;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a client certificate was refused, in words for the person.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateRefusal {
    /// It has expired.
    #[error("the client certificate has expired: get a new one")]
    Expired,
    /// It is not valid yet.
    #[error("the client certificate is not valid yet: compare this machine's clock with the gateway's")]
    NotYet,
    /// Another authority signed it.
    #[error("the client certificate was not issued by this gateway's CA")]
    Foreign,
    /// Anything else.
    #[error("the client certificate cannot be used: {0}")]
    Unusable(String),
}

pub(super) fn verifier(roots: RootCertStore) -> Result<Arc<dyn ClientCertVerifier>, VerifierBuilderError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()
}

/// Checks chain, time and purpose, then reads name (`CN`) and groups (`O`), as Kubernetes does.
pub(super) fn identify(
    verifier: &dyn ClientCertVerifier,
    chain: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<Principal, CertificateRefusal> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(CertificateRefusal::Unusable("it is empty".to_owned()));
    };
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    verifier.verify_client_cert(leaf, intermediates, now).map_err(|e| refusal(&e))?;
    read(leaf)
}

fn refusal(error: &Error) -> CertificateRefusal {
    match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            CertificateRefusal::Expired
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            CertificateRefusal::NotYet
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            CertificateRefusal::Foreign
        }
        other => CertificateRefusal::Unusable(other.to_string()),
    }
}

fn read(leaf: &CertificateDer<'_>) -> Result<Principal, CertificateRefusal> {
    let unusable = |why: &str| CertificateRefusal::Unusable(why.to_owned());
    let (_, cert) = X509Certificate::from_der(leaf).map_err(|_| unusable("it cannot be read"))?;
    let subject = cert.subject();
    let mut names = subject.iter_common_name();
    let name = names.next().and_then(|cn| cn.as_str().ok()).ok_or_else(|| unusable("it names nobody"))?;
    if names.next().is_some() {
        return Err(unusable("it names several people"));
    }
    let checked = |name: &str| name::check(name).map_err(|error| CertificateRefusal::Unusable(error.to_string()));
    checked(name)?;
    let groups: Vec<String> = subject
        .iter_organization()
        .map(|o| o.as_str().map(str::to_owned).map_err(|_| unusable("a group's name is not text")))
        .collect::<Result<_, _>>()?;
    groups.iter().try_for_each(|group| checked(group))?;
    Ok(Principal {
        name: name.to_owned(),
        groups,
        credential: Credential::ClientCertificate,
        credential_id: cert.raw_serial_as_string().replace(':', ""),
    })
}

/// When the first certificate of a chain expires. Returns 1970 if the certificate cannot be read.
pub(super) fn expiry(chain: &[CertificateDer<'_>]) -> SystemTime {
    let leaf = chain.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
    let seconds = leaf.map_or(0, |(_, cert)| cert.validity().not_after.timestamp());
    let after = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    UNIX_EPOCH.checked_add(after).unwrap_or(UNIX_EPOCH)
}

/// That a CA's certificate and key belong together.
pub(super) fn key_matches(cert: &CertificateDer<'_>, key: &KeyPair) -> Result<(), String> {
    let (_, parsed) = X509Certificate::from_der(cert).map_err(|e| e.to_string())?;
    if parsed.public_key().subject_public_key.data == key.public_key_raw() {
        Ok(())
    } else {
        Err("certificate and key do not belong together".to_owned())
    }
}

/// Lets the handshake succeed with any certificate whose key the client holds; [`identify`] judges it after.
///
/// A refusal inside the handshake reaches a person as a bare TLS alert; after it, as a `Status` that says why.
/// Nobody is authenticated by the handshake. The signatures are verified: a certificate without its key is
/// worth nothing here either.
#[derive(Debug)]
pub struct AnyCertificate(pub Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client with another CA's certificate then sends it, and is told that it is the wrong one.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

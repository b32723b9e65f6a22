use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::AuthorityError;

/// Clocks differ: what is made now must be valid on a machine that is a little behind.
const SKEW: Duration = Duration::from_secs(300);

/// A new CA's certificate and key, PEM.
pub(super) fn self_signed(now: SystemTime, validity: Duration) -> Result<(String, String), AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("Kubetape CA {:08x}", rand::random::<u32>()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, now, validity);
    let key = KeyPair::generate().map_err(AuthorityError::Sign)?;
    let certificate = params.self_signed(&key).map_err(AuthorityError::Sign)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

pub(super) fn client(name: &str, groups: &[String]) -> CertificateParams {
    let mut params = leaf(name, ExtendedKeyUsagePurpose::ClientAuth);
    for group in groups {
        params.distinguished_name.push(DnType::OrganizationName, group.as_str());
    }
    params
}

pub(super) fn server(names: &[String]) -> Result<CertificateParams, AuthorityError> {
    let with_names = CertificateParams::new(names.to_vec())
        .map_err(|source| AuthorityError::Names { names: names.to_vec(), source })?;
    let mut params = leaf("kubetape gateway", ExtendedKeyUsagePurpose::ServerAuth);
    params.subject_alt_names = with_names.subject_alt_names;
    Ok(params)
}

/// Signs with a fresh key. Returns certificate and key, PEM.
pub(super) fn issue(
    mut params: CertificateParams,
    issuer: &Issuer<'static, KeyPair>,
    now: SystemTime,
    validity: Duration,
) -> Result<(String, String), AuthorityError> {
    valid(&mut params, now, validity);
    let key = KeyPair::generate().map_err(AuthorityError::Sign)?;
    let certificate = params.signed_by(&key, issuer).map_err(AuthorityError::Sign)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Whether a stored server certificate can go on being used. A CA's subject has a random part, so that the
/// issuer's name is enough to tell this authority's certificates.
pub(super) fn still_good(
    cert_pem: &str,
    key_pem: &str,
    names: &[String],
    ca_pem: &str,
    now: SystemTime,
    at_least: Duration,
) -> bool {
    let (Ok(der), Ok(ca)) =
        (CertificateDer::from_pem_slice(cert_pem.as_bytes()), CertificateDer::from_pem_slice(ca_pem.as_bytes()))
    else {
        return false;
    };
    let (Ok((_, cert)), Ok((_, ca)), Ok(key)) =
        (X509Certificate::from_der(&der), X509Certificate::from_der(&ca), KeyPair::from_pem(key_pem))
    else {
        return false;
    };
    cert.issuer() == ca.subject()
        && cert.public_key().subject_public_key.data == key.public_key_raw()
        && cert.validity().not_after.timestamp() > seconds(now + at_least).cast_signed()
        && same_names(&cert, names)
}

fn same_names(cert: &X509Certificate<'_>, names: &[String]) -> bool {
    let Ok(wanted) = CertificateParams::new(names.to_vec()) else { return false };
    let mut wanted: Vec<String> = wanted.subject_alt_names.iter().filter_map(wanted_name).collect();
    let Ok(Some(present)) = cert.subject_alternative_name() else { return wanted.is_empty() };
    let mut present: Vec<String> = present.value.general_names.iter().filter_map(present_name).collect();
    wanted.sort();
    present.sort();
    wanted == present
}

fn wanted_name(name: &SanType) -> Option<String> {
    match name {
        SanType::DnsName(dns) => Some(dns.to_string()),
        SanType::IpAddress(ip) => Some(ip.to_string()),
        _ => None,
    }
}

fn present_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
        },
        _ => None,
    }
}

fn leaf(common_name: &str, purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    params
}

fn valid(params: &mut CertificateParams, now: SystemTime, validity: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(seconds(now - SKEW));
    params.not_after = epoch + Duration::from_secs(seconds(now + validity));
}

/// Whole seconds since 1970; a clock before that counts as 1970.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

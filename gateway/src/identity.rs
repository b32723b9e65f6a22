//! Who sends a request: by the connection's client certificate, a bearer token, or one in a WebSocket protocol.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use access::Principal;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::status::Status;
use identity::{CertificateRefusal, Tokens};

/// `base64url.bearer.authorization.k8s.io.<token>`, for browsers, which cannot set headers on a WebSocket.
const BEARER_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What its client certificate says, where it showed one.
    pub(crate) certificate: Option<Result<Certified, CertificateRefusal>>,
}

/// Whom a certificate names, until it expires: a connection may outlive it.
#[derive(Clone, Debug)]
pub(crate) struct Certified {
    pub(crate) principal: Arc<Principal>,
    pub(crate) until: SystemTime,
}

impl Peer {
    /// Whom its certificate names, where that is good; else nobody.
    pub(crate) fn name(&self) -> String {
        let certified = self.certified(SystemTime::now());
        certified.and_then(Result::ok).map(|principal| principal.name.clone()).unwrap_or_default()
    }

    fn certified(&self, now: SystemTime) -> Option<Result<Arc<Principal>, CertificateRefusal>> {
        Some(match self.certificate.as_ref()? {
            Ok(certified) if now > certified.until => Err(CertificateRefusal::Expired),
            Ok(certified) => Ok(Arc::clone(&certified.principal)),
            Err(refusal) => Err(refusal.clone()),
        })
    }
}

/// Who sends this request. A good certificate wins over a token, as on an API server; a bad one is told only
/// where there is no token.
pub(crate) fn authenticate(peer: &Peer, tokens: &Tokens, bearer: Option<&str>) -> Result<Arc<Principal>, Status> {
    match (peer.certified(SystemTime::now()), bearer) {
        (Some(Ok(principal)), _) => Ok(principal),
        (_, Some(token)) => {
            tokens.verify(token, jiff::Timestamp::now()).map(Arc::new).map_err(|refusal| match &refusal {
                identity::TokenRefusal::Unreadable(cause) => {
                    tracing::error!(error = cause as &dyn std::error::Error, "tokens cannot be read");
                    Status::unavailable(refusal.to_string())
                }
                _ => Status::unauthorized(refusal.to_string()),
            })
        }
        (Some(Err(refusal)), None) => Err(Status::unauthorized(refusal.to_string())),
        (None, None) => Err(Status::unauthorized(
            "no credential: this gateway takes client certificates of its own CA and its own bearer tokens",
        )),
    }
}

/// Takes the bearer token out of the headers, both ways of sending it. Nothing of it is left in them.
pub(crate) fn take_bearer(headers: &mut HeaderMap, websocket: bool) -> Result<Option<String>, Status> {
    let from_protocol = if websocket { take_protocol_token(headers)? } else { None };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next().map(bearer);
    if values.next().is_some() {
        return Err(Status::bad_request("more than one Authorization header"));
    }
    let from_header = first.flatten();
    headers.remove(header::AUTHORIZATION);
    Ok(from_header.or(from_protocol))
}

fn bearer(value: &HeaderValue) -> Option<String> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Removes the token's protocol from the list, and leaves every other protocol as it was written.
fn take_protocol_token(headers: &mut HeaderMap) -> Result<Option<String>, Status> {
    let name = HeaderName::from_static("sec-websocket-protocol");
    let is_token = |protocol: &str| protocol.trim().starts_with(BEARER_PROTOCOL);
    let lines: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
    let texts = lines.iter().map(|line| line.to_str().unwrap_or_default());
    let tokens: Vec<String> = texts
        .flat_map(|line| line.split(','))
        .filter(|protocol| is_token(protocol))
        .map(|protocol| protocol.trim()[BEARER_PROTOCOL.len()..].to_owned())
        .collect();
    let [token] = tokens.as_slice() else {
        let several = || Status::bad_request("more than one bearer token among the WebSocket protocols");
        return if tokens.is_empty() { Ok(None) } else { Err(several()) };
    };
    headers.remove(&name);
    for line in &lines {
        let text = line.to_str().unwrap_or_default();
        let kept: Vec<&str> = text.split(',').filter(|protocol| !is_token(protocol)).collect();
        if let Ok(value) = HeaderValue::from_str(kept.join(",").trim())
            && !value.is_empty()
        {
            headers.append(&name, value);
        }
    }
    if !headers.contains_key(&name) {
        return Err(Status::bad_request("beside the bearer token, a WebSocket protocol must be offered"));
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok();
    let token = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    token.map(Some).ok_or_else(|| Status::unauthorized("the bearer token among the WebSocket protocols is malformed"))
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    fn offering(lines: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("sec-websocket-protocol");
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    fn protocols(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all("sec-websocket-protocol").iter().map(|v| v.to_str().unwrap()).collect()
    }

    #[test]
    fn a_certificate_that_expires_while_its_connection_lasts_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(&folder.path().join("tokens.json")).unwrap();
        let authority = identity::Authority::load_or_create(&folder.path().join("ca")).unwrap();
        let (certificate, _) = authority.issue_client("jane", &[], std::time::Duration::from_secs(3600)).unwrap();
        let chain = [CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let now = SystemTime::now();
        let holder = authority.identify(&chain, now).unwrap();
        let mut certified = Certified { principal: holder.principal, until: holder.until };
        let left = certified.until.duration_since(now).unwrap().as_secs();
        assert!((3590..=3600).contains(&left), "{left}");
        let peer = |certified| Peer { address: ([127, 0, 0, 1], 1).into(), certificate: Some(Ok(certified)) };
        assert_eq!(authenticate(&peer(certified.clone()), &tokens, None).unwrap().name, "jane");
        certified.until = now - std::time::Duration::from_secs(1);
        let refused = authenticate(&peer(certified), &tokens, None).unwrap_err();
        assert!(refused.message.contains("has expired"), "{refused:?}");
    }

    #[test]
    fn a_token_among_protocols_is_taken_out() {
        let token = format!("{BEARER_PROTOCOL}{}", BASE64_URL_SAFE_NO_PAD.encode("secret"));
        for (lines, left) in [
            (vec![format!("{token}, v4.channel.k8s.io")], vec!["v4.channel.k8s.io"]),
            (vec![format!("v5.channel.k8s.io,{token},v4.channel.k8s.io")], vec!["v5.channel.k8s.io,v4.channel.k8s.io"]),
            (vec![token.clone(), "v4.channel.k8s.io".to_owned()], vec!["v4.channel.k8s.io"]),
        ] {
            let mut headers = offering(&lines.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(take_bearer(&mut headers, true).unwrap().as_deref(), Some("secret"));
            assert_eq!(protocols(&headers), left);
        }
    }

    #[test]
    fn a_token_alone_or_twice_or_damaged_is_refused() {
        for line in [
            format!("{BEARER_PROTOCOL}c2VjcmV0"),
            format!("{BEARER_PROTOCOL}YQ,{BEARER_PROTOCOL}Yg,v4.channel.k8s.io"),
            format!("{BEARER_PROTOCOL}!,v4.channel.k8s.io"),
        ] {
            assert!(take_bearer(&mut offering(&[&line]), true).is_err(), "{line}");
        }
    }
}

//! Who sends a request: by the connection's client certificate, a bearer token, or a token among WebSocket protocols.

use std::{net::SocketAddr, time::SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use identity::{Authenticator, CertificateHolder, CertificateRefusal, RequestRefusal};
use rustls_pki_types::CertificateDer;

use crate::request::status::Status;

/// `base64url.bearer.authorization.k8s.io.<token>`, for browsers, which cannot set headers on a WebSocket.
const BEARER_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";
/// What every spelling of that has in it. API servers take the one above only; another one of it would go through to them with
/// the token in it.
const BEARER: &str = "bearer.authorization.k8s.io";
const PROTOCOLS: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// What its client certificate says; `None` if it showed none.
    pub(crate) certificate: Option<Result<CertificateHolder, CertificateRefusal>>,
}

impl Peer {
    /// Reads the certificate chain that a client showed in its handshake.
    pub(crate) fn new(
        authenticator: &Authenticator,
        address: SocketAddr,
        chain: Option<&[CertificateDer<'_>]>,
        now: SystemTime,
    ) -> Self {
        Self { address, certificate: chain.map(|chain| authenticator.certificate(chain, now)) }
    }

    /// The name in its certificate; empty if that is not good, or there is none.
    pub(crate) fn name(&self, now: SystemTime) -> &str {
        match &self.certificate {
            Some(Ok(holder)) if now <= holder.until => &holder.principal.name,
            Some(Ok(_) | Err(_)) | None => "",
        }
    }
}

/// The answer to a person who was not authenticated.
pub(crate) fn status(refusal: &RequestRefusal) -> Status {
    match refusal.failure() {
        Some(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "credentials cannot be checked");
            Status::unavailable(refusal.to_string())
        }
        // Known, and refused all the same: 401 would send kubectl's credential plugins for another login.
        None if refusal.is_locked() => Status::forbidden(refusal.to_string()),
        None => Status::unauthorized(refusal.to_string()),
    }
}

/// Takes the bearer token out of the headers, wherever it stands: a token is a credential also where the request asks for
/// no WebSocket, and never goes upstream.
pub(crate) fn take_bearer(headers: &mut HeaderMap) -> Result<Option<String>, Status> {
    let from_protocol = take_protocol_token(headers)?;
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next().map(bearer);
    if values.next().is_some() {
        return Err(Status::bad_request("more than one Authorization header"));
    }
    let from_header = first.flatten();
    headers.remove(header::AUTHORIZATION);
    Ok(from_header.or(from_protocol))
}

/// The token of an `Authorization` header; `None` if it is of another scheme.
pub(crate) fn bearer(value: &HeaderValue) -> Option<String> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Removes the token's protocol from the list, and leaves every other protocol as it was written.
fn take_protocol_token(headers: &mut HeaderMap) -> Result<Option<String>, Status> {
    if !headers.contains_key(PROTOCOLS) {
        return Ok(None);
    }
    let lines: Vec<String> = headers.get_all(PROTOCOLS).iter().map(text).collect::<Result<_, _>>()?;
    let is_token = |protocol: &str| protocol.trim().starts_with(BEARER_PROTOCOL);
    if lines.iter().any(|line| without(line, is_token).to_ascii_lowercase().contains(BEARER)) {
        return Err(Status::bad_request(format!(
            "a bearer token among the WebSocket protocols begins with {BEARER_PROTOCOL}"
        )));
    }
    let tokens: Vec<&str> =
        lines.iter().flat_map(|line| line.split(',')).filter(|protocol| is_token(protocol)).map(str::trim).collect();
    let token = match tokens.as_slice() {
        [] => return Ok(None),
        [token] => &token[BEARER_PROTOCOL.len()..],
        _ => return Err(Status::bad_request("more than one bearer token among the WebSocket protocols")),
    };
    headers.remove(PROTOCOLS);
    for line in &lines {
        if let Ok(value) = HeaderValue::from_str(without(line, is_token).trim())
            && !value.is_empty()
        {
            headers.append(PROTOCOLS, value);
        }
    }
    if !headers.contains_key(PROTOCOLS) {
        return Err(Status::bad_request("beside the bearer token, a WebSocket protocol must be offered"));
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok();
    let token = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    token.map(Some).ok_or_else(|| Status::unauthorized("the bearer token among the WebSocket protocols is malformed"))
}

/// The protocols of a line that are no tokens, as they were written.
fn without(line: &str, is_token: impl Fn(&str) -> bool) -> String {
    line.split(',').filter(|protocol| !is_token(protocol)).collect::<Vec<_>>().join(",")
}

/// A line that is no text could hide a token from this reader and show it to the next.
fn text(line: &HeaderValue) -> Result<String, Status> {
    let text = line.to_str().map_err(|_| Status::bad_request("a WebSocket protocol has characters that none has"))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(lines: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("sec-websocket-protocol");
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    fn protocols(headers: &HeaderMap) -> Vec<&str> {
        headers.get_all("sec-websocket-protocol").iter().map(|v| v.to_str().unwrap()).collect()
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
            assert_eq!(take_bearer(&mut headers).unwrap().as_deref(), Some("secret"));
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
            assert!(take_bearer(&mut offering(&[&line])).is_err(), "{line}");
        }
    }

    #[test]
    fn a_token_in_another_spelling_is_refused_wherever_it_stands() {
        let token = "c2VjcmV0";
        for spelling in [
            format!("Base64url.bearer.authorization.k8s.io.{token}"),
            format!("BASE64URL.BEARER.AUTHORIZATION.K8S.IO.{token}"),
            format!("base64url.bearer.authorization.k8s.io{token}"),
            format!("base64.bearer.authorization.k8s.io.{token}"),
            format!("\"{BEARER_PROTOCOL}{token}\""),
            format!("v4.channel.k8s.io {BEARER_PROTOCOL}{token}"),
            format!("v4.channel.k8s.io;{BEARER_PROTOCOL}{token}"),
        ] {
            for lines in [
                vec![format!("{spelling}, v4.channel.k8s.io")],
                vec![format!("v5.channel.k8s.io,{spelling}")],
                vec!["v4.channel.k8s.io".to_owned(), spelling.clone()],
                vec![spelling.clone(), format!("{BEARER_PROTOCOL}{token}, v4.channel.k8s.io")],
            ] {
                let mut headers = offering(&lines.iter().map(String::as_str).collect::<Vec<_>>());
                assert_eq!(take_bearer(&mut headers).unwrap_err().code, 400, "{lines:?}");
            }
        }
    }

    #[test]
    fn a_line_that_could_hide_a_token_is_refused() {
        let line = [format!("{BEARER_PROTOCOL}c2VjcmV0, v4.channel.k8s.io, ").as_bytes(), b"\xff"].concat();
        let headers = [(PROTOCOLS, HeaderValue::from_bytes(&line).unwrap())];
        assert!(take_bearer(&mut headers.into_iter().collect()).is_err());
    }
}

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, header};

use super::{head, headers, status::Status};

/// The protocol that an upgrade asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpgradeProtocol {
    Spdy,
    WebSocket,
}

impl UpgradeProtocol {
    /// Its name in the `Upgrade` header that goes to the API server.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spdy => "SPDY/3.1",
            Self::WebSocket => "websocket",
        }
    }

    /// The upgrade that a request asks for; `None` if it asks for none. A request that asks for another protocol, or
    /// whose end or upgrade servers read in different ways, is refused whatever its path.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Status> {
        head::unambiguous_length(headers).map_err(|error| Status::bad_request(error.to_string()))?;
        let mut values = headers.get_all(header::UPGRADE).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Status::bad_request("more than one Upgrade header"));
        }
        let protocol = match value.as_bytes().trim_ascii() {
            v if v.eq_ignore_ascii_case(b"websocket") => Self::WebSocket,
            v if v.eq_ignore_ascii_case(b"spdy/3.1") => Self::Spdy,
            _ => return Err(Status::bad_request("Upgrade: only websocket and SPDY/3.1 are known")),
        };
        if !headers::connection_upgrades(headers) {
            return Err(Status::bad_request("an Upgrade header without `Connection: Upgrade`"));
        }
        if has_body(headers) {
            return Err(Status::bad_request("an upgrade request has no body"));
        }
        Ok(Some(protocol))
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
    let empty = lengths.is_empty() || (lengths.len() == 1 && lengths[0] == "0");
    !empty || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Checks what RFC 6455, section 4.2.1 asks of a WebSocket request: one 16-byte nonce in base64, and version 13. Every
/// server refuses others, so nothing is recorded and nobody is dialled for them.
pub(crate) fn check_websocket(headers: &HeaderMap) -> Result<(), Status> {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(|value| value.as_bytes().trim_ascii())
    };
    let nonce = one(header::SEC_WEBSOCKET_KEY).and_then(|key| BASE64_STANDARD.decode(key).ok());
    if nonce.is_none_or(|nonce| nonce.len() != 16) || one(header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Status::bad_request("a WebSocket request has one Sec-WebSocket-Key and Sec-WebSocket-Version: 13"));
    }
    Ok(())
}

//! Which headers of a message cross the gateway, and which do not (RFC 9110, section 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that are meant for one connection, in either direction.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Removes the headers that are meant for one connection, and those that the sender's `Connection` names.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Removes what may not go upstream: framing, credentials, and every claim about who the sender is.
///
/// `X-Remote-*` is how a front proxy names a user to an API server; `X-Forwarded-*` and `Forwarded` would be the
/// client's claims about itself.
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT, header::AUTHORIZATION, header::FORWARDED] {
        headers.remove(name);
    }
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            ["impersonate-", "x-remote-", "x-forwarded-", "proxy-"].iter().any(|start| name.starts_with(start))
        })
        .cloned()
        .collect();
    for name in claims {
        headers.remove(name);
    }
}

/// The API server's own test (`httpstream.IsUpgradeRequest`): the value has merely to contain `upgrade`.
pub(crate) fn connection_upgrades(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .any(|value| value.as_bytes().to_ascii_lowercase().windows(7).any(|window| window == b"upgrade"))
}

/// A header's text for the journal; empty if there is no such header or it is not ASCII.
pub(crate) fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // It is the client's claim and is kept as long as the journal: 256 bytes tell a browser from a kubectl.
    value.chars().take(256).collect()
}

/// Writes headers as HTTP/1.1: names in title case, as Go writes them, and lines of one name in their order.
pub(crate) fn write(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        write_one(out, name, value);
    }
}

/// Writes one header line.
pub(crate) fn write_one(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let mut start = true;
    for byte in name.as_str().bytes() {
        out.push(if start { byte.to_ascii_uppercase() } else { byte });
        start = byte == b'-';
    }
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn nobody_names_themselves() {
        let mut headers = map(&[
            ("host", "gateway"),
            ("authorization", "Bearer x"),
            ("connection", "keep-alive, X-Named"),
            ("x-named", "1"),
            ("impersonate-user", "admin"),
            ("impersonate-extra-scopes", "all"),
            ("x-remote-user", "admin"),
            ("x-forwarded-for", "1.2.3.4"),
            ("transfer-encoding", "chunked"),
            ("accept", "application/json"),
        ]);
        strip_request(&mut headers);
        assert_eq!(headers, map(&[("accept", "application/json")]));
    }

    #[test]
    fn lines_keep_number_and_order() {
        let mut headers = HeaderMap::new();
        for version in ["v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"] {
            headers.append("x-stream-protocol-version", HeaderValue::from_static(version));
        }
        let mut out = Vec::new();
        write(&mut out, &headers);
        let lines = "X-Stream-Protocol-Version: v5.channel.k8s.io\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\
                     X-Stream-Protocol-Version: channel.k8s.io\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), lines);
    }
}

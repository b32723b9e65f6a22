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

/// What a client would say of itself or of its request, and an API server, or a proxy in front of one, could believe. Names begin
/// with it; `_` counts as `-`, as it does for some proxies.
///
/// * `Impersonate-*`: whom the request is for. `X-Remote-*`: how a front proxy names a user to an API server.
/// * `Audit-ID`: under which id the API server's audit log has the request. A recorded request has its recording's.
/// * The rest: the client's address. API servers put `X-Forwarded-For` and `X-Real-Ip` into their audit log's `sourceIPs`; the
///   others are those of well-known proxies. The gateway says the address that it saw.
const CLAIMS: [&str; 18] = [
    "impersonate-",
    "x-remote-",
    "audit-id",
    "forwarded",
    "x-forwarded",
    "x-original-",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-envoy-",
    "x-azure-",
    "via",
    "proxy-",
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

/// Removes what may not go upstream: framing, credentials, and every claim about who the sender is ([`CLAIMS`]).
pub(crate) fn strip_request(headers: &mut HeaderMap) {
    strip_hop_by_hop(headers);
    for name in [header::HOST, header::CONTENT_LENGTH, header::EXPECT, header::AUTHORIZATION] {
        headers.remove(name);
    }
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    CLAIMS.iter().any(|start| name.starts_with(start))
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
    fn no_spelling_of_a_claim_is_left() {
        let mut names =
            vec!["x-forwarded-for".to_owned(), "x-forwarded-client-cert".to_owned(), "x-original-uri".to_owned()];
        for start in CLAIMS {
            names.extend(
                ["", "x", "user-id"].map(|end| format!("{start}{end}")).into_iter().filter(|n| !n.ends_with('-')),
            );
        }
        for name in &names {
            // Every subset of its hyphens, as underscores.
            let hyphens: Vec<usize> = name.match_indices('-').map(|(at, _)| at).collect();
            for subset in 0_u32..1 << hyphens.len() {
                let mut spelled = name.clone().into_bytes();
                for (_, at) in hyphens.iter().enumerate().filter(|(bit, _)| subset >> bit & 1 == 1) {
                    spelled[*at] = b'_';
                }
                for spelled in [spelled.to_ascii_uppercase(), spelled] {
                    let name = HeaderName::from_bytes(&spelled).unwrap();
                    let mut headers = map(&[("accept", "application/json")]);
                    headers.append(&name, HeaderValue::from_static("one"));
                    headers.append(&name, HeaderValue::from_static("two"));
                    strip_request(&mut headers);
                    assert_eq!(headers, map(&[("accept", "application/json")]), "{name}");
                }
            }
        }
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

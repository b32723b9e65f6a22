use http::{HeaderMap, HeaderValue, header};

/// The name of the login's cookie. Over TLS it has the `__Host-` prefix, with which a browser takes it only from this
/// very host, with `Secure` and for every path (RFC 6265bis, section 4.1.3.2).
pub(crate) fn name(tls: bool) -> &'static str {
    if tls { "__Host-kubetape" } else { "kubetape" }
}

/// The cookie's value in a request. Returns `None` if two cookies have its name: somebody else may have planted one.
pub(crate) fn token(headers: &HeaderMap, tls: bool) -> Option<&str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name(tls))
        .map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// `Set-Cookie` for a new login. `Lax`, so that a link to a session in a ticket or chat opens logged in; requests that
/// change something are POSTs, which [`crate::auth::guard`] checks. The cookie ends with the browser's session.
pub(crate) fn set(token: &str, tls: bool) -> HeaderValue {
    header_value(&format!("{}={token}; Path=/; HttpOnly; SameSite=Lax{}", name(tls), secure(tls)))
}

/// `Set-Cookie` that forgets the login.
pub(crate) fn clear(tls: bool) -> HeaderValue {
    header_value(&format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}", name(tls), secure(tls)))
}

fn secure(tls: bool) -> &'static str {
    if tls { "; Secure" } else { "" }
}

/// Tokens are base64, so the value is always a legal header.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others_and_not_when_there_are_two() {
        assert_eq!(token(&headers(&["a=b; kubetape=t0k; c=d"]), false), Some("t0k"));
        assert_eq!(token(&headers(&["a=b", "__Host-kubetape=t0k"]), true), Some("t0k"));
        assert_eq!(token(&headers(&["kubetape=t0k"]), true), None);
        assert_eq!(token(&headers(&["kubetape=a; kubetape=b"]), false), None);
        assert_eq!(token(&headers(&[]), false), None);
    }
}

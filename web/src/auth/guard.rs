use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

use crate::{auth::cookie, state::Shared};
use identity::web_sessions::WebSession;

/// Scripts and styles come from here and nowhere else, nothing is inline; the player is WebAssembly.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; worker-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// `same-origin` and not `no-referrer`: with the latter a form's POST carries `Origin: null`, and over plain
/// HTTP there is no `Sec-Fetch-Site` to go by. Neither tells another site anything.
const HEADERS: [(&str, &str); 8] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex"),
];

/// On requests that a page makes without anybody there: a page that is left open does not keep a login alive.
const BY_ITSELF: &str = "kubetape-by-itself";

/// Puts the security headers on every response, and `no-store` where the response says nothing of its own.
pub(crate) async fn headers(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if shared.tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// Refuses a request that changes something and was started by another site.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || from_here(request.headers(), request.uri()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "This request came from another site and was refused.\n").into_response()
}

/// `Sec-Fetch-Site` says it (browsers send it to https and to loopback); else `Origin` must name this host.
/// A request with neither is no browser's, so it carries nobody's cookie unknowingly.
fn from_here(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Who makes the request, if they are logged in.
pub(crate) fn login(shared: &Shared, headers: &HeaderMap) -> Option<WebSession> {
    let token = cookie::token(headers, shared.tls)?;
    let now = std::time::Instant::now();
    let by_itself = headers.contains_key(BY_ITSELF);
    let login = if by_itself { shared.logins.peek(token, now) } else { shared.logins.find(token, now) }?;
    if shared.stands(&login) {
        return Some(login);
    }
    shared.logins.end(token);
    None
}

/// Whether who opened a stream may go on reading it: a stream that is left open does not keep a login alive.
pub(crate) fn still(shared: &Shared, headers: &HeaderMap) -> bool {
    let login =
        cookie::token(headers, shared.tls).and_then(|token| shared.logins.peek(token, std::time::Instant::now()));
    login.is_some_and(|login| shared.stands(&login))
}

/// Lets through who is logged in, with their [`WebSession`] as an extension; sends others to log in.
pub(crate) async fn page(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    match login(&shared, request.headers()) {
        Some(login) => {
            request.extensions_mut().insert(login);
            next.run(request).await
        }
        None => crate::auth::login::send(request.method(), request.uri()),
    }
}

/// The same for the API, which answers 401.
pub(crate) async fn api(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    match login(&shared, request.headers()) {
        Some(login) => {
            request.extensions_mut().insert(login);
            next.run(request).await
        }
        None => crate::http::failure::ApiFailure::unauthenticated().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)));
        from_here(&headers.collect(), &Uri::from_static("/logout"))
    }

    #[test]
    fn a_post_from_another_site_is_told_by_fetch_metadata_or_origin() {
        assert!(judged(&[("sec-fetch-site", "same-origin")]));
        assert!(!judged(&[("sec-fetch-site", "cross-site")]));
        assert!(!judged(&[("sec-fetch-site", "same-site")]));
        assert!(judged(&[("host", "tape:8443"), ("origin", "https://tape:8443")]));
        assert!(!judged(&[("host", "tape:8443"), ("origin", "https://evil.example")]));
        assert!(!judged(&[("host", "tape:8443"), ("origin", "https://tape:9")]));
        assert!(!judged(&[("host", "tape:8443"), ("origin", "null")]));
        assert!(judged(&[("host", "tape:8443")]));
    }
}

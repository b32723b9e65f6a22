use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::{Auth, login::MAX_NEXT};
use crate::{
    context::turns::{Full, Turn},
    http::{
        failure::{ApiFailure, Failure},
        serve::ItsConnection,
    },
};

/// Refuses a request that changes something and was started by another site.
pub(crate) async fn same_origin(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || is_same_origin(request.headers(), request.uri()) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "This request came from another site and was refused.\n").into_response()
}

/// `Sec-Fetch-Site` says it (browsers send it to https and to loopback); else `Origin` must name this host.
/// A request with neither is no browser's, so it carries nobody's cookie unknowingly.
fn is_same_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

/// Lets a request of somebody who is logged in through, with the [`identity::WebSession`] as an extension. Sends others to
/// the login page, and from there back to where they were.
pub(crate) async fn page(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    match enter(&auth, &mut request).await {
        Ok(Some(_turn)) => next.run(request).await,
        Ok(None) => to_login(request.method(), request.uri()),
        Err(full) => full.into_response(),
    }
}

/// Lets a request of somebody who is logged in through, like [`page`]; answers others with 401.
pub(crate) async fn api(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    match enter(&auth, &mut request).await {
        Ok(Some(_turn)) => next.run(request).await,
        Ok(None) => ApiFailure::unauthenticated().into_response(),
        Err(full) => ApiFailure(full).into_response(),
    }
}

/// Whoever is logged in: the connection is theirs from now on, and the request is one of theirs while the turn is held. `None` if
/// nobody is.
async fn enter(auth: &Auth, request: &mut Request) -> Result<Option<Turn>, Failure> {
    let Some(mut login) = auth.login(request.headers()).await else { return Ok(None) };
    let peer = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
    let client = peer.and_then(|peer| auth.clients.of(peer, request.headers()));
    login.from = client.map_or_else(String::new, |client| client.to_string());
    let too_many = |what: &str| {
        let message = format!("{what} Close some pages, or try again in a moment.");
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "Too many at once", message)
    };
    if let Some(connection) = request.extensions().get::<ItsConnection>() {
        connection.let_in(&login.user).map_err(|_| too_many("Too many connections of yours are open."))?;
    }
    let turn = auth.requests.take(&login.user).map_err(|full| match full {
        Full::Person => too_many("Too many requests of yours are being answered."),
        Full::All => Failure::busy("Too many requests are being answered. Try again in a moment."),
    })?;
    request.extensions_mut().insert(login);
    Ok(Some(turn))
}

fn to_login(method: &Method, uri: &Uri) -> Response {
    let back = uri.path_and_query().map_or("/", |path| path.as_str());
    if *method != Method::GET || back == "/" || back.len() > MAX_NEXT {
        return Redirect::to("/login").into_response();
    }
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", back).finish();
    Redirect::to(&format!("/login?{next}")).into_response()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn judged(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v)));
        is_same_origin(&headers.collect(), &Uri::from_static("/logout"))
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

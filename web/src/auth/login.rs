use std::{net::SocketAddr, sync::Arc, time::Instant};

use askama::Template;
use axum::{
    Extension, Form,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, StatusCode, header};
use identity::{
    LoginRefusal, WebSession,
    users::{MAX_NAME, MAX_PASSWORD},
};
use serde::Deserialize;

use super::{Auth, cookie};
use crate::{
    context::access_journal::{AccessJournal, LoginOrigin},
    http::failure::Failure,
    pages::{
        layout::{Layout, render_with},
        visible_text::VisibleText,
    },
};

/// Bytes of a `next` address at most; a longer one is forgotten.
pub(super) const MAX_NEXT: usize = 2048;

const WRONG: &str = "That name and password do not belong together.";
const TOO_MANY: &str = "Too many attempts. Wait a quarter of an hour, or ask for a one-time link.";
const LOCKED: &str = "This account is locked out. Ask an administrator.";
const BUSY: &str = "Many people are logging in right now. Try again in a moment.";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: Layout,
    user: VisibleText,
    next: String,
    error: &'static str,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    page: Layout,
    user: Option<VisibleText>,
    action: String,
}

/// Where the login page leads.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NextParams {
    #[serde(default)]
    next: String,
}

/// What the login form sends.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    user: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// `GET /login`
pub(crate) async fn form(
    State(auth): State<Arc<Auth>>,
    Query(params): Query<NextParams>,
    headers: HeaderMap,
) -> Response {
    let next = local_address(&params.next);
    if auth.login(&headers).await.is_some() {
        return Redirect::to(next).into_response();
    }
    login_page("", next, StatusCode::OK, "")
}

/// `POST /login`
pub(crate) async fn submit(
    State(auth): State<Arc<Auth>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Response {
    let next = local_address(&given.next).to_owned();
    let user = given.user.trim().to_owned();
    if user.len() > MAX_NAME || given.password.len() > MAX_PASSWORD {
        return login_page("", &next, StatusCode::UNAUTHORIZED, WRONG);
    }
    let from = origin(&auth, peer, &headers);
    let client = from.client;
    if !auth.throttle.admit(Some(&user), client, Instant::now()) {
        journal.login_throttled(&user, "password", &from).await;
        return login_page(&user, &next, StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
    }
    let refusal = match auth.authenticator.log_in_with_password(&user, given.password).await {
        Ok(login) => {
            auth.throttle.take_back(Some(&user), client, true);
            return start(&auth, &journal, &from, login, &next).await;
        }
        Err(refusal) => refusal,
    };
    if matches!(refusal, LoginRefusal::Wrong) {
        journal.login_refused(&user, "password", &from).await;
        return login_page(&user, &next, StatusCode::UNAUTHORIZED, WRONG);
    }
    auth.throttle.take_back(Some(&user), client, false);
    match refusal {
        LoginRefusal::Locked(_) => {
            journal.login_refused(&user, "password", &from).await;
            login_page(&user, &next, StatusCode::FORBIDDEN, LOCKED)
        }
        LoginRefusal::Busy => login_page(&user, &next, StatusCode::SERVICE_UNAVAILABLE, BUSY),
        refusal => Failure::internal("cannot verify a password", refusal).into_response(),
    }
}

/// Begins a login whose credential was right, once the journal has it, and sends the person on.
async fn start(auth: &Auth, journal: &AccessJournal, from: &LoginOrigin, login: WebSession, next: &str) -> Response {
    if let Err(failure) = journal.logged_in(&login, from).await {
        return failure.into_response();
    }
    let token = auth.authenticator.start(login, Instant::now());
    ([(header::SET_COOKIE, cookie::set(&token, auth.https))], Redirect::to(next)).into_response()
}

fn origin(auth: &Auth, peer: SocketAddr, headers: &HeaderMap) -> LoginOrigin {
    let agent = headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
    LoginOrigin { client: auth.clients.of(peer.ip(), headers), agent: agent.unwrap_or_default() }
}

fn login_page(user: &str, next: &str, status: StatusCode, error: &'static str) -> Response {
    let page = Layout::bare("Log in");
    render_with(status, &LoginPage { page, user: VisibleText::new(user), next: next.to_owned(), error })
}

/// `GET /login/link/{secret}`: shows a button and uses nothing up, because chat programs fetch what is pasted. A link that is
/// not good counts as a guess.
pub(crate) async fn link(
    State(auth): State<Arc<Auth>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
    Path(secret): Path<String>,
) -> Response {
    let from = origin(&auth, peer, &headers);
    let client = from.client;
    if !auth.throttle.admit(None, client, Instant::now()) {
        return too_many_links(&journal, &from).await;
    }
    match auth.authenticator.link_user(&secret) {
        Ok(user) => {
            if user.is_some() {
                auth.throttle.take_back(None, client, false);
            }
            link_page(&secret, user.as_deref())
        }
        Err(error) => {
            auth.throttle.take_back(None, client, false);
            Failure::internal("cannot read the links", error).into_response()
        }
    }
}

/// `POST /login/link/{secret}`: logs in.
pub(crate) async fn use_link(
    State(auth): State<Arc<Auth>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
    Path(secret): Path<String>,
) -> Response {
    let from = origin(&auth, peer, &headers);
    let client = from.client;
    if !auth.throttle.admit(None, client, Instant::now()) {
        return too_many_links(&journal, &from).await;
    }
    let refusal = match auth.authenticator.log_in_with_link(&secret).await {
        Ok(login) => {
            auth.throttle.take_back(None, client, true);
            return start(&auth, &journal, &from, login, "/").await;
        }
        Err(refusal) => refusal,
    };
    if matches!(refusal, LoginRefusal::Wrong) {
        journal.login_refused("", "link", &from).await;
        return link_page(&secret, None);
    }
    auth.throttle.take_back(None, client, false);
    match refusal {
        LoginRefusal::Locked(user) => {
            journal.login_refused(&user, "link", &from).await;
            login_page(&user, "/", StatusCode::FORBIDDEN, LOCKED)
        }
        refusal => Failure::internal("cannot use the link", refusal).into_response(),
    }
}

async fn too_many_links(journal: &AccessJournal, from: &LoginOrigin) -> Response {
    journal.login_throttled("", "link", from).await;
    let message = "Too many links that are not good came from your address. Wait a quarter of an hour.";
    Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "Too many attempts", message).into_response()
}

fn link_page(secret: &str, user: Option<&str>) -> Response {
    let status = if user.is_some() { StatusCode::OK } else { StatusCode::GONE };
    let page = Layout::bare("Log in");
    let action = if user.is_some() { format!("/login/link/{secret}") } else { String::new() };
    render_with(status, &LinkPage { page, user: user.map(VisibleText::new), action })
}

/// `POST /logout`
pub(crate) async fn logout(State(auth): State<Arc<Auth>>, headers: HeaderMap) -> Response {
    if let Some(token) = cookie::token(&headers, auth.https) {
        auth.authenticator.log_out(token);
    }
    ([(header::SET_COOKIE, cookie::clear(auth.https))], Redirect::to("/login")).into_response()
}

/// An address of this site, or `/`. Browsers take `//host` and `/\host` for other sites and drop tabs and line
/// ends from addresses, so an address that is not plain is not followed.
fn local_address(next: &str) -> &str {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let plain = next.len() <= MAX_NEXT && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain && next.starts_with('/') && !path.contains("//") && !path.starts_with("/log") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_site_are_followed() {
        assert_eq!(local_address("/sessions/1?t=4#x"), "/sessions/1?t=4#x");
        assert_eq!(local_address("/search?q=%2F%2Fx"), "/search?q=%2F%2Fx");
        for evil in [
            "",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/x//y",
            "javascript:alert(1)",
            "/a b",
            "/logout",
            "/login",
            "\u{ff0f}/evil.example",
        ] {
            assert_eq!(local_address(evil), "/", "{evil:?}");
        }
    }
}

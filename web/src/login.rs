use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    Extension, Form,
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use recording::journal::JournalEvent;
use serde::Deserialize;

use crate::{
    cookie,
    failure::Failure,
    guard,
    page::{Layout, render_with},
    shown::VisibleText,
    state::{AppState as Web, Shared},
};
use identity::{
    users::{MAX_NAME, MAX_PASSWORD},
    web_sessions::{LoginMethod, WebSession},
};

/// Passwords that are hashed at a time (19 MiB and a core each); more wait.
pub(crate) const HASHING: usize = 2;

/// How long an attempt waits for its turn to be hashed; then it is told to come back.
const TURN: Duration = Duration::from_secs(5);

/// Bytes of a `next` address at most; a longer one is forgotten.
const MAX_NEXT: usize = 2048;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: Layout,
    user: VisibleText,
    next: String,
    trouble: &'static str,
}

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    page: Layout,
    user: Option<VisibleText>,
    action: String,
}

/// What a login page may be asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Next {
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
pub(crate) async fn form(State(shared): State<Shared>, Query(next): Query<Next>, headers: HeaderMap) -> Response {
    let next = local(&next.next);
    if guard::login(&shared, &headers).is_some() {
        return Redirect::to(next).into_response();
    }
    ask("", next, StatusCode::OK, "")
}

/// `POST /login`
pub(crate) async fn submit(
    State(shared): State<Shared>,
    Extension(client): Extension<SocketAddr>,
    Form(given): Form<Credentials>,
) -> Response {
    let next = local(&given.next).to_owned();
    let user = given.user.trim().to_owned();
    if user.len() > MAX_NAME || given.password.len() > MAX_PASSWORD {
        return ask("", &next, StatusCode::UNAUTHORIZED, WRONG);
    }
    if !shared.throttle.admit(&user, client.ip(), Instant::now()) {
        return ask(&user, &next, StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
    }
    match verify(&shared, &user, given.password).await {
        Ok(Some(method)) => start(&shared, client.ip(), WebSession { user, method }, &next).await,
        Ok(None) => {
            let refused = JournalEvent::Login { ok: false, method: "password".to_owned() };
            shared.journal.note(&user, refused).await;
            ask(&user, &next, StatusCode::UNAUTHORIZED, WRONG)
        }
        Err(Trouble::Busy) => ask(&user, &next, StatusCode::SERVICE_UNAVAILABLE, BUSY),
        Err(Trouble::Failed(failure)) => failure.into_response(),
    }
}

const WRONG: &str = "That name and password do not belong together.";
const TOO_MANY: &str = "Too many attempts. Wait a quarter of an hour, or ask for a one-time link.";
const BUSY: &str = "Many people are logging in right now. Try again in a moment.";

enum Trouble {
    Busy,
    Failed(Failure),
}

async fn verify(shared: &Shared, user: &str, password: String) -> Result<Option<LoginMethod>, Trouble> {
    let turn = tokio::time::timeout(TURN, Arc::clone(&shared.hashing).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Err(Trouble::Busy) };
    let (web, user): (Arc<Web>, String) = (Arc::clone(shared), user.to_owned());
    let verified = tokio::task::spawn_blocking(move || {
        let verified = web.users.verify(&user, &password);
        drop(turn);
        verified
    });
    match verified.await {
        Ok(Ok(fingerprint)) => Ok(fingerprint.map(LoginMethod::Password)),
        Ok(Err(error)) => Err(Trouble::Failed(Failure::internal("cannot verify a password", error))),
        Err(error) => Err(Trouble::Failed(Failure::internal("cannot verify a password", error))),
    }
}

async fn start(shared: &Shared, client: IpAddr, login: WebSession, next: &str) -> Response {
    let note = JournalEvent::Login { ok: true, method: login.method.word().to_owned() };
    if let Err(error) = shared.journal.note_durably(&login.user, note).await {
        return Failure::unjournalled(error).into_response();
    }
    shared.throttle.forgive(&login.user, client);
    let token = shared.logins.start(login, Instant::now());
    ([(header::SET_COOKIE, cookie::set(&token, shared.tls))], Redirect::to(next)).into_response()
}

fn ask(user: &str, next: &str, status: StatusCode, trouble: &'static str) -> Response {
    let page = Layout::bare("Log in");
    render_with(status, &LoginPage { page, user: VisibleText::new(user), next: next.to_owned(), trouble })
}

/// `GET /login/link/{secret}`: shows a button and uses nothing up, because chat programs fetch what is pasted.
pub(crate) async fn link(State(shared): State<Shared>, Path(secret): Path<String>) -> Response {
    match shared.links.user(&secret) {
        Ok(user) => show_link(&secret, user.as_deref()),
        Err(error) => Failure::internal("cannot read the links", error).into_response(),
    }
}

/// `POST /login/link/{secret}`: logs in.
pub(crate) async fn use_link(
    State(shared): State<Shared>,
    Extension(client): Extension<SocketAddr>,
    Path(secret): Path<String>,
) -> Response {
    match shared.links.take(&secret) {
        Ok(Some(user)) => {
            start(&shared, client.ip(), WebSession { user, method: LoginMethod::Link { local: false } }, "/").await
        }
        Ok(None) => {
            let refused = JournalEvent::Login { ok: false, method: "link".to_owned() };
            shared.journal.note("", refused).await;
            show_link(&secret, None)
        }
        Err(error) => Failure::internal("cannot use the link", error).into_response(),
    }
}

fn show_link(secret: &str, user: Option<&str>) -> Response {
    let status = if user.is_some() { StatusCode::OK } else { StatusCode::GONE };
    let page = Layout::bare("Log in");
    let action = if user.is_some() { format!("/login/link/{secret}") } else { String::new() };
    render_with(status, &LinkPage { page, user: user.map(VisibleText::new), action })
}

/// `POST /logout`
pub(crate) async fn logout(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(token) = cookie::token(&headers, shared.tls) {
        shared.logins.end(token);
    }
    ([(header::SET_COOKIE, cookie::clear(shared.tls))], Redirect::to("/login")).into_response()
}

/// Sends somebody to log in, and back to where they were.
pub(crate) fn send(method: &Method, uri: &Uri) -> Response {
    let back = uri.path_and_query().map_or("/", |path| path.as_str());
    if *method != Method::GET || back == "/" || back.len() > MAX_NEXT {
        return Redirect::to("/login").into_response();
    }
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", back).finish();
    Redirect::to(&format!("/login?{next}")).into_response()
}

/// An address of this site, or `/`. Browsers take `//host` and `/\host` for other sites and drop tabs and line
/// ends from addresses, so what is not plain is not followed.
fn local(next: &str) -> &str {
    let path = next.split(['?', '#']).next().unwrap_or_default();
    let plain = next.len() <= MAX_NEXT && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if plain && next.starts_with('/') && !path.contains("//") && !path.starts_with("/log") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_site_are_followed() {
        assert_eq!(local("/sessions/1?t=4#x"), "/sessions/1?t=4#x");
        assert_eq!(local("/search?q=%2F%2Fx"), "/search?q=%2F%2Fx");
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
            assert_eq!(local(evil), "/", "{evil:?}");
        }
    }
}

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
use http::{HeaderMap, StatusCode, header};
use identity::{
    UsedLink,
    users::{MAX_NAME, MAX_PASSWORD},
    web_sessions::{LoginMethod, WebSession},
};
use serde::Deserialize;

use super::{Auth, cookie};
use crate::{
    context::access_journal::AccessJournal,
    http::failure::Failure,
    pages::{
        layout::{Layout, render_with},
        visible_text::VisibleText,
    },
};

/// How long an attempt waits for its turn to be hashed; then the person is told to come back.
const HASH_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of a `next` address at most; a longer one is forgotten.
pub(super) const MAX_NEXT: usize = 2048;

const WRONG: &str = "That name and password do not belong together.";
const TOO_MANY: &str = "Too many attempts. Wait a quarter of an hour, or ask for a one-time link.";
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
    if auth.login(&headers).is_some() {
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
    let client = auth.clients.of(peer.ip(), &headers);
    if !auth.throttle.admit(&user, client, Instant::now()) {
        return login_page(&user, &next, StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
    }
    match verify(&auth, &user, given.password).await {
        Ok(Some(method)) => {
            auth.throttle.take_back(&user, client, true);
            start(&auth, &journal, client, WebSession { user, method }, &next).await
        }
        Ok(None) => {
            journal.login_refused(&user, "password", client).await;
            login_page(&user, &next, StatusCode::UNAUTHORIZED, WRONG)
        }
        Err(error) => {
            auth.throttle.take_back(&user, client, false);
            match error {
                VerifyError::Busy => login_page(&user, &next, StatusCode::SERVICE_UNAVAILABLE, BUSY),
                VerifyError::Failed(failure) => failure.into_response(),
            }
        }
    }
}

/// Why a password was neither right nor wrong.
enum VerifyError {
    /// Too many are verified at the moment.
    Busy,
    Failed(Failure),
}

async fn verify(auth: &Arc<Auth>, user: &str, password: String) -> Result<Option<LoginMethod>, VerifyError> {
    let permit = tokio::time::timeout(HASH_TIMEOUT, Arc::clone(&auth.hashing).acquire_owned()).await;
    let Ok(Ok(permit)) = permit else { return Err(VerifyError::Busy) };
    let (auth, user) = (Arc::clone(auth), user.to_owned());
    let verified = tokio::task::spawn_blocking(move || {
        let verified = auth.users.verify(&user, &password);
        drop(permit);
        verified
    });
    match verified.await {
        Ok(Ok(fingerprint)) => Ok(fingerprint.map(LoginMethod::Password)),
        Ok(Err(error)) => Err(VerifyError::Failed(Failure::internal("cannot verify a password", error))),
        Err(error) => Err(VerifyError::Failed(Failure::internal("cannot verify a password", error))),
    }
}

/// Logs somebody in who has shown who they are, and sends them on.
async fn start(
    auth: &Auth,
    journal: &AccessJournal,
    client: Option<IpAddr>,
    login: WebSession,
    next: &str,
) -> Response {
    if let Err(failure) = journal.logged_in(&login, client).await {
        return failure.into_response();
    }
    let token = auth.logins.start(login, Instant::now());
    ([(header::SET_COOKIE, cookie::set(&token, auth.https))], Redirect::to(next)).into_response()
}

fn login_page(user: &str, next: &str, status: StatusCode, error: &'static str) -> Response {
    let page = Layout::bare("Log in");
    render_with(status, &LoginPage { page, user: VisibleText::new(user), next: next.to_owned(), error })
}

/// `GET /login/link/{secret}`: shows a button and uses nothing up, because chat programs fetch what is pasted.
pub(crate) async fn link(State(auth): State<Arc<Auth>>, Path(secret): Path<String>) -> Response {
    match auth.links.user(&secret) {
        Ok(user) => link_page(&secret, user.as_deref()),
        Err(error) => Failure::internal("cannot read the links", error).into_response(),
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
    let client = auth.clients.of(peer.ip(), &headers);
    let method = match auth.links.take(&secret) {
        Ok(Some(used)) => link_login(&auth, used),
        Ok(None) => {
            journal.login_refused("", "link", client).await;
            return link_page(&secret, None);
        }
        Err(error) => return Failure::internal("cannot use the link", error).into_response(),
    };
    match method {
        Ok(login) => start(&auth, &journal, client, login, "/").await,
        Err(failure) => failure.into_response(),
    }
}

/// The login that a used link makes, with what must stay as it is for the login to stay good.
fn link_login(auth: &Auth, UsedLink { user, revocations }: UsedLink) -> Result<WebSession, Failure> {
    let fingerprint = auth.users.fingerprint(&user);
    let fingerprint = fingerprint.map_err(|error| Failure::internal("cannot read the users", error))?;
    Ok(WebSession { user, method: LoginMethod::Link { revocations, had_password: fingerprint.is_some() } })
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
        auth.logins.end(token);
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

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;
use jiff::Timestamp;
use listener::TrustedProxies;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    auth::{Auth, guard, login},
    http::{
        assets,
        failure::Failure,
        headers,
        serve::{self, Arrivals},
        tls::Tls,
    },
    live::{end, lock},
    pages,
    state::{AppState, Settings},
};

/// Bytes of a form at most.
const MAX_FORM_BYTES: usize = 64 * 1024;

/// From a request's head to its response's head, forms included.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The web: pages under `/`, the API under `/api/v1`.
pub struct Web {
    settings: Settings,
    /// Before the gateway of this process takes its first session.
    started: Timestamp,
}

impl Web {
    /// Takes the settings; nothing runs yet. Sessions of the gateway of that name that began before this, and have no
    /// end, are shown as lost: make it before that gateway serves.
    pub fn new(settings: Settings) -> Self {
        Self { settings, started: Timestamp::now() }
    }

    /// Serves until `shutdown`, over TLS if it is given; then lets running requests end (5 s).
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; connections that were accepted go on without an end of their own.
    pub async fn serve(self, listener: TcpListener, tls: Option<Tls>, shutdown: CancellationToken) {
        let heads = self.settings.heads.clone();
        let proxy_protocol = if self.settings.proxy_protocol {
            self.settings.trusted_proxies.clone()
        } else {
            TrustedProxies::default()
        };
        let state = AppState::new(self.settings, self.started, tls.is_some(), shutdown.clone());
        let (auth, journal) = (Arc::clone(&state.auth), Arc::clone(&state.journal));
        let arrivals = Arrivals::at_pages(heads, proxy_protocol, move |peer| auth.clients().of_connection(peer));
        let serve = serve::serve(router(state), listener, tls.map(Arc::new), arrivals, shutdown.clone());
        tokio::join!(serve, journal.sum_up_logins(shutdown));
    }
}

/// All addresses. A layer wraps the routes before it, so the last one sees a request first.
fn router(state: AppState) -> Router {
    Router::new()
        .merge(pages(&state.auth))
        .nest("/api/v1", api::routes(&state.auth))
        .route("/login", get(login::form).post(login::submit))
        .route("/login/link/{secret}", get(login::link).post(login::use_link))
        .route("/logout", post(login::logout))
        .route("/assets/{digest}/{*path}", get(assets::serve))
        .route("/favicon.ico", get(|| async { Redirect::permanent(&assets::url("icon.svg")) }))
        .fallback(|| async { Failure::not_found("There is no such page.") })
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(from_fn(in_time))
        .layer(from_fn(guard::same_origin))
        .layer(from_fn_with_state(state.https, headers::secure))
        .with_state(state)
}

/// The pages behind the login.
fn pages(auth: &Arc<Auth>) -> Router<AppState> {
    Router::new()
        .route("/", get(pages::sessions::list))
        .route("/sessions", get(pages::sessions::list))
        .route("/sessions/{id}", get(pages::session::page))
        .route("/sessions/{id}/end", post(end::submit))
        .route("/sessions/{id}/lock", post(lock::submit_lock))
        .route("/sessions/{id}/unlock", post(lock::submit_unlock))
        .route("/sessions/{id}/text", get(pages::text::page))
        .route("/search", get(pages::search::page))
        .route("/requests", get(pages::search::requests))
        .route("/journal", get(pages::journal::page))
        .route_layer(from_fn_with_state(Arc::clone(auth), guard::page))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(RESPONSE_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = "The answer took too long. Try a narrower question.";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "Not in time", message).into_response()
        }
    }
}

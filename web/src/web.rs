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
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    Settings, api,
    auth::guard,
    auth::login,
    http::assets,
    http::failure::Failure,
    http::serve,
    live::end,
    pages,
    state::{AppState, Shared},
};

/// Bytes of a form at most.
const MAX_FORM: usize = 64 * 1024;

/// From a request's head to its response's head, forms included.
const ANSWER: Duration = Duration::from_secs(60);

/// The web: pages under `/`, the API under `/api/v1`.
pub struct Web {
    settings: Settings,
    /// Before the gateway of this process takes its first session.
    since: Timestamp,
}

impl Web {
    /// Takes the settings; nothing runs yet. Sessions of the gateway of that name that began before this, and have no
    /// end, are shown as lost: make it before that gateway serves.
    pub fn new(settings: Settings) -> Self {
        Self { settings, since: Timestamp::now() }
    }

    /// Serves until `shutdown`, over TLS when given a configuration; then lets running requests end (5 s).
    pub async fn serve(self, listener: TcpListener, tls: Option<Arc<ServerConfig>>, shutdown: CancellationToken) {
        let state = AppState::new(self.settings, self.since, tls.is_some(), shutdown.clone());
        serve::serve(router(state), listener, tls, shutdown).await;
    }
}

/// All addresses. A layer wraps the routes before it, so the last one sees a request first.
pub(crate) fn router(state: Shared) -> Router {
    Router::new()
        .merge(inside(&state))
        .nest("/api/v1", api::routes(&state))
        .route("/login", get(login::form).post(login::submit))
        .route("/login/link/{secret}", get(login::link).post(login::use_link))
        .route("/logout", post(login::logout))
        .route("/assets/{digest}/{*path}", get(assets::serve))
        .route("/favicon.ico", get(|| async { Redirect::permanent(&assets::url("icon.svg")) }))
        .fallback(|| async { Failure::not_found("There is no such page.") })
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(from_fn(in_time))
        .layer(from_fn(guard::same_origin))
        .layer(from_fn_with_state(Arc::clone(&state), guard::headers))
        .with_state(state)
}

/// What only those see who are logged in.
fn inside(state: &Shared) -> Router<Shared> {
    Router::new()
        .route("/", get(pages::sessions::list))
        .route("/sessions", get(pages::sessions::list))
        .route("/sessions/{id}", get(pages::session::page))
        .route("/sessions/{id}/end", post(end::submit))
        .route("/sessions/{id}/text", get(pages::text::page))
        .route("/search", get(pages::search::page))
        .route("/requests", get(pages::search::requests))
        .route("/journal", get(pages::journal::page))
        .route_layer(from_fn_with_state(Arc::clone(state), guard::page))
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = "The answer took too long. Try a narrower question.";
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "Not in time", message).into_response()
        }
    }
}

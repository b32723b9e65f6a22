//! `/api/v1`: what the pages show, as JSON. `docs/api.md` describes it.

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    middleware::from_fn_with_state,
    routing::{get, post},
};
use player::{FindResult, Segment, SegmentIndex};
use recording::{CommandSource, Manifest, cast::SessionMetadata};
use search::{Hits, SessionRow};
use serde::{Deserialize, Serialize};

use crate::{
    api::download::download,
    auth::guard,
    context::commands,
    http::failure::{ApiFailure, Failure},
    live::end::end,
    live::watch,
    pages::filters::Filters,
    state::{Shared, recording, unplayable, unreadable},
};
use identity::web_sessions::WebSession;

mod download;

type Answer<T> = Result<Json<T>, ApiFailure>;

/// The API's addresses, for who is logged in.
pub(crate) fn routes(state: &Shared) -> Router<Shared> {
    Router::new()
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", get(session))
        .route("/sessions/{id}/commands", get(list_commands))
        .route("/sessions/{id}/download", get(download))
        .route("/sessions/{id}/find", get(find))
        .route("/sessions/{id}/live", get(watch::watch))
        .route("/sessions/{id}/end", post(end))
        .route("/sessions/{id}/player/index.json", get(index))
        .route("/sessions/{id}/player/{segment}", get(segment))
        .route("/search", get(search))
        .fallback(|| async { ApiFailure(Failure::not_found("There is no such address in the API.")) })
        .layer(from_fn_with_state(state.clone(), guard::api))
}

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<SessionRow>,
    /// Of the page after this one, for `after=`.
    next: Option<String>,
    total: usize,
}

async fn sessions(State(shared): State<Shared>, Query(filters): Query<Filters>) -> Answer<Sessions> {
    let filter = filters.sessions()?;
    let page = shared.find(move |index| index.sessions(&filter)).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(Sessions { sessions: page.rows, next, total: page.total }))
}

#[derive(Serialize)]
struct OneSession {
    session: SessionMetadata,
    /// None while no end is recorded.
    manifest: Option<Manifest>,
}

async fn session(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> Answer<OneSession> {
    let id = recording(&id)?;
    let summary = shared.recordings.summary(id).await.map_err(unreadable)?;
    shared.viewing(&login, id).await?;
    Ok(Json(OneSession { session: summary.header.kubetape, manifest: summary.manifest }))
}

#[derive(Serialize)]
struct OneCommand {
    /// Seconds from the recording's start.
    offset: f64,
    source: CommandSource,
    text: String,
}

async fn list_commands(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> Answer<Vec<OneCommand>> {
    let id = recording(&id)?;
    let summary = shared.player.summary(id).await.map_err(unreadable)?;
    shared.viewing(&login, id).await?;
    let (commands, _) = commands::of(&shared, id, summary.manifest.as_ref()).await?;
    let one = |command: recording::Command| OneCommand {
        offset: command.micros as f64 / 1e6,
        source: command.source,
        text: command.text,
    };
    Ok(Json(commands.into_iter().map(one).collect()))
}

#[derive(Deserialize)]
struct FindParams {
    q: String,
}

async fn find(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    Query(sought): Query<FindParams>,
) -> Answer<FindResult> {
    let id = recording(&id)?;
    if sought.q.trim().is_empty() || sought.q.len() > 500 {
        return Err(Failure::invalid("q is the text to find: 1 to 500 bytes.").into());
    }
    let turn = shared.exports.clone().try_acquire_owned().map_err(|_| crate::api::download::busy())?;
    shared.viewing(&login, id).await?;
    let found = shared.player.find(id, sought.q.trim()).await.map_err(unplayable)?;
    drop(turn);
    Ok(Json(found))
}

async fn index(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> Answer<SegmentIndex> {
    let id = recording(&id)?;
    let index = shared.player.index(id).await.map_err(unplayable)?;
    shared.viewing(&login, id).await?;
    Ok(Json(index))
}

#[derive(Deserialize)]
struct SegmentParams {
    end: Option<u64>,
}

async fn segment(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path((id, segment)): Path<(String, String)>,
    Query(until): Query<SegmentParams>,
) -> Answer<Segment> {
    let id = recording(&id)?;
    let number = segment.strip_suffix(".json").and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| Failure::not_found("There is no such segment."))?;
    shared.viewing(&login, id).await?;
    Ok(Json(shared.player.segment(id, number, until.end).await.map_err(unplayable)?))
}

async fn search(State(shared): State<Shared>, Query(filters): Query<Filters>) -> Answer<Hits> {
    let query = filters.query()?;
    Ok(Json(shared.find(move |index| index.search(&query)).await?))
}

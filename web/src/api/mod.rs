//! `/api/v1`: what the pages show, as JSON. `docs/api.md` describes it.

mod bundle;
mod download;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Extension, Json, Router,
    extract::{Path, Query, State},
    middleware::from_fn_with_state,
    routing::{get, post},
};
use identity::WebSession;
use player::{FindResult, Segment, SegmentIndex};
use recording::{CommandSource, Manifest, Micros, RecordingId, cast::SessionMetadata};
use search::{Hits, SessionRow};
use serde::{Deserialize, Serialize};
use verify::Inspection;

use self::{bundle::bundle, download::download};
use crate::{
    auth::{Auth, guard},
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unplayable, unreadable},
        inspector::INSPECTED_WITHIN,
        searcher::Searcher,
    },
    http::failure::{ApiFailure, Failure},
    live::{
        end::end,
        lock::{lock, unlock},
        watch::watch,
    },
    pages::filters::Filters,
    state::AppState,
};

type ApiResult<T> = Result<Json<T>, ApiFailure>;

/// The API's addresses, all behind the login.
pub(crate) fn routes(auth: &Arc<Auth>) -> Router<AppState> {
    Router::new()
        .route("/sessions", get(sessions))
        .route("/sessions/{id}", get(session))
        .route("/sessions/{id}/bundle", get(bundle))
        .route("/sessions/{id}/commands", get(list_commands))
        .route("/sessions/{id}/download", get(download))
        .route("/sessions/{id}/find", get(find))
        .route("/sessions/{id}/live", get(watch))
        .route("/sessions/{id}/end", post(end))
        .route("/sessions/{id}/player/index.json", get(index))
        .route("/sessions/{id}/player/{segment}", get(segment))
        .route("/people/{name}/lock", post(lock))
        .route("/people/{name}/unlock", post(unlock))
        .route("/search", get(search))
        .fallback(|| async { ApiFailure(Failure::not_found("There is no such address in the API.")) })
        .layer(from_fn_with_state(Arc::clone(auth), guard::api))
}

#[derive(Serialize)]
struct SessionsReply {
    sessions: Vec<SessionRow>,
    /// Where the next page begins, for `after=`; null on the last one.
    next: Option<String>,
    total: usize,
    /// What the recordings are worth, by id; `not verified yet` of those that are still being checked.
    evidence: BTreeMap<RecordingId, &'static str>,
}

async fn sessions(
    State(searcher): State<Arc<Searcher>>,
    State(evidence): State<Arc<Evidence>>,
    Query(filters): Query<Filters>,
) -> ApiResult<SessionsReply> {
    let filter = filters.sessions()?;
    let page = searcher.sessions(&filter).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    let evidence = labels(&evidence, page.rows.iter().map(|row| row.id).collect()).await;
    Ok(Json(SessionsReply { sessions: page.rows, next, total: page.total, evidence }))
}

/// What recordings are worth, in words.
async fn labels(evidence: &Evidence, ids: BTreeSet<RecordingId>) -> BTreeMap<RecordingId, &'static str> {
    let standings = evidence.inspector.standings(ids.iter().copied(), INSPECTED_WITHIN).await;
    let label = |id| standings.get(&id).map_or("not verified yet", |standing| standing.label());
    ids.into_iter().map(|id| (id, label(id))).collect()
}

#[derive(Serialize)]
struct SessionReply {
    session: SessionMetadata,
    /// Null while no end is recorded.
    manifest: Option<Manifest>,
    /// What it is worth, and what is wrong with it.
    evidence: Arc<Inspection>,
}

async fn session(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> ApiResult<SessionReply> {
    let id = parse_id(&id)?;
    let summary = evidence.recordings.summary(id).await.map_err(unreadable)?;
    journal.viewed(&login, id).await?;
    let inspection = evidence.inspect(id).await;
    Ok(Json(SessionReply { session: summary.header.kubetape, manifest: summary.manifest, evidence: inspection }))
}

#[derive(Serialize)]
struct CommandReply {
    /// Seconds from the recording's start.
    offset: f64,
    source: CommandSource,
    text: String,
}

async fn list_commands(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> ApiResult<Vec<CommandReply>> {
    let id = parse_id(&id)?;
    let summary = evidence.player.summary(id).await.map_err(unreadable)?;
    journal.viewed(&login, id).await?;
    let found = evidence.commands(id, summary.manifest.as_ref()).await?;
    let reply = |command: recording::Command| CommandReply {
        offset: command.time.as_secs_f64(),
        source: command.source,
        text: command.text,
    };
    Ok(Json(found.commands.into_iter().map(reply).collect()))
}

#[derive(Deserialize)]
struct FindParams {
    q: String,
}

async fn find(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    Query(params): Query<FindParams>,
) -> ApiResult<FindResult> {
    let id = parse_id(&id)?;
    if params.q.trim().is_empty() || params.q.len() > 500 {
        return Err(Failure::invalid("q is the text to find: 1 to 500 bytes.").into());
    }
    let turn = evidence.export_turn(&login.user)?;
    journal.viewed(&login, id).await?;
    let found = evidence.player.find(id, params.q.trim()).await.map_err(unplayable)?;
    drop(turn);
    Ok(Json(found))
}

async fn index(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> ApiResult<SegmentIndex> {
    let id = parse_id(&id)?;
    let index = evidence.player.index(id).await.map_err(unplayable)?;
    journal.viewed(&login, id).await?;
    Ok(Json(index))
}

#[derive(Deserialize)]
struct SegmentParams {
    end: Option<Micros>,
}

async fn segment(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path((id, segment)): Path<(String, String)>,
    Query(params): Query<SegmentParams>,
) -> ApiResult<Segment> {
    let id = parse_id(&id)?;
    let number = segment.strip_suffix(".json").and_then(|number| number.parse().ok());
    let number = number.ok_or_else(|| Failure::not_found("There is no such segment."))?;
    journal.viewed(&login, id).await?;
    Ok(Json(evidence.player.segment(id, number, params.end).await.map_err(unplayable)?))
}

#[derive(Serialize)]
struct SearchReply {
    #[serde(flatten)]
    found: Hits,
    /// What the recordings of the hits are worth, by id; `not verified yet` of those that are still being checked.
    evidence: BTreeMap<RecordingId, &'static str>,
}

async fn search(
    State(searcher): State<Arc<Searcher>>,
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> ApiResult<SearchReply> {
    let query = filters.query()?;
    let asked = query.clone();
    let found = searcher.search(&asked).await?;
    journal.searched(&login, &query, &found).await?;
    let evidence = labels(&evidence, found.hits.iter().filter_map(|hit| hit.session).collect()).await;
    Ok(Json(SearchReply { found, evidence }))
}

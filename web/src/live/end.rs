//! Ending a live session: the one thing that pages and API change.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Form, Json,
    extract::{
        Path, State,
        rejection::{FormRejection, JsonRejection},
    },
    response::{IntoResponse, Redirect, Response},
};
use futures_util::future::BoxFuture;
use http::StatusCode;
use identity::WebSession;
use recording::{RecordingId, journal::Actor};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Live;
use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id},
        searcher::sentence,
        site::Site,
    },
    http::failure::{ApiFailure, Failure},
    pages::session::{self, EndError, SessionContext},
};

/// Ends a live session of the gateway in this process. Its arguments are the person who asks, the session and the reason.
///
/// The future resolves when the session is over, or was told to end and is not over yet. It yields [`EndStored`], or `None`
/// if the session is not under way at that gateway. An error says what is wrong with the reason.
///
/// # Cancel safety
/// Dropping the future does not take back the end.
pub type EndSession =
    Arc<dyn Fn(Actor, RecordingId, String) -> BoxFuture<'static, Result<Option<EndStored>, String>> + Send + Sync>;

/// Resolves when the store has the session's end.
pub type EndStored = BoxFuture<'static, ()>;

/// How long the answer to the form waits for the end to be stored.
const STORED_TIMEOUT: Duration = Duration::from_secs(3);

const NOT_HERE: &str = "This session is not under way at the gateway of this process.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndRequest {
    reason: String,
}

#[derive(Serialize)]
pub(crate) struct EndReply {
    ended: RecordingId,
}

/// `POST /api/v1/sessions/{id}/end`: answers when the session is over.
pub(crate) async fn end(
    State(live): State<Arc<Live>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    request: Result<Json<EndRequest>, JsonRejection>,
) -> Result<Json<EndReply>, ApiFailure> {
    let id = parse_id(&id)?;
    let Json(request) = request.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    match live.end(&login, id, request.reason).await {
        Ok(Some(_)) => Ok(Json(EndReply { ended: id })),
        Ok(None) => Err(Failure::not_found(NOT_HERE).into()),
        Err(reason) => Err(Failure::invalid(reason).into()),
    }
}

/// `POST /sessions/{id}/end`: the form of the session's page. An error is shown beside the form, and what was written
/// there stays.
///
/// The answer waits until the store has the session's end, so that the page says who ended it and why. If that takes
/// long, the page shows the live view, which says that the session is over.
pub(crate) async fn submit(
    State(live): State<Arc<Live>>,
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    request: Result<Form<EndRequest>, FormRejection>,
) -> Result<Response, Failure> {
    let id = parse_id(&id)?;
    let Form(request) = request.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    let message = match live.end(&login, id, request.reason.clone()).await {
        Ok(Some(stored)) => {
            let _ = timeout(STORED_TIMEOUT, stored).await;
            return Ok(Redirect::to(&format!("/sessions/{id}")).into_response());
        }
        Ok(None) => "It is not under way here any more: it may have ended a moment ago.".to_owned(),
        Err(wrong) => sentence(&wrong),
    };
    let context = SessionContext { evidence, journal, site };
    let mut page = session::not_ended(&context, &login, id, EndError { message, reason: request.reason }).await?;
    *page.status_mut() = StatusCode::BAD_REQUEST;
    Ok(page)
}

impl Live {
    /// See [`EndSession`].
    async fn end(&self, login: &WebSession, id: RecordingId, reason: String) -> Result<Option<EndStored>, String> {
        match &self.end_session {
            Some(end) => end(login.actor(), id, reason).await,
            None => Ok(None),
        }
    }
}

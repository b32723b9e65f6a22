//! Ending a live session: the one thing that pages and API change.

use std::time::Duration;

use axum::{
    Extension, Form, Json,
    extract::{
        Path, State,
        rejection::{FormRejection, JsonRejection},
    },
    response::{IntoResponse, Redirect, Response},
};
use http::StatusCode;
use recording::RecordingId;
use serde::{Deserialize, Serialize};

use crate::{
    http::failure::{ApiFailure, Failure},
    pages::session,
    state::{Shared, recording, sentence},
};
use identity::web_sessions::WebSession;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ending {
    reason: String,
}

#[derive(Serialize)]
pub(crate) struct Ended {
    ended: RecordingId,
}

/// Answers when the session is over.
pub(crate) async fn end(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    ending: Result<Json<Ending>, JsonRejection>,
) -> Result<Json<Ended>, ApiFailure> {
    let id = recording(&id)?;
    let Json(ending) = ending.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    match at_gateway(&shared, &login, id, ending.reason).await {
        Ok(true) => Ok(Json(Ended { ended: id })),
        Ok(false) => Err(Failure::not_found(NOT_HERE).into()),
        Err(reason) => Err(Failure::invalid(reason).into()),
    }
}

/// `POST /sessions/{id}/end`: the form of the session's page. What goes wrong is said beside the form, and what was
/// written there stays.
pub(crate) async fn submit(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    ending: Result<Form<Ending>, FormRejection>,
) -> Result<Response, Failure> {
    let id = recording(&id)?;
    let Form(ending) = ending.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    let trouble = match at_gateway(&shared, &login, id, ending.reason.clone()).await {
        Ok(true) => {
            told(&shared, id).await;
            return Ok(Redirect::to(&format!("/sessions/{id}")).into_response());
        }
        Ok(false) => "It is not under way here any more: it may have ended a moment ago.".to_owned(),
        Err(wrong) => sentence(&wrong),
    };
    let mut page = session::not_ended(&shared, &login, id, trouble, ending.reason).await?;
    *page.status_mut() = StatusCode::BAD_REQUEST;
    Ok(page)
}

/// Waits until the store has the session's end, so that the page says who ended it and why. Where that takes long, the
/// page shows the live view, which says that it is over.
async fn told(shared: &Shared, id: RecordingId) {
    let stored = async {
        while !matches!(shared.recordings.manifest(id).await, Ok(Some(_))) {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(STORED, stored).await;
}

/// How long is waited for the end in the store, and between two looks.
const STORED: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(50);

const NOT_HERE: &str = "This session is not under way at the gateway of this process.";

/// False where the session is not under way at this process's gateway.
async fn at_gateway(shared: &Shared, login: &WebSession, id: RecordingId, reason: String) -> Result<bool, String> {
    match &shared.end_session {
        Some(end) => end(login.user.clone(), id, reason).await,
        None => Ok(false),
    }
}

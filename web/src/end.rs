//! Ending a live session: the one thing that the API changes.

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::JsonRejection},
};
use serde::{Deserialize, Serialize};
use storage::RecordingId;

use crate::{
    failure::{ApiFailure, Failure},
    logins::Login,
    state::{Shared, recording},
};

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
    Extension(login): Extension<Login>,
    Path(id): Path<String>,
    ending: Result<Json<Ending>, JsonRejection>,
) -> Result<Json<Ended>, ApiFailure> {
    let id = recording(&id)?;
    let Json(ending) = ending.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    let not_here = || Failure::not_found("This session is not under way at the gateway of this process.");
    let end = shared.end_session.as_ref().ok_or_else(not_here)?;
    match end(login.user.clone(), id, ending.reason).await {
        Ok(true) => Ok(Json(Ended { ended: id })),
        Ok(false) => Err(not_here().into()),
        Err(reason) => Err(Failure::invalid(reason).into()),
    }
}

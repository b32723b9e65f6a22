//! Shutting a person out, and letting them in again.

use std::sync::Arc;

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

use super::Live;
use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unreadable},
        searcher::sentence,
        site::Site,
    },
    http::failure::{ApiFailure, Failure},
    pages::session::{self, EndError, SessionContext},
};

/// Shuts people out of this process's gateway, and lets them in again. Each journals what it does.
///
/// # Cancel safety
/// Dropping a future does not take back what it does.
pub trait PeopleLocks: Send + Sync {
    /// Refuses all credentials of `person`, and ends what they have under way. `by` is who asks for it. An error says what is
    /// wrong with the reason, or why it was not done.
    fn lock(&self, by: Actor, person: String, reason: String) -> BoxFuture<'static, Result<Ended, String>>;

    /// Lets `person` in again; `false` if they were not shut out.
    fn unlock(&self, by: Actor, person: String) -> BoxFuture<'static, Result<bool, String>>;
}

/// What was ended of a person who was shut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Recorded sessions.
    pub sessions: u64,
    /// Answers that stay open: watches, logs that are followed.
    pub streams: u64,
}

const NO_GATEWAY: &str = "No gateway runs in this process.";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LockRequest {
    reason: String,
}

#[derive(Serialize)]
pub(crate) struct UnlockReply {
    unlocked: String,
}

/// `POST /api/v1/people/{name}/lock`
pub(crate) async fn lock(
    State(live): State<Arc<Live>>,
    Extension(login): Extension<WebSession>,
    Path(person): Path<String>,
    request: Result<Json<LockRequest>, JsonRejection>,
) -> Result<Json<Ended>, ApiFailure> {
    let Json(request) = request.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    Ok(Json(live.lock(&login, person, request.reason).await.map_err(Failure::invalid)?))
}

/// `POST /api/v1/people/{name}/unlock`
pub(crate) async fn unlock(
    State(live): State<Arc<Live>>,
    Extension(login): Extension<WebSession>,
    Path(person): Path<String>,
) -> Result<Json<UnlockReply>, ApiFailure> {
    match live.unlock(&login, person.clone()).await.map_err(Failure::invalid)? {
        true => Ok(Json(UnlockReply { unlocked: person })),
        false => Err(Failure::not_found("This person is not locked out.").into()),
    }
}

/// `POST /sessions/{id}/lock`: the form of the page of one of the person's sessions. An error is shown beside the form.
pub(crate) async fn submit_lock(
    State(live): State<Arc<Live>>,
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    request: Result<Form<LockRequest>, FormRejection>,
) -> Result<Response, Failure> {
    let id = parse_id(&id)?;
    let Form(request) = request.map_err(|wrong| Failure::invalid(wrong.body_text()))?;
    let person = person_of(&evidence, id).await?;
    let Err(wrong) = live.lock(&login, person, request.reason.clone()).await else {
        return Ok(Redirect::to(&format!("/sessions/{id}")).into_response());
    };
    let context = SessionContext { evidence, journal, site };
    let error = EndError { message: sentence(&wrong), reason: request.reason };
    let mut page = session::not_ended(&context, &login, id, error).await?;
    *page.status_mut() = StatusCode::BAD_REQUEST;
    Ok(page)
}

/// `POST /sessions/{id}/unlock`
pub(crate) async fn submit_unlock(
    State(live): State<Arc<Live>>,
    State(evidence): State<Arc<Evidence>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse_id(&id)?;
    let person = person_of(&evidence, id).await?;
    // Somebody may have been quicker: they are let in all the same.
    live.unlock(&login, person).await.map_err(Failure::invalid)?;
    Ok(Redirect::to(&format!("/sessions/{id}")).into_response())
}

async fn person_of(evidence: &Evidence, id: RecordingId) -> Result<String, Failure> {
    let header = evidence.recordings.header(id).await.map_err(unreadable)?;
    Ok(header.kubetape.principal.name)
}

impl Live {
    async fn lock(&self, login: &WebSession, person: String, reason: String) -> Result<Ended, String> {
        match &self.people_locks {
            // Nobody could let them in again by the pages.
            Some(_) if person == login.user => Err("that is yourself: ask somebody else".to_owned()),
            Some(locks) => locks.lock(login.actor(), person, reason).await,
            None => Err(NO_GATEWAY.to_owned()),
        }
    }

    async fn unlock(&self, login: &WebSession, person: String) -> Result<bool, String> {
        match &self.people_locks {
            Some(locks) => locks.unlock(login.actor(), person).await,
            None => Err(NO_GATEWAY.to_owned()),
        }
    }
}

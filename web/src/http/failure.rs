use std::{error::Error, ops::Range};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use recording::ErrorChain;
use serde::Serialize;

/// Why a request was not answered as it was meant. What went wrong inside is logged, not shown.
///
/// As a response it is a page (see `pages::layout`); as an [`ApiFailure`] it is JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) title: &'static str,
    pub(crate) message: String,
    kind: &'static str,
    /// The characters of the search that cannot be read; `None` if the failure is about something else.
    place: Option<Range<usize>>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, kind: &'static str, title: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, title, message: message.into(), place: None }
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "That cannot be answered", message)
    }

    /// The search cannot be read; `place` says which characters of it are wrong.
    pub(crate) fn invalid_query(message: String, place: Option<Range<usize>>) -> Self {
        Self { place, ..Self::invalid(message) }
    }

    /// A bound of this process is reached; the same request may work in a moment.
    pub(crate) fn busy(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not possible right now", message)
    }

    /// Something of ours failed: the log has it with its sources.
    pub(crate) fn internal(doing: &'static str, error: impl Error + 'static) -> Self {
        tracing::error!(error = %ErrorChain(&error), "{doing}");
        let message = "Something failed on our side. It is in the log of the web process.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "This did not work", message)
    }

    /// The journal did not take an entry, so what it would have told of does not happen.
    pub(crate) fn unjournalled(error: impl Error + 'static) -> Self {
        tracing::error!(error = %ErrorChain(&error), "the journal cannot be written");
        Self::busy(
            "Logging in, searching and opening a recording are journalled, and the journal cannot be written now. \
             Try again in a moment; the log of the web process says more.",
        )
    }
}

/// A [`Failure`] as the API tells it: `{"error": kind, "message": text}`. If a search cannot be read there is also
/// `"place": {"start", "end"}`, in characters of the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiFailure(pub(crate) Failure);

impl ApiFailure {
    pub(crate) fn unauthenticated() -> Self {
        let message = "Log in first: the API takes the same cookie as the pages.";
        Self(Failure::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Log in", message))
    }
}

impl From<Failure> for ApiFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

#[derive(Serialize)]
struct FailureBody<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a Range<usize>>,
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        let Self(failure) = self;
        let body = FailureBody { error: failure.kind, message: &failure.message, place: failure.place.as_ref() };
        (failure.status, Json(body)).into_response()
    }
}

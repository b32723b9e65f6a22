use std::{error::Error, ops::Range};

use askama::Template;
use axum::{
    Json,
    response::{Html, IntoResponse, Response},
};
use http::StatusCode;
use serde::Serialize;

use crate::pages::layout::Layout;

/// Why a request was not answered as it was meant. What went wrong inside is logged, not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    message: String,
    /// Of a search that is not one: from which to which character of it.
    place: Option<Range<usize>>,
}

impl Failure {
    pub(crate) fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", "That cannot be answered", message)
    }

    /// A search that is not one.
    pub(crate) fn unclear(message: String, place: Option<Range<usize>>) -> Self {
        Self { place, ..Self::invalid(message) }
    }

    /// Something of ours failed: logged with its sources.
    pub(crate) fn internal(doing: &'static str, error: impl Error) -> Self {
        tracing::error!(error = chain(&error), "{doing}");
        let message = "Something failed on our side. It is in the log of the web process.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "This did not work", message)
    }

    /// What cannot be journalled is not shown.
    pub(crate) fn unjournalled(error: impl Error) -> Self {
        tracing::error!(error = chain(&error), "the journal cannot be written");
        let message = "Logging in and opening a recording are journalled, and the journal cannot be written now. \
                       Try again in a moment; the log of the web process says more.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not possible right now", message)
    }

    pub(crate) fn new(status: StatusCode, kind: &'static str, title: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, title, message: message.into(), place: None }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    page: Layout,
    status: u16,
    title: &'a str,
    message: &'a str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = FailurePage {
            page: Layout::bare(self.title),
            status: self.status.as_u16(),
            title: self.title,
            message: &self.message,
        };
        match page.render() {
            Ok(html) => (self.status, Html(html)).into_response(),
            Err(_) => (self.status, self.message).into_response(),
        }
    }
}

/// A [`Failure`] as the API tells it: `{"error": kind, "message": text}`; of a search that is not one also
/// `"place": {"start", "end"}`, in characters of it.
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
struct Body<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a Range<usize>>,
}

impl IntoResponse for ApiFailure {
    fn into_response(self) -> Response {
        (self.0.status, Json(Body { error: self.0.kind, message: &self.0.message, place: self.0.place.as_ref() }))
            .into_response()
    }
}

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;

use crate::{http::failure::Failure, pages::visible_text::VisibleText, state::AppState};
use identity::web_sessions::WebSession;

/// What stands around every page.
pub(crate) struct Layout {
    /// Of the window; with ` · Kubetape` after it.
    pub(crate) title: String,
    /// Who is logged in.
    pub(crate) user: Option<VisibleText>,
    /// Which part of the site it is.
    pub(crate) part: Part,
    /// The gateway's name, at the foot.
    pub(crate) gateway: VisibleText,
}

/// A part of the site, as the navigation shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Sessions,
    Search,
    Requests,
    Journal,
    None,
}

impl Layout {
    pub(crate) fn new(state: &AppState, login: &WebSession, part: Part, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            user: Some(VisibleText::clipped(&login.user, 60)),
            part,
            gateway: VisibleText::new(&state.gateway_name),
        }
    }

    /// For people who are not logged in: says nothing of the gateway.
    pub(crate) fn bare(title: &str) -> Self {
        Self { title: title.to_owned(), user: None, part: Part::None, gateway: VisibleText::default() }
    }

    pub(crate) fn sessions(&self) -> bool {
        self.part == Part::Sessions
    }

    pub(crate) fn search(&self) -> bool {
        self.part == Part::Search
    }

    pub(crate) fn requests(&self) -> bool {
        self.part == Part::Requests
    }

    pub(crate) fn journal(&self) -> bool {
        self.part == Part::Journal
    }
}

/// A page as a response.
pub(crate) fn render<T: Template>(page: &T) -> Response {
    render_with(StatusCode::OK, page)
}

/// A page as a response with a status.
pub(crate) fn render_with<T: Template>(status: StatusCode, page: &T) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => Failure::internal("cannot render a page", error).into_response(),
    }
}

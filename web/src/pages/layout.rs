use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use identity::WebSession;

use super::visible_text::VisibleText;
use crate::http::failure::Failure;

/// What stands around every page.
pub(crate) struct Layout {
    /// The window's title; the template adds ` · Kubetape`.
    pub(crate) title: String,
    /// Who is logged in.
    pub(crate) user: Option<VisibleText>,
    /// Which item of the navigation the page belongs to.
    pub(crate) item: NavItem,
    /// The gateway's name, at the foot; empty on pages for people who are not logged in.
    pub(crate) gateway: VisibleText,
}

/// An item of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NavItem {
    Sessions,
    Search,
    Requests,
    Journal,
    None,
}

impl Layout {
    pub(crate) fn new(gateway_name: &str, login: &WebSession, item: NavItem, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            user: Some(VisibleText::clipped(&login.user, 60)),
            item,
            gateway: VisibleText::new(gateway_name),
        }
    }

    /// The layout before a login: it says nothing of the gateway.
    pub(crate) fn bare(title: &str) -> Self {
        Self { title: title.to_owned(), user: None, item: NavItem::None, gateway: VisibleText::default() }
    }

    pub(crate) fn is_sessions(&self) -> bool {
        self.item == NavItem::Sessions
    }

    pub(crate) fn is_search(&self) -> bool {
        self.item == NavItem::Search
    }

    pub(crate) fn is_requests(&self) -> bool {
        self.item == NavItem::Requests
    }

    pub(crate) fn is_journal(&self) -> bool {
        self.item == NavItem::Journal
    }
}

/// A page as a response.
pub(crate) fn render<T: Template>(page: &T) -> Response {
    render_with(StatusCode::OK, page)
}

/// A page as a response with a status. A template that does not render is a fault of ours: the log says which.
pub(crate) fn render_with<T: Template>(status: StatusCode, page: &T) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot render a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "Something failed on our side.\n").into_response()
        }
    }
}

/// A failure's page says nothing of the gateway: failures are shown before a login too.
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
        render_with(self.status, &page)
    }
}

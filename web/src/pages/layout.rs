use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use identity::WebSession;
use jiff::Timestamp;
use verify::{Verdict, VerificationResult};

use super::{time_label::TimeLabel, visible_text::VisibleText};
use crate::{context::site::Site, http::failure::Failure};

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
    /// When everything stored was verified last, and what came of it.
    pub(crate) verified: Option<VerifiedLabel>,
}

/// The result of the last verification of the store, for the foot of pages.
pub(crate) struct VerifiedLabel {
    pub(crate) at: TimeLabel,
    /// `proven`, or what is wrong.
    pub(crate) text: VisibleText,
    pub(crate) is_wrong: bool,
}

impl VerifiedLabel {
    fn new(result: &VerificationResult) -> Self {
        let text = match result.verdict {
            Verdict::Proven => format!("{} recordings are proven", result.recordings),
            Verdict::NotVouched => "no key that is trusted here vouches for it".to_owned(),
            Verdict::Wrong if result.findings == 1 => format!("one thing is wrong: {}", result.first),
            Verdict::Wrong => format!("{} things are wrong: {} …", result.findings, result.first),
        };
        let is_wrong = result.verdict == Verdict::Wrong;
        Self { at: TimeLabel::new(result.at, Timestamp::now()), text: VisibleText::clipped(&text, 300), is_wrong }
    }
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
    pub(crate) fn new(site: &Site, login: &WebSession, item: NavItem, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            user: Some(VisibleText::clipped(&login.user, 60)),
            item,
            gateway: VisibleText::new(&site.gateway_name),
            verified: site.verification.borrow().as_ref().map(VerifiedLabel::new),
        }
    }

    /// The layout before a login: it says nothing of the gateway.
    pub(crate) fn bare(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            user: None,
            item: NavItem::None,
            gateway: VisibleText::default(),
            verified: None,
        }
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

use askama::Template;
use axum::response::{IntoResponse, Response};

use super::layout::{Layout, render_with};
use crate::http::failure::Failure;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    page: Layout,
    status: u16,
    title: &'a str,
    message: &'a str,
}

/// As a page that says nothing of the gateway: people see it who are not logged in.
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

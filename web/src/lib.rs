//! Pages and API: logging in, sessions, search, the player.
//!
//! Everything that a container printed or a person typed is text here: templates escape it, and
//! characters that would be invisible or reorder a line are shown. Nothing is inline, so the content
//! security policy forbids what would be.

mod api;
mod auth;
mod context;
mod http;
mod live;
mod pages;
mod state;
mod web;

pub use http::metrics::{Exposition, serve_metrics};
pub use state::{EndSession, Settings};
pub use web::Web;

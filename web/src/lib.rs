//! Pages and API: logging in, sessions, search, the player.
//!
//! Everything that a container printed or a person typed is text here: templates escape it, and
//! characters that would be invisible or reorder a line are shown. Nothing is inline, so the content
//! security policy forbids what would be.

mod api;
mod assets;
mod badge;
mod bytes;
mod commands;
mod connections;
mod cookie;
mod download;
mod end;
mod facets;
mod failure;
mod filters;
mod guard;
mod known;
mod live;
mod login;
mod metrics;
mod moment;
mod page;
mod pages;
mod serve;
mod shown;
mod state;
mod target;
mod throttle;
mod views;
mod web;

pub use metrics::{Exposition, serve_metrics};
pub use state::{EndSession, Settings};
pub use web::Web;

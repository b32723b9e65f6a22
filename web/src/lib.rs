//! Pages and API: logging in, sessions, search, the player.
//!
//! Everything that a container printed or a person typed is text here: templates escape it, and
//! characters that would be invisible or reorder a line are made visible. Nothing is inline, so the content
//! security policy forbids what would be.
//!
//! ```text
//! browser ─▶ http ─▶ auth ─▶ pages ─┐            ┌─▶ evidence   store, player
//!            serve   guard   api   ─┼─▶ context ─┼─▶ searcher   index
//!            tls     login   live  ─┘            ├─▶ journal    who sees what, before they see it
//!                                                └─▶ site       this process
//! ```
//!
//! [`Web`] makes the routes; a handler takes the handles that it needs from the state. Imports run one way:
//! `http` ← `context` ← `pages` ← `auth` ← `live` ← `api` ← `state` ← `web`.

mod api;
mod auth;
mod context;
mod evidence_page;
mod http;
mod live;
mod pages;
mod state;
mod web;

pub use evidence_page::{LARGEST_PAGE, PageError, evidence_page};
pub use http::{
    serve::{Exposition, serve_metrics},
    tls::{Tls, TlsError},
};
pub use listener::{HeadBudget, ProxyError, TrustedProxies};
pub use live::{
    end::{EndSession, EndStored},
    lock::{Ended, PeopleLocks},
};
pub use state::Settings;
pub use web::Web;

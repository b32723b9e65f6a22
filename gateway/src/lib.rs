//! kubectl's way in: TLS, identity, permit, upgrade, splice.
//!
//! [`Gateway::new`] takes [`Settings`], [`Gateway::serve`] a listener. A request goes this way: `connection` reads
//! it, `admit` asks who, what and whether, then `plain` forwards it, or `upgrade` opens a recording, dials and
//! hands the answer on, and `session` moves the bytes.

mod auth;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod listener;
mod proxy;
mod request;
mod session;
mod settings;

pub use gateway::{Gateway, GatewayError};
pub use listener::tls::{TlsError, TlsSettings};
pub use proxy::clusters;
pub use request::reason::{Reason, ReasonError};
pub use settings::{Limits, Settings};

//! kubectl's way in: TLS, identity, permit, upgrade, splice.
//!
//! [`Gateway::new`] takes [`Settings`], [`Gateway::serve`] a listener. A request goes this way: `connection` reads
//! it, `admit` asks who, what and whether, then `plain` forwards it, or `upgrade` opens a recording, dials and
//! hands the answer on, and `session` moves the bytes.

mod admit;
mod answer;
mod buffer;
pub mod clusters;
mod connection;
mod fallback;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod head;
mod headers;
mod identity;
mod image;
mod impersonate;
mod live;
mod options;
mod path;
mod plain;
mod reason;
mod resource;
mod session;
mod settings;
mod slots;
mod socket;
mod splice;
mod status;
mod strangers;
mod terminate;
mod tls;
mod upgrade;
mod upstream;

pub use gateway::{Gateway, GatewayError};
pub use reason::{Reason, ReasonError};
pub use settings::{Limits, Settings};
pub use tls::{TlsError, TlsSettings};

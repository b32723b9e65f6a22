//! kubectl's way in: TLS, identity, permit, upgrade, splice.
//!
//! [`Gateway::new`] takes [`Settings`], [`Gateway::serve`] a listener. A request goes this way: `connection` reads
//! it, `admit` asks who, what and whether, then `plain` forwards it, or `upgrade` opens a recording, dials and
//! hands the answer on, and `session` moves the bytes.

mod admit;
mod answer;
pub mod authority;
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
mod name;
mod options;
mod path;
mod plain;
mod private_file;
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
pub mod tokens;
mod upgrade;
mod upstream;

pub use authority::{Authority, AuthorityError, CertificateRefusal};
pub use gateway::{Gateway, GatewayError};
pub use name::NameError;
pub use reason::{Reason, ReasonError};
pub use settings::{Limits, Settings};
pub use tls::{TlsError, TlsSettings};
pub use tokens::{Token, TokenRefusal, Tokens, TokensError};

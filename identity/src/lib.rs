//! Who someone is.
//!
//! [`Authenticator`] judges every credential: client certificates and bearer tokens of requests to the gateway, and
//! passwords, one-time links and cookies of the pages. Behind it stand the files of `state.dir`: the certificate
//! [`Authority`] and [`Certificates`], [`Tokens`], [`Users`], [`Links`] and [`Locks`]. Web sessions are in memory.

mod authenticator;
pub mod authority;
mod certificates;
mod links;
mod locks;
mod state_file;
pub mod tokens;
pub mod users;
pub mod web_sessions;

pub use authenticator::{Authenticator, LoginRefusal, RequestRefusal};
pub use authority::{Authority, AuthorityError, CertificateHolder, CertificateRefusal};
pub use certificates::{Certificates, IssuedCertificate};
pub use links::{Links, LinksError, UsedLink};
pub use locks::{Lock, Locks};
pub use state_file::FileError;
pub use tokens::{Token, TokenRefusal, Tokens, TokensError};
pub use users::{UserError, Users};
pub use web_sessions::{LoginMethod, WebSession};

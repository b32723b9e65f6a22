//! Who someone is: Kubetape's own certificate authority, bearer tokens, local users, login links and web logins.

pub mod authority;
mod json_file;
mod links;
mod name;
mod private_file;
pub mod tokens;
pub mod users;
pub mod web_sessions;

pub use authority::{Authority, AuthorityError, CertificateRefusal};
pub use json_file::FileError;
pub use links::{Links, UsedLink};
pub use name::NameError;
pub use tokens::{Token, TokenRefusal, Tokens, TokensError};
pub use users::{UserError, Users};

//! kubectl's way in: TLS, identity, permit, upgrade, splice.

pub mod authority;
pub mod clusters;
mod name;
mod private_file;
pub mod tokens;

pub use authority::{Authority, AuthorityError};
pub use name::NameError;
pub use tokens::{Token, TokenRefusal, Tokens, TokensError};

//! Pages and API: sessions, search, the player.

mod links;
mod private_file;
mod users;

pub use links::Links;
pub use private_file::FileError;
pub use users::{UserError, Users};

//! Pages and API: logging in, sessions, search, the player.
//!
//! Everything that a container printed or a person typed is text here: templates escape it, and
//! characters that would be invisible or reorder a line are shown. Nothing is inline, so the content
//! security policy forbids what would be.

mod assets;
mod cookie;
mod failure;
mod guard;
mod links;
mod login;
mod logins;
mod moment;
mod page;
mod private_file;
mod serve;
mod shown;
mod state;
mod throttle;
mod users;
mod views;
mod web;

pub use links::Links;
pub use private_file::FileError;
pub use state::Settings;
pub use users::{UserError, Users};
pub use web::Web;

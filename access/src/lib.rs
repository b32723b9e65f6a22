//! Who someone is and what they may do.
//!
//! Pure values: no clock, no file, no socket. [`Policy::decide`] is a function from principal, action, target and time to a
//! [`Permit`] or a [`Denial`]. Whatever needs permission takes the [`Permit`], which only this crate can make.

mod action;
mod decide;
pub mod name;
mod permit;
mod policy;
mod principal;
mod target;

pub use action::{Action, BypassPath};
pub use decide::Denial;
pub use name::NameError;
pub use permit::{Impersonation, InputRecording, Permit};
pub use policy::{Policy, PolicyError, Rule};
pub use principal::{Credential, Principal};
pub use target::Target;

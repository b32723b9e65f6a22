//! The pages behind the login, and what they are made of.

pub(crate) mod badge;
pub(crate) mod connections;
pub(crate) mod facets;
pub(crate) mod filters;
pub(crate) mod journal;
pub(crate) mod layout;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod standing;
pub(crate) mod text;
pub(crate) mod time_label;
pub(crate) mod units;
pub(crate) mod visible_text;

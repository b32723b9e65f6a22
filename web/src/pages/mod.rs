//! The pages that are seen by who is logged in.

pub(crate) mod journal;
pub(crate) mod search;
pub(crate) mod session;
pub(crate) mod sessions;
pub(crate) mod text;

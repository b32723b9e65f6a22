//! What all the rest shares: objects and their kinds, parameters of a query, answers and failures.

pub(crate) mod objects;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod resource;
pub(crate) mod status;

pub(crate) use objects::{Objects, now};
pub(crate) use reply::{Answer, Body, empty, text};
pub(crate) use resource::find;
pub(crate) use status::Failure;

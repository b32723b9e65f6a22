//! The API servers: how they are reached, and requests that are handed on to them as they are.

pub(crate) mod answer;
pub mod clusters;
mod dial;
pub(crate) mod forward;
mod tls;
pub(crate) mod upstream;

//! Clients' connections: TLS, the first request's head, HTTP, and the bounds on those that nobody knows yet.

pub(crate) mod connection;
pub(crate) mod context;
mod http;
mod prefixed;
pub(crate) mod tls;
pub(crate) mod unauthenticated;
mod under_way;

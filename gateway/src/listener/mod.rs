//! Clients' connections: TLS, the first request's head, HTTP, and the bounds on those that nobody knows yet.

pub(crate) mod connection;
mod http;
mod prefixed;
pub(crate) mod tls;
pub(crate) mod unauthenticated;

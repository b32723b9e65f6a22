//! Connections and what every response shares: sockets, TLS, headers, assets, failures.

pub(crate) mod assets;
pub(crate) mod failure;
pub(crate) mod headers;
mod read_in_time;
pub(crate) mod serve;
pub(crate) mod tls;

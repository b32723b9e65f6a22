pub(crate) mod connection;
pub(crate) mod socket;
pub(crate) mod tls;

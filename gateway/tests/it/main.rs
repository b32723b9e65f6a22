//! The gateway between a raw client and an API server that the test plays by hand: what each saw.

mod client;
mod exchanges;
mod forwarded;
mod own_namespace;
mod refusals;
mod sessions;
mod store;
mod unauthenticated;
mod upgrades;
mod upstream;
mod world;

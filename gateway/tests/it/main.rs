//! The gateway between a raw client and an upstream that the test plays by hand: what each saw.

mod client;
mod plain;
mod refusals;
mod sessions;
mod store;
mod upgrades;
mod upstream;
mod world;

//! What was done to a store is found, and named.

mod binding;
mod bundle;
mod inspect;
mod listed;
mod verify;
mod world;

//! What was done to a store is found, and named.

mod binding;
mod verify;
mod world;

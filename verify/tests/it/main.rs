//! What was done to a store is found, and named.

mod verify;
mod world;

//! What was done to a store is found, and named.

mod binding;
mod inspect;
mod verify;
mod world;

//! Stores against the one suite, and the formats against their description.

mod bounds;
mod credentials;
mod disk;
mod journal;
mod recordings;
mod retries;
mod sample;
mod stores;
mod writer;

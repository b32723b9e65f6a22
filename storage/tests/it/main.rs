//! Stores against the one suite, and the formats against their description.

mod bounds;
mod cast;
mod chunk;
mod described;
mod disk;
mod journal;
mod recordings;
mod retries;
mod sample;
mod spool;
mod stores;

//! Stores against the one suite, and the formats against their description.

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

//! The write-ahead log: what comes back after a process died, and its bounds.

mod bounds;
mod sample;
mod spool;

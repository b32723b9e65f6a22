//! The write-ahead log: what comes back after a process died, its bounds, and what fails with what.

mod begin;
mod bounds;
mod sample;
mod spool;

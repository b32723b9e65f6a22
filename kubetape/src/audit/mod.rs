//! The API server's own audit log as a witness: what the cluster saw, beside what was recorded.
//!
//! ```text
//! files ─▶ lines ─▶ event ─▶ log (one access of all its stages) ─▶ compare ◀─ recordings, journal
//! ```

pub mod compare;
pub mod event;
pub mod lines;
pub mod log;

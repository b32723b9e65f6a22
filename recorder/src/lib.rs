//! What was said, as a recording.
//!
//! ```text
//!            Recorder::open            Opened::begin
//!  Permit ─────────────────▶ Opened ─────────────────▶ Recording ──finish──▶ the end, in the spool
//!            header on disk    │       at the 101         │
//!                              └─refused                  │ accept(side, bytes)
//!                                                         ▼
//!              wire::Decoder ─▶ Tape ─▶ Timeline ─▶ lines ─▶ spool::Spool ─▶ Depot ─▶ storage::Store
//!                                 └─▶ Commands (transcript)        by itself: a task for each session
//! ```
//!
//! A `SessionEncoder` is the recording without IO: bytes and times in, asciicast lines out. A [`Recording`] puts a clock and a lock
//! around it. What a byte has to pass before it may be forwarded is one function, [`Recording::accept`]: when it returns
//! `Ok`, the bytes are in the spool, which `kill -9` does not harm.
//!
//! Storing is not the session's task. A `UploadTask` takes a session's closed segments from the spool to the store, goes on
//! after the session's end, after an outage and in the next process, and writes the manifest last.

mod commands;
mod complete;
mod count;
mod depot;
mod digest;
mod drain;
mod ending;
mod ends;
mod error;
mod flood;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gist;
mod opened;
mod opening;
mod ports;
mod recorder;
mod recording;
mod rest;
mod settings;
mod shelf;
mod shelves;
mod size;
mod switches;
mod tape;
mod tar;
mod timeline;

pub use crate::recording::Recording;
pub use complete::{FinalizeOutcome, JournalLookup, OrphanFinalizer, SkipReason};
pub use depot::StoreHealth;
pub use ending::Ending;
pub use ends::UnjournalledEnd;
pub use error::RecordError;
pub use flood::KeepLimits;
pub use opened::OpenRecording;
pub use opening::OpenRequest;
pub use recorder::Recorder;
pub use settings::Settings;

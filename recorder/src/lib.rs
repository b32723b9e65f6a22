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

mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod recorder;
mod settings;

mod session {
    pub(crate) mod active_recordings;
    pub(crate) mod commands;
    pub(crate) mod encoder;
    pub(crate) mod ending;
    pub(crate) mod open_recording;
    pub(crate) mod open_request;
    pub(crate) mod recording;
    pub(crate) mod writer;
}

mod upload {
    pub(crate) mod end_acks;
    pub(crate) mod task;
    pub(crate) mod uploader;
}

mod recover {
    pub(crate) mod orphan_finalizer;
    pub(crate) mod recovered_tail;
    pub(crate) mod stream_accounting;
    pub(crate) mod summary;
}

mod streams {
    pub(crate) mod alt_screen;
    pub(crate) mod digests;
    pub(crate) mod output_limiter;
    pub(crate) mod ports;
    pub(crate) mod resize_filter;
    pub(crate) mod tar;
    pub(crate) mod timeline;
}

pub use error::RecordError;
pub use recorder::Recorder;
pub use recover::orphan_finalizer::{FinalizeOutcome, JournalLookup, OrphanFinalizer, SkipReason};
pub use session::{ending::Ending, open_recording::OpenRecording, open_request::OpenRequest, recording::Recording};
pub use settings::Settings;
pub use streams::output_limiter::KeepLimits;
pub use upload::{end_acks::UnjournalledEnd, uploader::StoreHealth};

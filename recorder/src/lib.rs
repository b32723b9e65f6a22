//! Records sessions: what passes between client and server becomes lines in the spool, and from there chunks in the store.
//!
//! ```text
//!               Recorder::open              OpenRecording::begin
//!  Permit ─────────────────▶ OpenRecording ─────────────────────▶ Recording ── finish ─▶ the end, in the spool
//!             header on disk       │           at the 101             │
//!                                  └─ refused                         │ accept(side, bytes)
//!                                                                     ▼
//!     SessionEncoder: wire::Decoder ─▶ limits, digests, tar, ports ─▶ Timeline ─▶ lines      session/, streams/
//!                                                                     │
//!     SessionWriter: one write each ──────────────────────────────▶ spool                    session/
//!                                                                     │ closed segments
//!     Uploader: a task for each session, in its own time ─────────▶ storage::RecordingWriter   upload/
//!                                                                     ▲
//!     what a process that died left, what a gateway that is gone left ┘                        recover/
//! ```
//!
//! A `SessionEncoder` is the recording without IO: bytes and times in, asciicast lines out. A [`Recording`] puts a clock and a
//! lock around it. What a byte has to pass before it may be forwarded is one function, [`Recording::accept`]: when it returns
//! `Ok`, the bytes are in the spool, which `kill -9` does not harm.
//!
//! Storing is not the session's task. An `UploadTask` takes a session's closed segments from the spool to the store. It goes on
//! after the session's end, after an outage and in the next process, and puts the manifest last.
//!
//! Folders import one way: session, upload, recover, streams.

mod argv;
mod backoff;
mod blocking;
mod clock;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod manifest_limits;
mod recorder;
mod settings;
mod supervisor;

mod session {
    pub(crate) mod active_recordings;
    pub(crate) mod commands;
    pub(crate) mod context;
    pub(crate) mod encoder;
    pub(crate) mod ending;
    pub(crate) mod open_recording;
    pub(crate) mod open_request;
    pub(crate) mod recording;
    pub(crate) mod writer;
}

mod upload {
    pub(crate) mod end_acks;
    pub(crate) mod health;
    pub(crate) mod store;
    pub(crate) mod stored_acks;
    pub(crate) mod task;
    pub(crate) mod uploader;
}

mod recover {
    pub(crate) mod chunk_list;
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
pub use spool::LatencyObserver;
pub use streams::output_limiter::KeepLimits;
pub use upload::{end_acks::UnjournalledEnd, health::StoreHealth, stored_acks::StoredRecording};

//! The local write-ahead log: what a gateway accepts stands here before it is forwarded, and until it is in the store.
//!
//! ```text
//! <folder>/lock                    held by the process that writes here
//! <folder>/<recording id>/000000   header and records         see `record_file`
//!                         000001   the lines of chunk 000001, frame by frame, each checked by a CRC     see `frame`
//!                         …        removed once the chunk is in the store; the folder, once the manifest is
//!                         marks    counts and digests that no line has       see `checkpoint_file`
//!                         stdout.0 the end of a stream that an output limit holds back, see `tail`
//! <folder>/<recording id>.stored/  a folder that is being removed: the next process goes on with that
//! <folder>/aside/<id>/             quarantined sessions: they cannot be stored, and wait for a person
//! ```
//!
//! [`Spool::open`] gives the spool; who works with it takes the handle of their role:
//!
//! ```text
//!  gateway ── Spool::begin ─▶ SpoolWriter ── append: one write(2) each ─▶ files
//!                                                                          │
//!  player, search ◀── Follow ── SpoolReader ◀──────────────────────────────┤
//!  recorder's upload tasks ◀──── UploadQueue ◀─────────────────────────────┤
//!  upload tasks, of what an earlier process left ◀── SpoolRecovery ◀───────┤
//!  metrics ◀──────────────────── SpoolGauges ◀─────────────────────────────┘
//! ```
//!
//! # Which calls block
//! Calls of [`SpoolWriter`] write to the disk on the caller's thread, without a sync: what is accepted must be written before
//! it is forwarded. [`SpoolReader::header`] and [`UploadQueue::note_now`] read or append one small file there. Everything
//! else that touches files is `async`. Syncs have a thread of their own. Making and removing folders, listing them and
//! noting records run on the spool's few threads ([`Spool::begin`] and most of [`UploadQueue`]), so that they wait for no
//! reader. Reading ([`Follow`], [`UploadQueue::segment`], [`SpoolRecovery`]) runs where Tokio lets tasks block.

mod capacity;
mod checkpoint;
mod checkpoint_file;
mod disk_threads;
mod error;
mod files;
mod follow;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gauges;
mod handle;
mod latency;
mod limits;
mod queue;
mod reader;
mod record;
mod record_file;
mod recovery;
mod segment;
mod shared;
mod spool;
mod spooled;
mod stream;
mod sync;
mod tail;
mod writer;

pub use crate::spool::Spool;
pub use checkpoint::{Checkpoint, PartialUtf8};
pub use error::{LimitKind, SpoolError};
pub use follow::{Follow, SpoolEvent};
pub use gauges::SpoolGauges;
pub use latency::LatencyObserver;
pub use limits::{SpoolLimits, SpoolUsage};
pub use queue::{SessionWatch, UploadQueue};
pub use reader::SpoolReader;
pub use record::{SessionRecord, SessionRecords, boot_id};
pub use recovery::SpoolRecovery;
pub use segment::{Segment, first_time, gap, last_time};
pub use stream::StdStream;
pub use tail::{HeldTail, TailWrite};
pub use writer::SpoolWriter;

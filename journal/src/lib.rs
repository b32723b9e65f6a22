//! The journal: who did what, when, with which answer.
//!
//! [`Journal`] takes entries from any task, and one writer puts them into the store, in order, as objects
//! `journal/<gateway>/YYYY/MM/DD/<seq>.jsonl.zst`. [`Journal::note`] waits only while the queue is full;
//! [`Journal::note_durably`] waits until the entry is stored, or on the gateway's own disk if there is a spool.
//!
//! ```text
//! note ──┐                       ┌─ closed by size, age, or a durable note
//! note ──┼─▶ queue of batches ───┤
//! durable┘   (bounded)           └─▶ writer: seal, create under the next seq, answer the durable notes
//! ```

mod clip;
mod error;
mod head_file;
mod journal;
mod position;
mod queue;
mod settings;
mod wal;
mod writer;

pub use error::JournalError;
pub use journal::Journal;
pub use position::journal_heads;
pub use settings::JournalSettings;

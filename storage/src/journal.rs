//! Journal objects in a store: how entries become an object's bytes and come back, and what chains and signs them.
//!
//! Objects are `journal/<gateway>/YYYY/MM/DD/<seq>.jsonl.zst`; [`recording::journal`] has the entries.

mod entry_proof;
pub mod merkle;
mod objects;
mod seal;

pub use entry_proof::{EntryProof, LARGEST_ENTRY_PROOF, ProofError};
pub use objects::{JournalError, JournalObject, JournalReader, LARGEST_JOURNAL_OBJECT, decode, encode};
pub use seal::{ChainLink, Seal, SealedObject, seal};

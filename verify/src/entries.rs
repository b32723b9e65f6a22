//! Entries of an excerpt: lines of journal objects, each with what proves that it is there. A store has whole objects instead.

use std::sync::Arc;

use recording::{Key, journal::JournalEntry};
use storage::{
    StoreError,
    journal::{EntryProof, LARGEST_ENTRY_PROOF, Seal},
};

use crate::{
    context::{CheckContext, Fetched},
    keyring::Rejection,
    known_heads::KnownHeads,
    report::{Problem, Report},
    seal::CheckedSeal,
    sessions::{EntryPlace, JournalledSessions},
};

/// Objects asked of the store at once.
const PAGE: usize = 1000;

/// An entry whose proof is right.
struct ProvenEntry {
    journal: Arc<str>,
    seq: u64,
    format: u32,
    /// `None` if it is of a kind that this version does not know.
    entry: Option<JournalEntry>,
}

/// Checks the entries of an excerpt, and takes in what they say of sessions.
///
/// # Errors
/// The store's.
pub(super) async fn read(
    context: &CheckContext<'_>,
    sessions: &mut JournalledSessions,
    known_heads: &mut KnownHeads,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut after: Option<Key> = None;
    loop {
        let page = context.store.list("entries/", after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|object| object.key.clone());
        for object in page {
            let json = match Fetched::of(context.store.read(&object.key, LARGEST_ENTRY_PROOF).await)? {
                Fetched::Object(json) => json,
                Fetched::Gone => continue,
                Fetched::TooLarge => {
                    report.found(object.key, Problem::Altered, "it is larger than any entry");
                    continue;
                }
            };
            match proven(context, &object.key, &json, known_heads) {
                Ok(ProvenEntry { journal, seq, format, entry }) => {
                    report.journal_entries += 1;
                    if let Some(JournalEntry { time, what, .. }) = entry {
                        sessions.learn(EntryPlace { journal: &journal, seq, format, time }, &what);
                    }
                }
                Err((problem, detail)) => report.found(object.key, problem, detail),
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

fn proven(
    context: &CheckContext<'_>,
    key: &Key,
    json: &[u8],
    known_heads: &mut KnownHeads,
) -> Result<ProvenEntry, Rejection> {
    #[derive(serde::Deserialize)]
    struct WhoseLine {
        gateway: String,
    }
    let altered = |detail: String| (Problem::Altered, detail);
    let proof = EntryProof::parse(json).map_err(|error| altered(error.to_string()))?;
    let seal = serde_json::from_str::<Seal>(&proof.seal).map_err(|_| altered("its seal says too little".to_owned()))?;
    let place = Key::new(&seal.object).ok().and_then(|object| Some((object.journal_seq()?, object)));
    let gateway = seal.object.split('/').nth(1).unwrap_or_default();
    let (seq, object) = place.ok_or_else(|| (Problem::Foreign, format!("{} is no journal object", seal.object)))?;
    let CheckedSeal { signature, seal } =
        CheckedSeal::of_document(&context.keyring, gateway, (&object, seq), proof.seal.as_bytes())?;
    proof.seal().map_err(|error| altered(error.to_string()))?;
    if proof.key(gateway, seq).as_ref() != Some(key) {
        let detail = format!("it is line {} of {}", proof.line, seal.object);
        return Err((Problem::Reordered, detail));
    }
    if !serde_json::from_str::<WhoseLine>(&proof.entry).is_ok_and(|line| line.gateway == gateway) {
        return Err((Problem::Foreign, "it is another gateway's".to_owned()));
    }
    known_heads.signature(&signature, key.as_str());
    Ok(ProvenEntry { journal: gateway.into(), seq, format: seal.format, entry: proof.entry() })
}

//! Whether what is stored is what was written. [`verify`] judges keys, journals and recordings from nothing but the stored
//! objects and public keys, and says what is missing, altered, cut, out of its place, foreign or unsigned.
//!
//! ```text
//! keys ─▶ keyring ─▶ journals: chain, signatures ─▶ recordings: chunks, manifests ─▶ journals, as far as they
//!                      │ which sessions were opened, ended           ▲               grew ─▶ what they and the
//!                      └─────────────────────────────────────────────┘               recordings say of each other
//! ```
//!
//! Everything that is read may be hostile: no object is read, and nothing is unpacked, without a bound.

mod bundle;
mod context;
mod entries;
mod inspect;
mod journals;
mod keyring;
mod known_heads;
mod listed;
mod question;
mod recordings;
mod report;
mod result;
mod seal;
mod sessions;

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use storage::{RecordingReader, Store, StoreError};

pub use bundle::{BUNDLE_FILE, Bundle, BundleFile};
pub use inspect::{Inspection, Standing, inspect, inspect_journal};
pub use listed::ListedCheck;
pub use question::{Question, Trust};
pub use report::{Finding, Problem, Report, Verdict};
pub use result::VerificationResult;

use self::{
    context::CheckContext,
    journals::{JournalChain, JournalView},
    keyring::Keyring,
    known_heads::KnownHeads,
    recordings::{ChunkDepth, Scan, Suspect},
    sessions::JournalledSessions,
};

/// Recordings that are read at the same time; each holds one object in memory.
const PARALLEL: usize = 8;

/// What lies at the top of a store and is checked.
const OWN: [&str; 3] = ["keys", "journal", "recordings"];
/// What may lie there beside it, and is no evidence.
const BESIDE: [&str; 3] = ["imports", "leases", "probe"];

/// How far a check has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Journal objects read.
    pub journal_objects: u64,
    /// Recordings read.
    pub recordings: u64,
    /// Bytes read.
    pub bytes: u64,
}

/// Checks a store.
///
/// # Errors
/// The store's: what could not be read was not checked. An object that is listed and gone when it is read, or larger than
/// any of its kind, is a finding.
///
/// # Cancel safety
/// Nothing is written: the future may be dropped at any time.
pub async fn verify(
    store: &Arc<dyn Store>,
    question: &Question,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut done = Progress::default();
    let keyring = Keyring::read(store, &question.trusted, &mut report).await?;
    (report.vouched, report.excerpt) = (keyring.is_anchored(), question.excerpt);
    let context = CheckContext { store, recordings: RecordingReader::new(Arc::clone(store)), question, keyring };
    foreign_names(&context, &mut report).await?;

    let mut known_heads = KnownHeads::new(&question.heads);
    context.keyring.heads().for_each(|(head, object)| known_heads.learn(head, &object));
    let mut sessions = JournalledSessions::default();
    let mut journals = JournalChains::default();
    journals.read_on(&context, &mut sessions, &mut known_heads, &mut report, &mut done, progress).await?;
    if question.excerpt {
        entries::read(&context, &mut sessions, &mut known_heads, &mut report).await?;
    }
    let suspects = recordings(&context, &mut sessions, &mut known_heads, &mut report, &mut done, progress).await?;
    // What was opened, and signed, while the recordings were read.
    journals.read_on(&context, &mut sessions, &mut known_heads, &mut report, &mut done, progress).await?;
    for chain in &journals.0 {
        chain.end(question, &mut report);
    }
    for suspect in suspects {
        suspect.judge(&context, &mut sessions, &mut report);
    }
    report.note_undigested();
    sessions.without_recording(question, &mut report);
    known_heads.compare(question.excerpt, &mut report);
    context.keyring.unstated(&mut report);
    report.heads = known_heads.heads();
    Ok(report)
}

/// The journals of all gateways.
#[derive(Default)]
struct JournalChains(Vec<JournalChain>);

impl JournalChains {
    /// Reads what was not read yet, of every gateway that there is now.
    async fn read_on(
        &mut self,
        context: &CheckContext<'_>,
        sessions: &mut JournalledSessions,
        known_heads: &mut KnownHeads,
        report: &mut Report,
        done: &mut Progress,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), StoreError> {
        for gateway in context.store.children("journal/").await? {
            if !self.0.iter().any(|chain| chain.gateway() == gateway) {
                self.0.push(JournalChain::of(gateway));
            }
        }
        let counted = &mut |objects, bytes| {
            done.journal_objects += objects;
            done.bytes += bytes;
            progress(*done);
        };
        for chain in &mut self.0 {
            let view = &mut JournalView { sessions, known_heads, report, counted };
            chain.read_on(context, view).await?;
        }
        Ok(())
    }
}

/// Checks all recordings. Returns those of which their gateways' journals have not spoken so far: the journals may have
/// grown since.
async fn recordings(
    context: &CheckContext<'_>,
    sessions: &mut JournalledSessions,
    known_heads: &mut KnownHeads,
    report: &mut Report,
    done: &mut Progress,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Suspect>, StoreError> {
    let mut walk = Scan::new(Arc::clone(context.store), &context.question.within);
    let mut running = FuturesUnordered::new();
    let mut suspects = Vec::new();
    let mut more = true;
    loop {
        while more && running.len() < PARALLEL {
            match walk.next(report).await? {
                Some(listed) => {
                    let session = sessions.seen(listed.id);
                    running.push(recordings::check(context, listed, session, ChunkDepth::All));
                }
                None => more = false,
            }
        }
        let Some(checked) = running.next().await else { return Ok(suspects) };
        let checked = checked?;
        done.recordings += 1;
        done.bytes += checked.bytes;
        suspects.extend(checked.into_report(report, known_heads));
        progress(*done);
    }
}

/// Finds names at the top of the store that nobody writes there.
async fn foreign_names(context: &CheckContext<'_>, report: &mut Report) -> Result<(), StoreError> {
    let known: HashSet<&str> = OWN.into_iter().chain(BESIDE).collect();
    for name in context.store.children("").await? {
        // What explains an excerpt lies at its top.
        if !known.contains(name.as_str()) && !context.question.excerpt {
            report.found(name, Problem::Foreign, "nothing of this name belongs to a store");
        }
    }
    Ok(())
}

//! Whether what is stored is what was written: keys, journal and recordings, with nothing but the objects and public keys.
//!
//! ```text
//! keys ─▶ keyring ─▶ journals: chain, signatures ─▶ recordings: chunks, manifests ─▶ journals, as far as they
//!                      │ which sessions were opened, ended           ▲               grew ─▶ what they and the
//!                      └─────────────────────────────────────────────┘               recordings say of each other
//! ```
//!
//! Everything that is read may be hostile: no object is read, and nothing is unpacked, without a bound.

mod journals;
mod keyring;
mod recordings;
mod report;
mod witnesses;

use std::{collections::HashSet, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use recording::JournalHead;
use recording::{Key, KeyId};
use storage::{RecordingReader, Store, StoreError, signing::PublicKey};

pub use report::{Finding, Problem, Report, Verdict};

use self::{
    journals::{Chain, JournalView, Sessions},
    keyring::Keyring,
    recordings::{Scan, Suspect},
    witnesses::Witnesses,
};

/// Recordings that are read at the same time; each holds one object.
const PARALLEL: usize = 8;

/// What is at the top of a store.
const OWN: [&str; 3] = ["keys", "journal", "recordings"];
/// What may be there beside it, and is no evidence.
const BESIDE: [&str; 3] = ["imports", "leases", "probe"];

/// A key that the asker trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The key itself.
    Key(PublicKey),
    /// Its name: the key is taken from the store.
    Pin(KeyId),
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Keys that did not come with the data. Without any nothing vouches for those in the store.
    pub trusted: Vec<Trust>,
    /// Recordings whose objects' names begin so; all where empty. The journal is always read whole.
    pub within: String,
    /// Whether the asker knows the store to be an excerpt: journal objects may be missing before, between and after, and
    /// `heads` is not looked at. Nothing in the data says so: what says that things may be missing could be put there by
    /// who removed them.
    pub excerpt: bool,
    /// How far journals had come, as it was known outside of the store.
    pub heads: Vec<JournalHead>,
    /// Sessions whose last journal entry is younger than this moment (microseconds since 1970 UTC) may not be stored yet.
    pub settled_micros: i64,
}

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

/// What everything is checked with.
struct Context<'a> {
    store: &'a Arc<dyn Store>,
    recordings: RecordingReader,
    question: &'a Question,
    keyring: Keyring,
}

/// Checks a store.
///
/// # Errors
/// The store's: what could not be read was not checked. An object that is listed and gone when it is read is a finding.
pub async fn verify(
    store: &Arc<dyn Store>,
    question: &Question,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let mut done = Progress::default();
    let keyring = Keyring::read(store, &question.trusted, &mut report).await?;
    (report.vouched, report.excerpt) = (keyring.is_anchored(), question.excerpt);
    let context = Context { store, recordings: RecordingReader::new(Arc::clone(store)), question, keyring };
    strangers(&context, &mut report).await?;

    let mut witnesses = Witnesses::new(&question.heads);
    let mut sessions = Sessions::default();
    let mut journals = Journals::default();
    journals.read_on(&context, &mut sessions, &mut witnesses, &mut report, &mut done, progress).await?;
    let doubtful = recordings(&context, &mut sessions, &mut witnesses, &mut report, &mut done, progress).await?;
    // What was opened, and signed, while the recordings were read.
    journals.read_on(&context, &mut sessions, &mut witnesses, &mut report, &mut done, progress).await?;
    for chain in &journals.0 {
        chain.end(question, &mut witnesses, &mut report);
    }
    for Suspect { id, gateway } in doubtful.into_iter().filter(|_| !question.excerpt) {
        let detail = match sessions.seen(id) {
            Some(session) if session.is_of(&gateway) => continue,
            Some(_) => format!("only others know of it, and not the journal of {gateway}, which it says recorded it"),
            None => "no journal knows of this recording".to_owned(),
        };
        report.found(Key::recording_prefix(id), Problem::Foreign, detail);
    }
    sessions.without_recording(question, &mut report);
    witnesses.compare(question.excerpt, &mut report);
    context.keyring.unstated(&mut report);
    report.heads = witnesses.heads();
    Ok(report)
}

/// The journals of all gateways.
#[derive(Default)]
struct Journals(Vec<Chain>);

impl Journals {
    /// Reads what was not read yet, of every gateway that there is now.
    async fn read_on(
        &mut self,
        context: &Context<'_>,
        sessions: &mut Sessions,
        witnesses: &mut Witnesses,
        report: &mut Report,
        done: &mut Progress,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), StoreError> {
        for gateway in context.store.children("journal/").await? {
            if !self.0.iter().any(|chain| chain.gateway() == gateway) {
                self.0.push(Chain::of(gateway));
            }
        }
        let told = &mut |objects, bytes| {
            done.journal_objects += objects;
            done.bytes += bytes;
            progress(*done);
        };
        for chain in &mut self.0 {
            let heard = &mut JournalView { sessions, witnesses, report, told };
            chain.read_on(context, heard).await?;
        }
        Ok(())
    }
}

/// Checks all recordings. Returns those of which their gateways' journals have not spoken so far.
async fn recordings(
    context: &Context<'_>,
    sessions: &mut Sessions,
    witnesses: &mut Witnesses,
    report: &mut Report,
    done: &mut Progress,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Suspect>, StoreError> {
    let mut walk = Scan::new(Arc::clone(context.store), &context.question.within);
    let mut running = FuturesUnordered::new();
    let mut doubtful = Vec::new();
    let mut more = true;
    loop {
        while more && running.len() < PARALLEL {
            match walk.next(report).await? {
                Some(listed) => {
                    let session = sessions.seen(listed.id);
                    running.push(recordings::check(context, listed, session));
                }
                None => more = false,
            }
        }
        let Some(checked) = running.next().await else { return Ok(doubtful) };
        let checked = checked?;
        done.recordings += 1;
        done.bytes += checked.bytes;
        doubtful.extend(checked.into_report(report, witnesses));
        progress(*done);
    }
}

/// Names that nobody writes there.
async fn strangers(context: &Context<'_>, report: &mut Report) -> Result<(), StoreError> {
    let known: HashSet<&str> = OWN.into_iter().chain(BESIDE).collect();
    for name in context.store.children("").await? {
        // What explains an excerpt lies at its top.
        if !known.contains(name.as_str()) && !context.question.excerpt {
            report.found(name, Problem::Foreign, "nothing of this name belongs to a store");
        }
    }
    Ok(())
}

/// What a read of a listed object brought.
enum Fetched<T> {
    /// The object.
    Object(T),
    /// It is gone since it was listed.
    Gone,
    /// It is larger than any of its kind, and was not read.
    TooLarge,
}

impl<T> Fetched<T> {
    /// Takes the answers that are findings from those that are failures of the store.
    fn of(read: Result<T, StoreError>) -> Result<Self, StoreError> {
        match read {
            Ok(object) => Ok(Self::Object(object)),
            Err(StoreError::NotFound(_)) => Ok(Self::Gone),
            Err(StoreError::TooLarge { .. }) => Ok(Self::TooLarge),
            Err(error) => Err(error),
        }
    }
}

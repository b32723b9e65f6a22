//! One recording, judged for somebody who is about to read it. Unlike [`crate::verify`] it does not read whole journals: only
//! the objects of the times at which the recording was opened, ended and stored, each of which its own seal vouches for.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::{ToSpan, tz::TimeZone};
use recording::{
    Key, Manifest, RecordingId, UnixMicros,
    cast::IMPORTED,
    journal::{JournalEntry, JournalEvent, import_journal},
};
use serde::Serialize;
use storage::{
    RecordingReader, Store, StoreError,
    journal::{self, LARGEST_JOURNAL_OBJECT, SealedObject},
    signing::{DocumentKind, SignedDocument},
};

use crate::{
    Question,
    context::{CheckContext, Fetched},
    keyring::Keyring,
    known_heads::KnownHeads,
    recordings::{self, ChunkDepth, ListedRecording, Scan},
    report::{Finding, Problem, Report},
    seal::CheckedSeal,
    sessions::{EntryPlace, JournalledSessions},
};

/// Objects asked of the store at once.
const PAGE: usize = 1000;
/// Most journal objects that are read for one moment. A gateway writes one every few seconds: an entry of that moment is among the
/// first of them.
const OBJECTS: usize = 64;
/// By how much an entry may come before the moment that is known of it.
const SLACK: Duration = Duration::from_secs(60);

/// What one recording is worth as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is as it was written, by a holder of a key that the person who asks trusts.
    Proven,
    /// It has no manifest yet: nobody vouches for what is there so far.
    Live,
    /// Nothing is wrong in itself, and no key that is trusted vouches for it.
    NotVouched,
    /// Nobody signed it.
    Unsigned,
    /// It is not where it belongs, or no gateway made it.
    Foreign,
    /// It is not what was written.
    Altered,
}

impl Standing {
    /// As people read it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Live => "live",
            Self::NotVouched => "not vouched for",
            Self::Unsigned => "unsigned",
            Self::Foreign => "foreign",
            Self::Altered => "altered",
        }
    }

    /// Whether somebody who reads the recording has to be warned.
    pub fn is_wrong(self) -> bool {
        matches!(self, Self::Unsigned | Self::Foreign | Self::Altered)
    }

    pub(crate) fn of(problem: Problem) -> Self {
        match problem {
            Problem::Unsigned => Self::Unsigned,
            Problem::Foreign => Self::Foreign,
            Problem::UnknownKey => Self::NotVouched,
            Problem::Missing | Problem::Altered | Problem::Cut | Problem::Reordered | Problem::KeyNotValid => {
                Self::Altered
            }
        }
    }
}

/// A recording's standing, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// What it is worth.
    pub standing: Standing,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Whether all of its chunks were read: otherwise what the manifest says of them was not compared with their bytes.
    pub all_chunks: bool,
}

/// Judges one recording. Its chunks are read if their objects have no more than `largest` bytes together; its header always
/// is. Of `question`, `trusted` and `settled` are looked at.
///
/// # Errors
/// The store's.
///
/// # Cancel safety
/// Nothing is written: the future may be dropped at any time.
pub async fn inspect(
    store: &Arc<dyn Store>,
    question: &Question,
    id: RecordingId,
    largest: u64,
) -> Result<Inspection, StoreError> {
    let mut report = Report::default();
    // A key that is wrong is found by whole checks; here it just vouches for nothing.
    let keyring = Keyring::read(store, &question.trusted, &mut Report::default()).await?;
    let recordings = RecordingReader::new(Arc::clone(store));
    let context = CheckContext { store, recordings, question, keyring };
    let Some((listed, bytes)) = listed(&context, id, &mut report).await? else {
        report.found(Key::recording_prefix(id), Problem::Missing, "there is no such recording");
        return Ok(Inspection::new(id, report, question, true, true));
    };
    let mut sessions = JournalledSessions::default();
    read_journals(&context, &listed, &mut sessions).await?;
    let (is_live, all_chunks) = (!listed.is_finished(), bytes <= largest);
    let depth = if all_chunks { ChunkDepth::All } else { ChunkDepth::Header };
    let session = sessions.seen(id);
    let checked = recordings::check(&context, listed, session, depth).await?;
    if let Some(suspect) = checked.into_report(&mut report, &mut KnownHeads::default()) {
        suspect.judge(&context, &mut sessions, &mut report);
    }
    Ok(Inspection::new(id, report, question, is_live, all_chunks))
}

impl Inspection {
    /// Of a recording that could not be checked, and why: nobody vouches for it.
    pub fn unchecked(id: RecordingId, why: &str) -> Self {
        let (object, detail) = (Key::recording_prefix(id), why.to_owned());
        let findings = vec![Finding { object, problem: Problem::Missing, detail }];
        Self { standing: Standing::NotVouched, findings, all_chunks: false }
    }

    fn new(id: RecordingId, report: Report, question: &Question, is_live: bool, all_chunks: bool) -> Self {
        let worst = report.findings.iter().map(|finding| Standing::of(finding.problem)).max();
        // Of one that is finished there is a note where the journal's entries are on their way.
        let is_vouched_for = !question.trusted.is_empty() && report.notes.is_empty();
        let right = match (is_live, is_vouched_for) {
            (true, _) => Standing::Live,
            (false, false) => Standing::NotVouched,
            (false, true) => Standing::Proven,
        };
        let object = Key::recording_prefix(id);
        let pending = report.notes.iter().filter(|_| !is_live).map(|note| Finding {
            object: object.clone(),
            problem: Problem::Missing,
            detail: note.trim_start_matches(&object).trim_start_matches([':', ' ']).to_owned(),
        });
        let findings = report.findings.iter().cloned().chain(pending).collect();
        Self { standing: worst.unwrap_or(right), findings, all_chunks }
    }
}

/// What the store has of the recording, and how many bytes.
async fn listed(
    context: &CheckContext<'_>,
    id: RecordingId,
    report: &mut Report,
) -> Result<Option<(ListedRecording, u64)>, StoreError> {
    let mut scan = Scan::new(Arc::clone(context.store), &Key::recording_prefix(id));
    let listed = scan.next(report).await?;
    Ok(listed.map(|listed| (listed, scan.bytes())))
}

/// Reads what the journals say of the recording, at the times that its header and manifest name. Both may be forged: then there is
/// nothing at those times.
async fn read_journals(
    context: &CheckContext<'_>,
    listed: &ListedRecording,
    sessions: &mut JournalledSessions,
) -> Result<(), StoreError> {
    let id = listed.id;
    let mut moments = BTreeSet::new();
    let started = UnixMicros::new(id.0.get_timestamp().map_or(0, |at| {
        let (seconds, nanos) = at.to_unix();
        i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000).saturating_add(i64::from(nanos / 1_000))
    }));
    if let Ok(header) = context.recordings.header(id).await
        && header.kubetape.gateway != IMPORTED
    {
        moments.insert((header.kubetape.gateway, started));
    }
    if let Fetched::Object(document) = Fetched::of(context.recordings.manifest_document(id).await)?
        && let Ok(manifest) = serde_json::from_slice::<Manifest>(&document)
        && let Ok(signed) = SignedDocument::open(DocumentKind::Manifest, &document)
    {
        let signer = context.keyring.gateway_of(&signed.signature.key).unwrap_or(&manifest.session.gateway);
        let is_import = manifest.session.gateway == IMPORTED;
        let journal = if is_import { import_journal(signer) } else { signer.to_owned() };
        moments.insert((manifest.session.gateway, manifest.ended));
        moments.insert((journal, signed.signature.time));
    }
    moments.retain(|(journal, _)| journal != IMPORTED && Key::may_start_with(&format!("journal/{journal}/")));
    for (journal, moment) in moments {
        read_around(context, &journal.into(), moment, id, sessions).await?;
    }
    Ok(())
}

/// Reads the objects of a journal from shortly before a moment on.
async fn read_around(
    context: &CheckContext<'_>,
    gateway: &Arc<str>,
    moment: UnixMicros,
    id: RecordingId,
    sessions: &mut JournalledSessions,
) -> Result<(), StoreError> {
    let from = moment - SLACK;
    let keys = objects_of_days(context, gateway, moment).await?;
    let mut first = keys.len();
    let (mut low, mut high) = (0, keys.len());
    // The last object that begins before that time; the first one if all begin later.
    while low < high {
        let middle = low.midpoint(high);
        match begin(context, &keys[middle]).await? {
            Some(time) if time <= from => low = middle + 1,
            _ => high = middle,
        }
    }
    first = first.min(low.saturating_sub(1));
    for key in keys.iter().skip(first).take(OBJECTS) {
        let Some((format, entries)) = entries(context, gateway, key).await? else { continue };
        let seq = key.journal_seq().unwrap_or_default();
        for JournalEntry { time, what, .. } in entries.iter().filter(|entry| is_about(&entry.what, id)) {
            sessions.learn(EntryPlace { journal: gateway, seq, format, time: *time }, what);
        }
        let is_later = entries.first().is_some_and(|entry| entry.time > moment + SLACK);
        if is_later && sessions.has_digest(id) {
            break;
        }
    }
    Ok(())
}

fn is_about(what: &JournalEvent, id: RecordingId) -> bool {
    match what {
        JournalEvent::SessionOpened { session, .. }
        | JournalEvent::SessionEnded { session, .. }
        | JournalEvent::SessionStored { session, .. }
        | JournalEvent::Imported { session, .. } => *session == id,
        _ => false,
    }
}

/// The objects of the day of a moment, of the day before and of the one behind: an object's day is that of its first entry.
async fn objects_of_days(
    context: &CheckContext<'_>,
    gateway: &str,
    moment: UnixMicros,
) -> Result<Vec<Key>, StoreError> {
    let Some(at) = moment.timestamp() else { return Ok(Vec::new()) };
    let today = at.to_zoned(TimeZone::UTC).date();
    let day = |days: i64| today.checked_add(days.days()).unwrap_or(today).strftime("%Y/%m/%d").to_string();
    let prefix = format!("journal/{gateway}/");
    // `-` sorts before every number, `a` behind.
    let mut after = Key::new(format!("{prefix}{}/-", day(-1))).ok();
    let end = format!("{prefix}{}/a", day(1));
    let mut keys = Vec::new();
    loop {
        let page = context.store.list(&prefix, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|object| object.key.clone());
        let is_over = after.as_ref().is_none_or(|after| *after.as_str() > *end);
        keys.extend(page.into_iter().map(|object| object.key).filter(|key| *key.as_str() < *end));
        if is_last || is_over {
            keys.retain(|key| key.journal_seq().is_some());
            return Ok(keys);
        }
    }
}

/// The time of an object's first entry; `None` if it cannot be read.
async fn begin(context: &CheckContext<'_>, key: &Key) -> Result<Option<UnixMicros>, StoreError> {
    let Fetched::Object(object) = Fetched::of(context.store.read(key, LARGEST_JOURNAL_OBJECT).await)? else {
        return Ok(None);
    };
    Ok(journal::decode(key, &object).ok().and_then(|entries| entries.first().map(|entry| entry.time)))
}

/// The entries of an object whose seal is right, and their format.
async fn entries(
    context: &CheckContext<'_>,
    gateway: &str,
    key: &Key,
) -> Result<Option<(u32, Vec<JournalEntry>)>, StoreError> {
    let Fetched::Object(object) = Fetched::of(context.store.read(key, LARGEST_JOURNAL_OBJECT).await)? else {
        return Ok(None);
    };
    let Some(seq) = key.journal_seq() else { return Ok(None) };
    let Ok(checked) = CheckedSeal::of(&context.keyring, gateway, (key, seq), SealedObject::new(&object)) else {
        return Ok(None);
    };
    Ok(journal::decode(key, &object).ok().map(|entries| (checked.seal.format, entries)))
}

/// What is wrong with objects of a gateway's journal, each by itself: its seal, and what it says of its name and bytes. Whether
/// objects are missing between them is a question for [`crate::verify`].
///
/// # Errors
/// The store's.
pub async fn inspect_journal(
    store: &Arc<dyn Store>,
    question: &Question,
    gateway: &str,
    objects: &[Key],
) -> Result<Vec<Finding>, StoreError> {
    let keyring = Keyring::read(store, &question.trusted, &mut Report::default()).await?;
    let mut report = Report::default();
    for key in objects {
        let Fetched::Object(object) = Fetched::of(store.read(key, LARGEST_JOURNAL_OBJECT).await)? else {
            report.found(key, Problem::Altered, "it is gone, or larger than any journal object");
            continue;
        };
        let checked = match key.journal_seq() {
            Some(seq) => CheckedSeal::of(&keyring, gateway, (key, seq), SealedObject::new(&object)).map(drop),
            None => Err((Problem::Foreign, "nothing of this name belongs to a journal".to_owned())),
        };
        if let Err((problem, detail)) = checked {
            report.found(key, problem, detail);
        }
    }
    Ok(report.findings)
}

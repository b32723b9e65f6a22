//! The recordings' part of a step.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use recording::{Key, Manifest, RecordingId, cast::SessionMetadata};
use storage::RecordingError;

use super::{Follower, Report, ScanMode};
use crate::{
    Result, SearchError,
    documents::from_recording,
    documents::origin::Origin,
    documents::output::{OutputLine, Reading},
    documents::{Stage, Stored},
};

/// Manifests read at the same time, when many recordings are new.
const AT_ONCE: usize = 16;
/// New recordings taken in one go.
const BATCH: usize = 256;
/// Entries asked for when a recording is looked at.
const PAGE: usize = 1000;
/// Thrifty steps between two that list all days.
const STEPS_TO_DAYS: u32 = 60;
/// A day with more recordings than this is listed every [`STEPS_TO_BIG_DAYS`] steps; the journal tells of new ones
/// in between.
const BIG_DAY: usize = 2000;
const STEPS_TO_BIG_DAYS: u32 = 10;
/// Thrifty steps between two that list the journals' days.
const STEPS_TO_JOURNALS: u32 = 10;
/// Most steps that a recording without news is left alone.
const LONGEST_REST: u32 = 600;
/// Open recordings that are looked at in one thrifty step, about.
const LOOKS: usize = 100;
/// Live recordings whose output is read on; of more, the output is found after their end.
const MOST_READINGS: usize = 256;
/// Chunks of a live recording that are read again after a start; the output of a longer one is found after its end.
const MOST_AGAIN: u32 = 32;
/// Looks after which a recording that the journal told of, and of which there is nothing, is given up.
const LOOKS_FOR_NOTHING: u32 = 50;

/// What need not be looked at, or not now. In memory only: after a start the index is asked.
#[derive(Default)]
pub(super) struct Known {
    /// By day: recordings that are done, or open.
    days: HashMap<String, HashSet<RecordingId>>,
    open: HashMap<RecordingId, Open>,
    /// Damage that was logged.
    logged: HashSet<(RecordingId, String)>,
    /// What the journal told of.
    told: BTreeSet<RecordingId>,
    steps: u32,
}

/// An open recording.
#[derive(Default)]
struct Open {
    /// Looks since there was something new.
    quiet: u32,
    /// Steps to the next look.
    wait: u32,
    /// What its header says, once it was read.
    session: Option<Arc<SessionMetadata>>,
    /// Its output, as far as it was read.
    reading: Option<Box<Reading>>,
}

impl Known {
    /// The journal tells of a recording.
    pub(super) fn wake(&mut self, id: RecordingId) {
        self.told.insert(id);
        let open = self.open.entry(id).or_default();
        (open.quiet, open.wait) = (0, 0);
    }

    /// Whether this is a step that lists journals.
    pub(super) fn lists_journals(&self) -> bool {
        self.steps.is_multiple_of(STEPS_TO_JOURNALS)
    }

    /// It is read elsewhere from now on.
    pub(super) fn take_over(&mut self, id: RecordingId) {
        self.open.remove(&id);
        self.insert(id);
    }

    pub(super) fn contains(&self, id: RecordingId) -> bool {
        self.days.get(&id.day()).is_some_and(|ids| ids.contains(&id))
    }

    fn insert(&mut self, id: RecordingId) {
        self.days.entry(id.day()).or_default().insert(id);
    }

    fn forget(&mut self, id: RecordingId) {
        if let Some(ids) = self.days.get_mut(&id.day()) {
            ids.remove(&id);
        }
    }

    /// Whether a recording is to be looked at in this step.
    fn is_due(&mut self, id: RecordingId) -> bool {
        let open = self.open.entry(id).or_default();
        let due = open.wait == 0;
        open.wait = open.wait.saturating_sub(1);
        due
    }

    /// Sets the rest after a look: the longer nothing happened and the more recordings are open, the longer. Returns
    /// how many looks in a row there was nothing.
    fn looked(&mut self, id: RecordingId, news: bool) -> u32 {
        let crowd = u32::try_from(self.open.len() / LOOKS).unwrap_or(u32::MAX);
        let open = self.open.entry(id).or_default();
        open.quiet = if news { 0 } else { open.quiet.saturating_add(1) };
        open.wait = (open.quiet / 10).max(crowd).min(LONGEST_REST);
        open.quiet
    }
}

impl Follower {
    pub(super) async fn follow_recordings(&mut self, care: ScanMode, report: Report<'_>) -> Result<()> {
        let told = std::mem::take(&mut self.known.told);
        self.take_new(told.into_iter().collect(), report).await?;
        for day in self.days_to_list(care).await? {
            let ids = self.recordings.ids(&day).await.map_err(store_failed)?;
            // Oldest first, so that an end in the middle leaves nothing behind it.
            self.take_new(ids.into_iter().rev().collect(), report).await?;
            let used = self.known.days.get(&day).is_some_and(|ids| !ids.is_empty());
            if used && day > self.state().day {
                self.state().day = day;
            }
        }
        self.look_at_open(care, report).await?;
        self.known.steps = self.known.steps.wrapping_add(1);
        let open = &self.state.get_or_insert_default().open;
        self.known.open.retain(|id, _| open.contains_key(id));
        Ok(())
    }

    /// The days in which recordings can have begun since the last step, oldest first.
    async fn days_to_list(&mut self, care: ScanMode) -> Result<Vec<String>> {
        let newest = self.state().day.clone();
        let first = day_before(&newest);
        self.known.days.retain(|day, _| *day >= first);
        let steps = self.known.steps;
        let mut days: Vec<String> = if care == ScanMode::Full || steps.is_multiple_of(STEPS_TO_DAYS) {
            self.recordings.days().await.map_err(store_failed)?
        } else {
            let now = Timestamp::now();
            vec![day_of(now), day_of(now.saturating_sub(24.hours()).unwrap_or(now)), newest]
        };
        days.retain(|day| *day >= first);
        if care == ScanMode::Incremental && !steps.is_multiple_of(STEPS_TO_BIG_DAYS) {
            days.retain(|day| self.known.days.get(day).is_none_or(|ids| ids.len() < BIG_DAY));
        }
        days.sort_unstable();
        days.dedup();
        Ok(days)
    }

    /// Takes in recordings that are not known: finished ones at once, others are kept open.
    async fn take_new(&mut self, mut ids: Vec<RecordingId>, report: Report<'_>) -> Result<()> {
        ids.retain(|id| !self.known.contains(*id));
        for batch in ids.chunks(BATCH) {
            let mut unknown = Vec::with_capacity(batch.len());
            for &id in batch {
                if self.state().open.contains_key(&id) || self.index.is_finished(id)? == Some(true) {
                    self.known.insert(id);
                } else {
                    unknown.push(id);
                }
            }
            let recordings = &self.recordings;
            let read = |id| async move { (id, recordings.manifest(id).await) };
            let manifests: Vec<_> = stream::iter(unknown).map(read).buffered(AT_ONCE).collect().await;
            for (id, manifest) in manifests {
                match manifest {
                    Ok(Some(manifest)) => self.finish(id, &manifest)?,
                    Ok(None) => self.open(id),
                    Err(error) => {
                        self.damaged(id, &error);
                        self.open(id);
                    }
                }
                self.known.insert(id);
                self.commit_if_many(report).await?;
            }
            self.follow_spool(report).await?;
            self.read_if_much_waits(report).await?;
        }
        Ok(())
    }

    fn open(&mut self, id: RecordingId) {
        self.state().open.entry(id).or_insert(0);
    }

    fn finish(&mut self, id: RecordingId, manifest: &Manifest) -> Result<()> {
        if manifest.session.id != id {
            tracing::error!(session = %id, claims = %manifest.session.id, "a manifest is of another recording");
            self.progress.damaged += 1;
            return Ok(());
        }
        let documents = from_recording::finished(manifest, &self.masks);
        self.index.replace_session(id, &documents)?;
        self.added(documents.len());
        self.progress.finished += 1;
        self.state().reading.insert(id);
        Ok(())
    }

    async fn look_at_open(&mut self, care: ScanMode, report: Report<'_>) -> Result<()> {
        let open: Vec<(RecordingId, u32)> = self.state().open.iter().map(|(id, next)| (*id, *next)).collect();
        for (id, next) in open {
            if self.feeds.contains(id) || (care == ScanMode::Incremental && !self.known.is_due(id)) {
                continue;
            }
            self.follow_spool(report).await?;
            let news = match self.look_at(id, next).await {
                Ok(news) => news,
                Err(Look::Index(error)) => return Err(error),
                Err(Look::Recording(error)) => {
                    self.damaged(id, &error);
                    true
                }
            };
            let quiet = self.known.looked(id, news);
            if next == 0 && quiet > LOOKS_FOR_NOTHING {
                self.close(id);
                self.known.forget(id);
            }
            self.commit_if_many(report).await?;
        }
        Ok(())
    }

    /// Takes in what is new of an open recording. Says whether there was anything.
    pub(super) async fn look_at(&mut self, id: RecordingId, next: u32) -> Result<bool, Look> {
        let after = next.checked_sub(1).map(|number| Key::chunk(id, number));
        let listed = self.store.list(&Key::recording_prefix(id), after.as_ref(), PAGE).await;
        let listed = listed.map_err(|error| Look::Recording(error.into()))?;
        let over = listed.iter().any(|entry| entry.key == Key::manifest(id));
        if over && self.read_manifest(id).await? {
            return Ok(true);
        }
        let numbers: Vec<u32> = listed.iter().filter_map(|entry| entry.key.chunk_number()).collect();
        if !numbers.is_empty() {
            self.read_chunks(id, next, &numbers).await?;
        }
        Ok(!numbers.is_empty())
    }

    /// Finishes a recording that has a manifest, if that can be read: else it stays as its chunks show it.
    async fn read_manifest(&mut self, id: RecordingId) -> Result<bool, Look> {
        match self.recordings.manifest(id).await {
            Ok(Some(manifest)) => {
                self.finish(id, &manifest)?;
                self.close(id);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error @ RecordingError::Store(_)) => Err(Look::Recording(error)),
            Err(error) => {
                self.damaged(id, &error);
                Ok(false)
            }
        }
    }

    async fn read_chunks(&mut self, id: RecordingId, next: u32, numbers: &[u32]) -> Result<(), Look> {
        let session = self.session(id).await?;
        if next == 0 {
            let documents = from_recording::begun(&session, &self.masks);
            self.index.replace_session(id, &documents)?;
            self.advance(id, 1, documents.len());
        }
        for &number in numbers.iter().filter(|number| **number > 0) {
            let documents = self.read_chunk(id, &session, number).await?;
            self.advance(id, number + 1, documents);
        }
        Ok(())
    }

    /// Takes in the commands and output of a chunk. Gives the number of documents.
    async fn read_chunk(&mut self, id: RecordingId, session: &SessionMetadata, number: u32) -> Result<usize, Look> {
        let lines = match self.recordings.chunk(id, number).await {
            Ok(lines) => lines,
            Err(error @ RecordingError::Store(_)) => return Err(Look::Recording(error)),
            Err(error) => {
                self.damaged(id, &error);
                return Ok(0);
            }
        };
        let of = Origin::of(&from_recording::row(session, None, &self.masks));
        // Commands are typed at terminals only: a flood through a pipe need not be looked through for them.
        let commands = if session.tty { from_recording::typed(&of, &lines, &self.masks) } else { Vec::new() };
        self.index.add(&commands)?;
        let shown = self.shown(id, of, number, lines).await?;
        self.index.add_shown(id, &shown)?;
        Ok(commands.len() + shown.documents())
    }

    /// The output of a chunk of a recording that goes on. Where what came before is not known (any more), it is read
    /// again.
    async fn shown(&mut self, id: RecordingId, of: Origin, number: u32, lines: Vec<u8>) -> Result<OutputLine, Look> {
        let crowd = self.known.open.values().filter(|open| open.reading.is_some()).count();
        let open = self.known.open.entry(id).or_default();
        let mut before = Vec::new();
        let mut reading = match open.reading.take() {
            Some(reading) => reading,
            None if crowd >= MOST_READINGS || number > MOST_AGAIN => return Ok(OutputLine::default()),
            None => {
                self.index.delete_live_output(id)?;
                for number in 1..number {
                    before.extend(self.recordings.chunk(id, number).await.ok());
                }
                Box::new(Reading::new(of.clone(), Stage::Live, Arc::clone(&self.masks)))
            }
        };
        let since = Timestamp::now().as_microsecond().saturating_sub(of.started);
        let read = tokio::task::spawn_blocking(move || {
            let mut found: Vec<Stored> = before.iter().flat_map(|lines| reading.chunk(lines)).collect();
            found.extend(reading.chunk(&lines));
            let mut shown = reading.pause(u64::try_from(since).unwrap_or(0));
            found.append(&mut shown.whole);
            shown.whole = found;
            (reading, shown)
        });
        let (reading, shown) = read.await.map_err(|error| Look::Index(super::panicked(&error)))?;
        self.known.open.entry(id).or_default().reading = Some(reading);
        Ok(shown)
    }

    /// What the header says; read once.
    async fn session(&mut self, id: RecordingId) -> Result<Arc<SessionMetadata>, Look> {
        if let Some(known) = self.known.open.get(&id).and_then(|open| open.session.clone()) {
            return Ok(known);
        }
        let session = Arc::new(self.recordings.header(id).await?.kubetape);
        self.known.open.entry(id).or_default().session = Some(Arc::clone(&session));
        Ok(session)
    }

    /// No longer looks at a recording.
    fn close(&mut self, id: RecordingId) {
        self.state().open.remove(&id);
        self.known.open.remove(&id);
    }

    fn advance(&mut self, id: RecordingId, next: u32, documents: usize) {
        self.state().open.insert(id, next);
        self.added(documents);
    }

    /// Counts and logs what is wrong with a recording, once.
    pub(super) fn damaged(&mut self, id: RecordingId, error: &RecordingError) {
        if self.known.logged.insert((id, error.to_string())) {
            self.progress.damaged += 1;
            let error: &dyn std::error::Error = error;
            tracing::warn!(session = %id, error, "a recording cannot be read in full");
        }
    }
}

/// Why a look at a recording ended.
pub(super) enum Look {
    /// The recording's own fault: the others go on.
    Recording(RecordingError),
    Index(SearchError),
}

impl From<RecordingError> for Look {
    fn from(error: RecordingError) -> Self {
        Self::Recording(error)
    }
}

impl From<SearchError> for Look {
    fn from(error: SearchError) -> Self {
        Self::Index(error)
    }
}

fn store_failed(error: RecordingError) -> SearchError {
    SearchError::Store(Box::new(error))
}

fn day_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
}

/// The day before `YYYY/MM/DD`; the empty text, before all days, for what is none.
fn day_before(day: &str) -> String {
    let date = jiff::civil::Date::strptime("%Y/%m/%d", day);
    date.and_then(|date| date.yesterday()).map_or(String::new(), |date| date.strftime("%Y/%m/%d").to_string())
}

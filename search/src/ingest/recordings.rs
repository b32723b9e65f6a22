//! The recordings' part of a turn.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use futures_util::{StreamExt, stream};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use recording::{Key, Manifest, RecordingId, UnixMicros, cast::SessionMetadata};
use storage::RecordingError;

use super::{Follower, OnCommit, ScanMode};
use crate::{
    Result, SearchError,
    backend::Batch,
    documents::{
        Document,
        from_recording::{finished_session, session_row, started_session, typed_commands},
        output::{OutputExtractor, OutputUpdate},
        passage::OutputStage,
        session::SessionContext,
    },
};

/// Manifests that are read at the same time, when many recordings are new.
const CONCURRENT_MANIFESTS: usize = 16;
/// New recordings that are taken in together.
const BATCH: usize = 256;
/// Objects of one listing of a recording.
const PAGE: usize = 1000;
/// Incremental turns from one listing of all days to the next.
const TURNS_TO_DAYS: u32 = 60;
/// A day with more recordings than this is listed every [`TURNS_TO_BIG_DAYS`] turns; between them the journal tells of new
/// ones.
const BIG_DAY: usize = 2000;
const TURNS_TO_BIG_DAYS: u32 = 10;
/// Incremental turns from one listing of the journals' days to the next.
const TURNS_TO_JOURNALS: u32 = 10;
/// Most turns in which an unfinished recording is not looked at, as nothing happened in it.
const MAX_WAIT: u32 = 600;
/// Unfinished recordings that an incremental turn looks at, roughly.
const SCANS: usize = 100;
/// Most live recordings whose output is indexed as they go on; that of more is indexed at their end.
pub(super) const MAX_LIVE_OUTPUTS: usize = 256;
/// Most chunks of a live recording that are read again after a restart; the output of a longer one is indexed at its end.
const MAX_READ_AGAIN: u32 = 32;
/// Scans after which a recording is given up that the journal named and of which nothing is stored.
const SCANS_FOR_NOTHING: u32 = 50;

/// Which recordings need not be scanned, or not in this turn. Kept in memory only: after a start the index is asked.
#[derive(Default)]
pub(super) struct RecordingTracker {
    /// By day: recordings that are done or unfinished, in contrast to new ones.
    days: HashMap<String, HashSet<RecordingId>>,
    unfinished: HashMap<RecordingId, UnfinishedRecording>,
    /// Damage that was logged.
    logged: HashSet<(RecordingId, String)>,
    /// Recordings that the journal named since the last turn.
    announced: BTreeSet<RecordingId>,
    turns: u32,
}

/// A recording without a manifest.
#[derive(Default)]
struct UnfinishedRecording {
    /// Scans since there was something new.
    quiet: u32,
    /// Turns to the next scan.
    wait: u32,
    /// Its header's metadata, once it was read.
    session: Option<Arc<SessionMetadata>>,
    /// Its output, as far as it was read.
    extractor: Option<Box<OutputExtractor>>,
}

impl RecordingTracker {
    /// Takes note that the journal or the spool says something about a recording: it is scanned in this turn.
    pub(super) fn wake(&mut self, id: RecordingId) {
        self.announced.insert(id);
        let recording = self.unfinished.entry(id).or_default();
        (recording.quiet, recording.wait) = (0, 0);
    }

    /// Whether this is a turn in which journals are listed.
    pub(super) fn lists_journals(&self) -> bool {
        self.turns.is_multiple_of(TURNS_TO_JOURNALS)
    }

    /// Takes note that the recording is read from the spool from now on.
    pub(super) fn read_from_spool(&mut self, id: RecordingId) {
        self.unfinished.remove(&id);
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

    /// Whether an unfinished recording is scanned in this turn. Counts the turn.
    fn is_due(&mut self, id: RecordingId) -> bool {
        let recording = self.unfinished.entry(id).or_default();
        let due = recording.wait == 0;
        recording.wait = recording.wait.saturating_sub(1);
        due
    }

    /// Sets the wait after a scan: longer the longer nothing happened, and the more recordings are unfinished. Returns how
    /// many scans in a row found nothing new.
    fn scanned(&mut self, id: RecordingId, news: bool) -> u32 {
        let crowd = u32::try_from(self.unfinished.len() / SCANS).unwrap_or(u32::MAX);
        let recording = self.unfinished.entry(id).or_default();
        recording.quiet = if news { 0 } else { recording.quiet.saturating_add(1) };
        recording.wait = (recording.quiet / 10).max(crowd).min(MAX_WAIT);
        recording.quiet
    }
}

impl Follower {
    pub(super) async fn follow_recordings(&mut self, mode: ScanMode, on_commit: OnCommit<'_>) -> Result<()> {
        let announced = std::mem::take(&mut self.tracker.announced);
        self.take_in_new(announced.into_iter().collect(), on_commit).await?;
        for day in self.days_to_list(mode).await? {
            if self.is_stopping() {
                return Ok(());
            }
            let ids = self.recordings.ids(&day).await.map_err(SearchError::store)?;
            // Oldest first: if the process ends on the way, all before the newest day that was reached is done.
            self.take_in_new(ids.into_iter().rev().collect(), on_commit).await?;
            let used = self.tracker.days.get(&day).is_some_and(|ids| !ids.is_empty());
            if used && day > self.checkpoint().newest_day && !self.is_stopping() {
                self.checkpoint().newest_day = day;
            }
        }
        self.scan_unfinished(mode, on_commit).await?;
        self.tracker.turns = self.tracker.turns.wrapping_add(1);
        let unfinished = &self.checkpoint.get_or_insert_default().unfinished;
        self.tracker.unfinished.retain(|id, _| unfinished.contains_key(id));
        Ok(())
    }

    /// The days in which recordings may have begun since the last turn, oldest first.
    async fn days_to_list(&mut self, mode: ScanMode) -> Result<Vec<String>> {
        let newest = self.checkpoint().newest_day.clone();
        let first = day_before(&newest);
        self.tracker.days.retain(|day, _| *day >= first);
        let turns = self.tracker.turns;
        let mut days: Vec<String> = if mode == ScanMode::Full || turns.is_multiple_of(TURNS_TO_DAYS) {
            self.recordings.days().await.map_err(SearchError::store)?
        } else {
            let now = self.clock.now();
            vec![day_of(now), day_of(now.saturating_sub(24.hours()).unwrap_or(now)), newest]
        };
        days.retain(|day| *day >= first);
        if mode == ScanMode::Incremental && !turns.is_multiple_of(TURNS_TO_BIG_DAYS) {
            days.retain(|day| self.tracker.days.get(day).is_none_or(|ids| ids.len() < BIG_DAY));
        }
        days.sort_unstable();
        days.dedup();
        Ok(days)
    }

    /// Takes in recordings that are not tracked: finished ones at once; others become unfinished ones.
    async fn take_in_new(&mut self, mut ids: Vec<RecordingId>, on_commit: OnCommit<'_>) -> Result<()> {
        ids.retain(|id| !self.tracker.contains(*id));
        for ids in ids.chunks(BATCH) {
            if self.is_stopping() {
                return Ok(());
            }
            let unknown = self.unknown(ids).await?;
            let recordings = &self.recordings;
            let read = |id| async move { (id, recordings.manifest(id).await) };
            let manifests: Vec<_> = stream::iter(unknown).map(read).buffered(CONCURRENT_MANIFESTS).collect().await;
            for (id, manifest) in manifests {
                match manifest {
                    Ok(Some(manifest)) => self.finish(id, &manifest).await?,
                    Ok(None) => self.track_unfinished(id),
                    Err(error) => {
                        self.note_damage(id, &error);
                        self.track_unfinished(id);
                    }
                }
                self.tracker.insert(id);
                self.commit_if_many(on_commit).await?;
            }
            self.follow_spool(on_commit).await?;
            self.read_outputs_if_many_wait(on_commit).await?;
        }
        Ok(())
    }

    /// Those that neither the checkpoint nor the index knows; the others are tracked from now on.
    async fn unknown(&mut self, ids: &[RecordingId]) -> Result<Vec<RecordingId>> {
        let unfinished = &self.checkpoint.get_or_insert_default().unfinished;
        let (unfinished, candidates): (Vec<_>, Vec<_>) =
            ids.iter().copied().partition(|id| unfinished.contains_key(id));
        let mut known = self.index.finished_sessions(&candidates).await?;
        known.extend(unfinished);
        let unknown = ids.iter().copied().filter(|id| !known.contains(id)).collect();
        known.into_iter().for_each(|id| self.tracker.insert(id));
        Ok(unknown)
    }

    fn track_unfinished(&mut self, id: RecordingId) {
        self.checkpoint().unfinished.entry(id).or_insert(0);
    }

    async fn finish(&mut self, id: RecordingId, manifest: &Manifest) -> Result<()> {
        if manifest.session.id != id {
            tracing::error!(session = %id, claims = %manifest.session.id, "a manifest is of another recording");
            self.progress.damaged += 1;
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.replace_session(id, finished_session(manifest, &self.masks));
        self.apply(batch).await?;
        self.progress.finished += 1;
        self.checkpoint().awaiting_output.insert(id);
        Ok(())
    }

    async fn scan_unfinished(&mut self, mode: ScanMode, on_commit: OnCommit<'_>) -> Result<()> {
        let unfinished: Vec<(RecordingId, u32)> =
            self.checkpoint().unfinished.iter().map(|(id, next)| (*id, *next)).collect();
        for (id, next) in unfinished {
            if self.is_stopping() {
                return Ok(());
            }
            if self.tails.contains(id) || (mode == ScanMode::Incremental && !self.tracker.is_due(id)) {
                continue;
            }
            self.follow_spool(on_commit).await?;
            let news = match self.scan(id, next).await {
                Ok(news) => news,
                Err(ScanError::Index(error)) => return Err(error),
                Err(ScanError::Recording(error)) => {
                    self.note_damage(id, &error);
                    true
                }
            };
            let quiet = self.tracker.scanned(id, news);
            if next == 0 && quiet > SCANS_FOR_NOTHING {
                self.stop_tracking(id);
                self.tracker.forget(id);
            }
            self.commit_if_many(on_commit).await?;
        }
        Ok(())
    }

    /// Takes in what is new of an unfinished recording. Returns whether there was anything.
    pub(super) async fn scan(&mut self, id: RecordingId, next: u32) -> Result<bool, ScanError> {
        let after = next.checked_sub(1).map(|number| Key::chunk(id, number));
        let listed = self.store.list(&Key::recording_prefix(id), after.as_ref(), PAGE).await;
        let listed = listed.map_err(|error| ScanError::Recording(error.into()))?;
        let over = listed.iter().any(|object| object.key == Key::manifest(id));
        if over && self.read_manifest(id).await? {
            return Ok(true);
        }
        let numbers: Vec<u32> = listed.iter().filter_map(|object| object.key.chunk_number()).collect();
        if !numbers.is_empty() {
            self.read_chunks(id, next, &numbers).await?;
        }
        Ok(!numbers.is_empty())
    }

    /// Finishes a recording that has a manifest. Returns false if the manifest cannot be read: then the recording stays as
    /// its chunks show it.
    async fn read_manifest(&mut self, id: RecordingId) -> Result<bool, ScanError> {
        match self.recordings.manifest(id).await {
            Ok(Some(manifest)) => {
                self.finish(id, &manifest).await?;
                self.stop_tracking(id);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error @ RecordingError::Store(_)) => Err(ScanError::Recording(error)),
            Err(error) => {
                self.note_damage(id, &error);
                Ok(false)
            }
        }
    }

    async fn read_chunks(&mut self, id: RecordingId, next: u32, numbers: &[u32]) -> Result<(), ScanError> {
        let session = self.metadata(id).await?;
        if next == 0 {
            let mut batch = Batch::default();
            batch.replace_session(id, started_session(&session, &self.masks));
            self.apply(batch).await?;
            self.checkpoint().unfinished.insert(id, 1);
        }
        for &number in numbers.iter().filter(|number| **number > 0) {
            self.read_chunk(id, &session, number).await?;
            self.checkpoint().unfinished.insert(id, number + 1);
        }
        Ok(())
    }

    /// Takes in the commands and output of a chunk.
    async fn read_chunk(&mut self, id: RecordingId, session: &SessionMetadata, number: u32) -> Result<(), ScanError> {
        let lines = match self.recordings.chunk(id, number).await {
            Ok(lines) => lines,
            Err(error @ RecordingError::Store(_)) => return Err(ScanError::Recording(error)),
            Err(error) => {
                self.note_damage(id, &error);
                return Ok(());
            }
        };
        let context = SessionContext::of(&session_row(session, None, &self.masks));
        let mut batch = Batch::default();
        // Commands are typed at terminals only: other output need not be searched for markers.
        if session.tty {
            batch.add(typed_commands(&context, &lines, &self.masks));
        }
        let update = self.extract_output(id, context, number, lines).await?;
        batch.add_output(id, update);
        Ok(self.apply(batch).await?)
    }

    /// The output of a chunk of a recording that goes on. If the chunks before were read by another process, they are read
    /// again.
    async fn extract_output(
        &mut self,
        id: RecordingId,
        session: SessionContext,
        number: u32,
        lines: Vec<u8>,
    ) -> Result<OutputUpdate, ScanError> {
        let crowd = self.tracker.unfinished.values().filter(|recording| recording.extractor.is_some()).count();
        let mut before = Vec::new();
        let mut extractor = match self.tracker.unfinished.entry(id).or_default().extractor.take() {
            Some(extractor) => extractor,
            None if crowd >= MAX_LIVE_OUTPUTS || number > MAX_READ_AGAIN => return Ok(OutputUpdate::default()),
            None => {
                let mut batch = Batch::default();
                batch.delete_live_output(id);
                self.apply(batch).await?;
                for number in 1..number {
                    before.extend(self.recordings.chunk(id, number).await.ok());
                }
                Box::new(OutputExtractor::new(session.clone(), OutputStage::Live, Arc::clone(&self.masks)))
            }
        };
        let now = UnixMicros::from(self.clock.now()).since(session.started).into();
        let extracted = tokio::task::spawn_blocking(move || {
            let mut complete: Vec<Document> = before.iter().flat_map(|lines| extractor.read_chunk(lines)).collect();
            complete.extend(extractor.read_chunk(&lines));
            let mut update = extractor.pause(now);
            complete.append(&mut update.complete);
            update.complete = complete;
            (extractor, update)
        });
        let (extractor, update) = extracted.await.map_err(SearchError::task)?;
        self.tracker.unfinished.entry(id).or_default().extractor = Some(extractor);
        Ok(update)
    }

    /// The header's metadata, read once.
    async fn metadata(&mut self, id: RecordingId) -> Result<Arc<SessionMetadata>, ScanError> {
        if let Some(known) = self.tracker.unfinished.get(&id).and_then(|recording| recording.session.clone()) {
            return Ok(known);
        }
        let session = Arc::new(self.recordings.header(id).await?.kubetape);
        self.tracker.unfinished.entry(id).or_default().session = Some(Arc::clone(&session));
        Ok(session)
    }

    fn stop_tracking(&mut self, id: RecordingId) {
        self.checkpoint().unfinished.remove(&id);
        self.tracker.unfinished.remove(&id);
    }

    /// Counts and logs what is wrong with a recording, once.
    pub(super) fn note_damage(&mut self, id: RecordingId, error: &RecordingError) {
        if self.tracker.logged.insert((id, error.to_string())) {
            self.progress.damaged += 1;
            let error: &dyn std::error::Error = error;
            tracing::warn!(session = %id, error, "a recording cannot be read in full");
        }
    }
}

/// Why a scan of a recording ended.
pub(super) enum ScanError {
    /// This recording's: others go on.
    Recording(RecordingError),
    Index(SearchError),
}

impl From<RecordingError> for ScanError {
    fn from(error: RecordingError) -> Self {
        Self::Recording(error)
    }
}

impl From<SearchError> for ScanError {
    fn from(error: SearchError) -> Self {
        Self::Index(error)
    }
}

fn day_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
}

/// The day before `YYYY/MM/DD`; the empty text, which sorts before all days, if that is none.
fn day_before(day: &str) -> String {
    let date = jiff::civil::Date::strptime("%Y/%m/%d", day);
    date.and_then(|date| date.yesterday()).map_or(String::new(), |date| date.strftime("%Y/%m/%d").to_string())
}

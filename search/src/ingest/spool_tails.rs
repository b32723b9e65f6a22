//! The live sessions of this process's gateway, read from its spool: they are found before a chunk of them is stored.
//!
//! ```text
//! in the spool  ─▶ tail: commands and output as they come      the checkpoint says "nothing was read"
//! no longer     ─▶ the manifest is in the store: finished as any other recording
//! ```
//!
//! As the checkpoint does not say how far a tail came, all that tails added is replaced, and read again, after a start.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use recording::{RecordingId, UnixMicros, cast::SessionMetadata};
use spool::{Follow, SpoolError, SpoolEvent, SpoolReader};
use storage::{RecordingError, RecordingReader};

use super::{
    Follower, OnCommit,
    recordings::{MAX_LIVE_OUTPUTS, ScanError},
};
use crate::{
    Result, SearchError,
    backend::Batch,
    documents::{
        from_recording::{session_row, started_session, typed_commands},
        mask::Masks,
        output::OutputExtractor,
        passage::OutputStage,
        session::SessionContext,
    },
};

/// From one look at the spool to the next.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(400);
/// Time that one look takes, roughly; what is left comes with the next.
const TIME_SLICE: Duration = Duration::from_millis(250);
/// Most sessions that are read from the spool at the same time; chunks of more are read once they are stored.
const MAX_TAILS: usize = 1024;
/// How long after a session's last line its screen is looked at, for lines that stand there for long enough to be told.
const SETTLING: Duration = Duration::from_secs(3);

/// The sessions that are read from the spool.
#[derive(Default)]
pub(super) struct SpoolTails {
    /// `None` if the follower follows no spool.
    spool: Option<SpoolReader>,
    open: BTreeMap<RecordingId, SpoolTail>,
    /// Sessions whose files in the spool cannot be read.
    unreadable: HashSet<RecordingId>,
    /// The session that was read last. The next look begins behind it, so that much output of one session does not keep the
    /// others from being read.
    last_read: Option<RecordingId>,
    polled: Option<Instant>,
}

impl SpoolTails {
    pub(super) fn new(spool: SpoolReader) -> Self {
        Self { spool: Some(spool), ..Self::default() }
    }

    pub(super) fn contains(&self, id: RecordingId) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.spool.is_some()
    }

    /// Drops all tails: their sessions are read from the start.
    pub(super) fn start_over(&mut self) {
        self.open.clear();
    }

    /// Sessions that came into the spool, and those that left it.
    fn changes(&self) -> (Vec<RecordingId>, Vec<RecordingId>) {
        let Some(spool) = &self.spool else { return Default::default() };
        let is_new = |id: &RecordingId| !self.contains(*id) && !self.unreadable.contains(id);
        let new = spool.sessions().into_iter().filter(is_new).collect();
        let gone = self.open.keys().filter(|id| !spool.has(**id)).copied().collect();
        (new, gone)
    }

    /// All sessions, beginning behind the one that was read last.
    fn in_turn(&self) -> Vec<RecordingId> {
        let mut ids: Vec<RecordingId> = self.open.keys().copied().collect();
        let next = self.last_read.map_or(0, |last| ids.partition_point(|id| *id <= last));
        ids.rotate_left(next);
        ids
    }
}

impl Follower {
    /// Takes in what is new in the spool and commits it, if [`POLL_INTERVAL`] is over. Returns whether a session ended.
    pub(super) async fn follow_spool(&mut self, on_commit: OnCommit<'_>) -> Result<bool> {
        let since = |at| self.clock.instant().saturating_duration_since(at);
        if !self.tails.is_enabled() || self.tails.polled.is_some_and(|at| since(at) < POLL_INTERVAL) {
            return Ok(false);
        }
        self.load_checkpoint().await?;
        let ended = self.read_spool().await?;
        self.tails.polled = Some(self.clock.instant());
        self.commit(on_commit).await?;
        Ok(ended)
    }

    /// Takes in what is new in the spool. Returns whether a session ended.
    pub(super) async fn read_spool(&mut self) -> Result<bool> {
        let (new, gone) = self.tails.changes();
        for id in &gone {
            self.tails.open.remove(id);
            self.tracker.wake(*id);
            match self.scan(*id, 0).await {
                Ok(_) => {}
                Err(ScanError::Recording(error)) => self.note_damage(*id, &error),
                Err(ScanError::Index(error)) => return Err(error),
            }
        }
        for id in new {
            self.begin_tail(id).await?;
        }
        let deadline = self.clock.instant() + TIME_SLICE;
        for id in self.tails.in_turn() {
            self.read_tail(id, deadline).await?;
            self.tails.last_read = Some(id);
            if self.is_stopping() || self.clock.instant() >= deadline {
                break;
            }
        }
        Ok(!gone.is_empty())
    }

    /// Begins to read a session. Replaces what the index has of it.
    async fn begin_tail(&mut self, id: RecordingId) -> Result<()> {
        let is_finished = self.tracker.contains(id) && !self.checkpoint().unfinished.contains_key(&id);
        if is_finished || self.tails.open.len() >= MAX_TAILS {
            return Ok(());
        }
        let Some((metadata, follow)) = self.tails.spool.as_ref().and_then(|spool| open(spool, id)) else {
            self.tails.unreadable.insert(id);
            return Ok(());
        };
        let mut batch = Batch::default();
        batch.replace_session(id, started_session(&metadata, &self.masks));
        batch.delete_live_output(id);
        self.apply(batch).await?;
        self.checkpoint().unfinished.insert(id, 0);
        self.tracker.read_from_spool(id);
        let session = SessionContext::of(&session_row(&metadata, None, &self.masks));
        let outputs = self.tails.open.values().filter(|tail| tail.extractor.is_some()).count();
        let extractor = (outputs < MAX_LIVE_OUTPUTS)
            .then(|| Box::new(OutputExtractor::new(session.clone(), OutputStage::Live, Arc::clone(&self.masks))));
        let (stored, last_lines) = (VecDeque::new(), self.clock.instant());
        self.tails.open.insert(id, SpoolTail { id, session, follow, stored, extractor, last_lines, settled: false });
        Ok(())
    }

    async fn read_tail(&mut self, id: RecordingId, deadline: Instant) -> Result<()> {
        let Some(mut tail) = self.tails.open.remove(&id) else { return Ok(()) };
        match self.drain_tail(&mut tail, deadline).await {
            Ok(()) => {}
            Err(TailError::Store(error)) => self.note_damage(id, &error),
            Err(TailError::Index(error)) => return Err(error),
            Err(TailError::SpoolReader(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(session = %id, error, "a session in the spool cannot be read: its chunks are, once stored");
                self.tails.unreadable.insert(id);
                return Ok(());
            }
        }
        self.tails.open.insert(id, tail);
        Ok(())
    }

    /// Takes in what is new of a session, until the deadline.
    async fn drain_tail(&mut self, tail: &mut SpoolTail, deadline: Instant) -> Result<(), TailError> {
        while let Some(lines) = tail.next_lines(&self.recordings).await? {
            tail.last_lines = self.clock.instant();
            tail.settled = false;
            let batch = tail.extract(lines, &self.masks).await?;
            self.apply(batch).await.map_err(TailError::Index)?;
            if self.clock.instant() >= deadline {
                return Ok(());
            }
        }
        if !tail.settled {
            // The time is taken before: on a busy machine this may be the only look since, however late it is.
            let settled = self.clock.instant().saturating_duration_since(tail.last_lines) >= SETTLING;
            let batch = tail.extract_screen(self.clock.now()).await?;
            self.apply(batch).await.map_err(TailError::Index)?;
            tail.settled = settled;
        } else if tail.extractor.is_some() && tail.follow.is_over() {
            // The session waits for the store, which may be unavailable for long: its screen is not kept for that.
            tail.extractor = None;
        }
        Ok(())
    }
}

/// A session's metadata and its lines; `None` if they cannot be read.
fn open(spool: &SpoolReader, id: RecordingId) -> Option<(SessionMetadata, Follow)> {
    let follow = spool.follow(id, 1)?;
    let header = spool.header(id).ok().flatten()?;
    (header.kubetape.id == id).then_some((header.kubetape, follow))
}

/// Why a session was not read on.
enum TailError {
    /// The next look tries again.
    Store(RecordingError),
    SpoolReader(SpoolError),
    Index(SearchError),
}

/// A session that is read from the spool.
struct SpoolTail {
    id: RecordingId,
    session: SessionContext,
    follow: Follow,
    /// Chunks to read from the store, as they left the spool before they were read there.
    stored: VecDeque<u32>,
    /// `None` if too many sessions have one, and once the session has ended.
    extractor: Option<Box<OutputExtractor>>,
    /// When the last lines were read.
    last_lines: Instant,
    /// Whether all lines on the screen were told since then.
    settled: bool,
}

impl SpoolTail {
    /// The next lines; `None` if that is all for now.
    async fn next_lines(&mut self, recordings: &RecordingReader) -> Result<Option<Vec<u8>>, TailError> {
        loop {
            if let Some(&number) = self.stored.front() {
                let lines = recordings.chunk(self.id, number).await;
                if let Err(error @ RecordingError::Store(_)) = lines {
                    return Err(TailError::Store(error));
                }
                self.stored.pop_front();
                // Damage is noted once the recording is over.
                if let Ok(lines) = lines {
                    return Ok(Some(lines));
                }
                continue;
            }
            match self.follow.ready().await.map_err(TailError::SpoolReader)? {
                Some(SpoolEvent::Lines { lines, .. }) => return Ok(Some(lines)),
                Some(SpoolEvent::Stored { from, to }) => self.stored.extend(from..=to),
                None => return Ok(None),
            }
        }
    }

    /// The commands and complete passages of some lines.
    async fn extract(&mut self, lines: Vec<u8>, masks: &Arc<Masks>) -> Result<Batch, TailError> {
        let (session, masks, mut extractor) = (self.session.clone(), Arc::clone(masks), self.extractor.take());
        let extracted = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::default();
            if session.tty {
                batch.add(typed_commands(&session, &lines, &masks));
            }
            if let Some(extractor) = &mut extractor {
                batch.add(extractor.read_chunk(&lines));
            }
            (batch, extractor)
        });
        self.keep_extractor(extracted.await)
    }

    /// The passages of lines that stood on the screen for long enough.
    async fn extract_screen(&mut self, now: Timestamp) -> Result<Batch, TailError> {
        let Some(mut extractor) = self.extractor.take() else { return Ok(Batch::default()) };
        let now = UnixMicros::from(now).since(self.session.started).into();
        let id = self.id;
        let extracted = tokio::task::spawn_blocking(move || {
            let mut batch = Batch::default();
            batch.add_output(id, extractor.pause(now));
            (batch, Some(extractor))
        });
        self.keep_extractor(extracted.await)
    }

    fn keep_extractor(&mut self, extracted: Result<Extracted, tokio::task::JoinError>) -> Result<Batch, TailError> {
        let (batch, extractor) = extracted.map_err(|error| TailError::Index(SearchError::task(error)))?;
        self.extractor = extractor;
        Ok(batch)
    }
}

/// A batch, and the extractor that made it.
type Extracted = (Batch, Option<Box<OutputExtractor>>);

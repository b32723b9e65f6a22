//! One session's way from the spool to the store.
//!
//! ```text
//!                  segment closed
//!                   ┌────────┐
//!                   ▼        │
//!  Header ──────▶ Segments ──┘ ── ended ──▶ Finishing ──────▶ Done: the spool lets go of it
//!    │ chunk 0      │ a chunk each              │ the end journalled, what was recovered, the manifest, and its digest
//!    │              │                           │ journalled
//!    └──────────────┴───────────────────────────┴─ conflict, damaged header ─▶ quarantined, Done
//! ```
//!
//! A step that fails is made again after a pause, in the phase in which it was. Puts create only, so that a step may be made
//! twice.

mod recovered;

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use recording::{Chunk, Key, Manifest, Outcome, RecordingId};
use spool::{Checkpoint, LatencyObserver, SessionRecord, SessionRecords, SpoolRecovery, UploadQueue};

use crate::{
    backoff::Backoff,
    blocking::blocking,
    clock::unix_time,
    recover::{chunk_list::ChunkList, stream_accounting::StreamAccounting},
    upload::{
        end_acks::EndAcks,
        store::{UploadError, UploadStore},
        stored_acks::StoredAcks,
    },
};

/// What all upload tasks share.
pub(crate) struct UploadContext {
    pub(crate) queue: UploadQueue,
    pub(crate) recovery: SpoolRecovery,
    pub(crate) store: UploadStore,
    pub(crate) ends: Arc<EndAcks>,
    pub(crate) stored: StoredAcks,
    pub(crate) lag: LatencyObserver,
}

/// One session's way to the store.
pub(crate) struct UploadTask {
    context: Arc<UploadContext>,
    id: RecordingId,
    phase: Phase,
    origin: Origin,
    foreign_manifest: ForeignManifest,
    records: SessionRecords,
    chunks: ChunkList,
    /// The checkpoint of the last segment that was read.
    checkpoint: Option<Checkpoint>,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Put chunk 0, the header.
    Header,
    /// Put each segment that is closed, until the session has ended.
    Segments,
    /// Put what is known beyond the segments, and the manifest.
    Finishing,
    /// The session is no longer in the spool.
    Done,
}

/// Who knows what was stored of the session.
enum Origin {
    /// This task: the session began with it.
    Begun,
    /// A task of this process that panicked, and the store.
    Restarted,
    /// An earlier process, and the store. What the lines have is counted, so that what the disk has lost of them is told.
    Recovered(StreamAccounting),
}

/// Whether the store has a manifest of the session that this task did not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForeignManifest {
    /// It has none: this gateway is alive, and nobody else finalizes its sessions.
    Absent,
    /// The store failed, or this gateway was away: another may have finalized the session meanwhile.
    Unknown,
    /// It has one: nothing may be put beside what that lists.
    Present,
}

impl UploadTask {
    /// `is_restart` says whether a task of this process had the session before.
    pub(crate) fn new(context: Arc<UploadContext>, id: RecordingId, is_restart: bool) -> Self {
        let (origin, foreign_manifest) = match (context.recovery.is_left(id), is_restart) {
            (true, _) => (Origin::Recovered(StreamAccounting::default()), ForeignManifest::Unknown),
            (false, true) => (Origin::Restarted, ForeignManifest::Unknown),
            (false, false) => (Origin::Begun, ForeignManifest::Absent),
        };
        Self {
            context,
            id,
            phase: Phase::Header,
            origin,
            foreign_manifest,
            records: SessionRecords::default(),
            chunks: ChunkList::default(),
            checkpoint: None,
        }
    }

    /// Runs until the session is in the store, or in the quarantine.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::default();
        while self.phase != Phase::Done {
            match self.step(&mut backoff).await {
                Ok(next) => self.phase = next,
                Err(UploadError::Retry(why)) => {
                    tracing::debug!(session = %self.id, why, "not stored yet");
                    self.before_retry();
                    self.context.store.health.pause(&mut backoff).await;
                }
                Err(error @ (UploadError::Conflict(_) | UploadError::CorruptHeader)) => {
                    self.give_up(&error).await;
                    self.phase = Phase::Done;
                }
            }
        }
        self.context.ends.forget(self.id);
    }

    async fn step(&mut self, backoff: &mut Backoff) -> Result<Phase, UploadError> {
        match self.phase {
            Phase::Header => self.put_header().await,
            Phase::Segments => self.put_segments(backoff).await,
            Phase::Finishing => self.finish().await,
            Phase::Done => Ok(Phase::Done),
        }
    }

    fn before_retry(&mut self) {
        if self.foreign_manifest == ForeignManifest::Absent {
            self.foreign_manifest = ForeignManifest::Unknown;
        }
        // Thousands may wait for a store that is unavailable: what the next attempt reads again is not kept.
        if self.phase == Phase::Header {
            self.records = SessionRecords::default();
        }
    }

    async fn put_header(&mut self) -> Result<Phase, UploadError> {
        let context = Arc::clone(&self.context);
        // However many sessions go on when the store is back, or a process starts: few are read at once.
        let _place = context.store.place().await;
        let Some(records) = context.queue.records(self.id).await? else { return self.without_header().await };
        self.records = records;
        self.refuse_finalized().await?;
        self.put(0, self.records.header.clone()).await?;
        Ok(Phase::Segments)
    }

    /// Lets go of a session whose header was never whole: nothing was dialled, and nobody was told of it.
    async fn without_header(&self) -> Result<Phase, UploadError> {
        if !self.context.recovery.is_unopened(self.id).await? {
            return Err(UploadError::CorruptHeader);
        }
        self.context.queue.finished(self.id).await?;
        Ok(Phase::Done)
    }

    async fn put_segments(&mut self, backoff: &mut Backoff) -> Result<Phase, UploadError> {
        loop {
            let Some(mut watch) = self.context.queue.watch(self.id) else { return Ok(Phase::Done) };
            let (has_ended, _) = watch.seen();
            for number in self.context.queue.closed_segments(self.id).await? {
                self.learn_before(number).await?;
                self.put_segment(number).await?;
                *backoff = Backoff::default();
            }
            if has_ended {
                return Ok(Phase::Finishing);
            }
            watch.changed().await;
        }
    }

    /// Stores a segment and removes it.
    async fn put_segment(&mut self, number: u32) -> Result<(), UploadError> {
        if self.chunks.last_number() >= number {
            return self.let_go(number).await;
        }
        let context = Arc::clone(&self.context);
        let _place = context.store.place().await;
        let segment = context.queue.segment(self.id, number).await?;
        self.checkpoint = segment.checkpoint.or(self.checkpoint);
        if segment.damaged > 0 {
            let places = segment.damaged;
            tracing::error!(session = %self.id, number, places, "the spool is damaged: the recording says where");
        }
        if !segment.lines.is_empty() {
            self.refuse_finalized().await?;
            self.put(number, segment.lines).await?;
            // A clock that was set back tells nothing.
            if let Some(lag) = segment.written.and_then(|written| written.elapsed().ok()) {
                context.lag.observe(lag);
            }
        }
        self.let_go(number).await
    }

    /// Removes a stored segment. What an earlier process knew beside its last lines stays until the manifest is stored, and so does
    /// the digest of the chunks up to it: the next process has only the store to learn them from.
    async fn let_go(&self, number: u32) -> Result<(), UploadError> {
        let UploadContext { queue, recovery, .. } = &*self.context;
        if matches!(self.origin, Origin::Recovered(_))
            && self.records.ended.is_none()
            && let Some(checkpoint) = recovery.checkpoint(self.id, self.checkpoint).await?
        {
            recovery.keep_checkpoint(self.id, checkpoint).await?;
        }
        if self.records.stored.as_ref().is_some_and(|(known, _)| *known <= self.chunks.last_number()) {
            self.check_stored()?;
        }
        if let Some(Chunk { number, digest, .. }) = self.chunks.chunks().last().filter(|chunk| chunk.number > 0) {
            let stored = SessionRecord::Stored { number: *number, digest: digest.clone() };
            // A disk without room gets some by the removal.
            let _ = queue.note(self.id, stored).await;
        }
        Ok(queue.stored(self.id, number).await?)
    }

    /// Puts a chunk and adds it to the manifest's list.
    async fn put(&mut self, number: u32, lines: Vec<u8>) -> Result<(), UploadError> {
        let lines = Bytes::from(lines);
        let stored = self.context.store.put_chunk(self.id, number, lines.clone(), self.chunks.digest()).await?;
        self.chunks.push(&stored, &lines);
        self.account(number, lines).await;
        Ok(())
    }

    /// Counts the lines of a chunk. What was found to be missing is nothing that was said.
    async fn account(&mut self, number: u32, lines: impl AsRef<[u8]> + Send + 'static) {
        let is_said = number > 0 && self.records.recovered_tail.is_none_or(|tail| number < tail);
        if let (Origin::Recovered(accounting), true) = (&mut self.origin, is_said) {
            let mut taken = std::mem::take(accounting);
            *accounting = blocking(move || {
                taken.take(lines.as_ref());
                taken
            })
            .await;
        }
    }

    /// Learns the chunks before `number` that an earlier task stored.
    async fn learn_before(&mut self, number: u32) -> Result<(), UploadError> {
        if self.chunks.last_number() + 1 >= number {
            return Ok(());
        }
        let listed = self.context.store.objects(self.id).await?;
        // A number that is not there is in no list: the manifest's has a hole, which every reader names.
        for (missing, size) in listed.chunks.into_iter().filter(|(at, _)| *at < number) {
            if missing <= self.chunks.last_number() {
                continue;
            }
            let Some(object) = self.context.store.chunk(self.id, missing, size).await? else { continue };
            let lines = self.chunks.learn(object).await.unwrap_or_default();
            self.account(missing, lines).await;
        }
        Ok(())
    }

    /// Looks whether another gateway finalized the session while it was not known how this one is. Then nothing more may be put
    /// beside what that listed.
    async fn refuse_finalized(&mut self) -> Result<(), UploadError> {
        if self.foreign_manifest == ForeignManifest::Absent {
            return Ok(());
        }
        if !self.context.store.has_manifest(self.id).await? {
            self.foreign_manifest = ForeignManifest::Absent;
            return Ok(());
        }
        // It may be this gateway's own, if the spool was not cleared any more. What it lists decides.
        if !self.context.queue.closed_segments(self.id).await?.is_empty() {
            return Err(UploadError::Conflict(Key::manifest(self.id)));
        }
        self.foreign_manifest = ForeignManifest::Present;
        Ok(())
    }

    async fn finish(&mut self) -> Result<Phase, UploadError> {
        if let Some(records) = self.context.queue.records(self.id).await? {
            self.records = records;
        }
        // An earlier task may have stored and removed all segments.
        if !matches!(self.origin, Origin::Begun) && self.chunks.chunks().len() == 1 {
            self.learn_before(u32::MAX).await?;
        }
        self.check_stored()?;
        let journalled = self.journalled_outcome().await;
        let is_ended_here = !matches!(self.origin, Origin::Recovered(_)) && self.records.ended.is_some();
        let mut manifest = match self.records.ended.take() {
            Some(manifest) => self.checked(*manifest).await?,
            None => self.interrupted(journalled.clone()).await?,
        };
        manifest.chunks = self.chunks.chunks().to_vec();
        let stored = self.context.store.put_manifest(&manifest, unix_time(SystemTime::now())).await?;
        // The caller journals an end here, and a gateway that finalized it has journalled that.
        if journalled.is_none() && stored.manifest == manifest && !is_ended_here {
            self.journal_end(&manifest).await?;
        }
        // Nobody vouches for a manifest that another put there: who did has journalled it, or it is forged.
        if stored.is_signed_here && !self.context.stored.journal(stored).await {
            return Err(UploadError::Retry("the journal did not take the manifest's digest".to_owned()));
        }
        self.context.queue.finished(self.id).await?;
        Ok(Phase::Done)
    }

    /// The outcome that the journal has. Waits for it, if the session was ended here.
    async fn journalled_outcome(&self) -> Option<Outcome> {
        match (&self.records.journalled, &self.origin) {
            (Some(outcome), _) => Some(outcome.clone()),
            (None, Origin::Begun | Origin::Restarted) => self.context.ends.outcome(self.id).await,
            (None, Origin::Recovered(_)) => None,
        }
    }

    async fn journal_end(&self, manifest: &Manifest) -> Result<(), UploadError> {
        let outcome = manifest.outcome.clone();
        if !self.context.ends.journal(self.id, &manifest.session.principal.name, &outcome).await {
            return Err(UploadError::Retry("the journal did not take the session's end".to_owned()));
        }
        // A disk that does not take the note must not have the end journalled again and again.
        if let Err(error) = self.context.queue.note(self.id, SessionRecord::Journalled { outcome }).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(session = %self.id, error, "cannot note that the journal has the session's end");
        }
        Ok(())
    }

    /// Checks that the store still has what an earlier task put there: the digest of the last chunk vouches for those before it.
    fn check_stored(&self) -> Result<(), UploadError> {
        let Some((number, digest)) = &self.records.stored else { return Ok(()) };
        match self.chunks.chunks().iter().find(|chunk| chunk.number == *number) {
            Some(chunk) if chunk.digest == *digest => Ok(()),
            _ => Err(UploadError::Conflict(Key::chunk(self.id, *number))),
        }
    }

    /// Quarantines a session that cannot be stored.
    async fn give_up(&self, error: &UploadError) {
        let why = match error {
            UploadError::Conflict(key) => {
                self.journal_conflict(key).await;
                format!("{key} is not there with what this gateway recorded")
            }
            UploadError::CorruptHeader | UploadError::Retry(_) => {
                // The next process journals it once more, if this one dies before the folder is elsewhere.
                let _ = self.context.ends.journal(self.id, "", &Outcome::Interrupted).await;
                "its header is damaged on the gateway's disk".to_owned()
            }
        };
        let session = self.id;
        match self.context.queue.quarantine(session).await {
            Ok(place) => {
                tracing::error!(%session, place = %place.display(), why, "the session cannot be stored: it is quarantined");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%session, error, why, "the session can neither be stored nor quarantined");
            }
        }
    }
}

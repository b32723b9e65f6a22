//! The output's part of a turn: what recordings showed that are over.
//!
//! It is read after the sessions and commands of all of them, since it can be much. A turn of a running follower reads for
//! a while only, and the next one goes on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use recording::RecordingId;
use storage::{
    RecordingError, RecordingReader,
    recordings::{ChunkOrGap, Chunks},
};
use tokio_util::sync::CancellationToken;

use super::{Follower, OnCommit, ScanMode, clock::Clock};
use crate::{
    Result, SearchError,
    backend::{Backend, Batch},
    documents::{
        DocumentGroup, from_recording::session_row, mask::Masks, output::OutputExtractor, passage::OutputStage,
        session::SessionContext,
    },
};

/// Time that a turn of a running follower takes for output.
const TIME_SLICE: Duration = Duration::from_millis(500);
/// Recordings whose output waits to be read; with more, it is read before other recordings are taken in.
const MAX_WAITING: usize = 512;

/// A recording whose output is read in part.
pub(super) struct OutputJob {
    chunks: Chunks,
    extractor: OutputExtractor,
}

/// How a job's share of the turn ended.
enum JobOutcome {
    /// All chunks were read, but for the damaged ones.
    Done {
        damaged: Vec<RecordingError>,
    },
    /// The time was up.
    Paused(Box<OutputJob>),
    /// The time was up before the job began.
    NotBegun,
    /// The store failed: the next turn begins the job again.
    StoreFailed,
    IndexFailed(SearchError),
}

/// What all jobs of a turn share.
struct JobContext {
    recordings: RecordingReader,
    index: Arc<dyn Backend>,
    masks: Arc<Masks>,
    clock: Arc<dyn Clock>,
    deadline: Option<Instant>,
    stop: CancellationToken,
}

impl Follower {
    /// Reads output that waits, if it is of [`MAX_WAITING`] recordings.
    pub(super) async fn read_outputs_if_many_wait(&mut self, on_commit: OnCommit<'_>) -> Result<()> {
        if self.checkpoint().awaiting_output.len() < MAX_WAITING {
            return Ok(());
        }
        self.read_outputs(ScanMode::Full, on_commit).await
    }

    /// Reads output that waits, newest recording first.
    pub(super) async fn read_outputs(&mut self, mode: ScanMode, on_commit: OnCommit<'_>) -> Result<()> {
        let context = Arc::new(JobContext {
            recordings: self.recordings.clone(),
            index: Arc::clone(&self.index),
            masks: Arc::clone(&self.masks),
            clock: Arc::clone(&self.clock),
            deadline: (mode != ScanMode::Full).then(|| self.clock.instant() + TIME_SLICE),
            stop: self.stop.clone(),
        });
        let waiting: Vec<RecordingId> = self.checkpoint().awaiting_output.iter().rev().copied().collect();
        let begun: Vec<(RecordingId, Option<Box<OutputJob>>)> =
            waiting.into_iter().map(|id| (id, self.output_jobs.remove(&id))).collect();
        let jobs = begun.into_iter().map(|(id, job)| {
            let context = Arc::clone(&context);
            async move { (id, context.run(id, job).await) }
        });
        let mut jobs = Box::pin(stream::iter(jobs).buffer_unordered(self.concurrency));
        let mut failed = None;
        while let Some((id, (added, outcome))) = jobs.next().await {
            if added > 0 {
                self.count_applied(added);
            }
            match outcome {
                JobOutcome::Done { damaged } => self.output_done(id, &damaged).await?,
                JobOutcome::Paused(job) => _ = self.output_jobs.insert(id, job),
                JobOutcome::NotBegun | JobOutcome::StoreFailed => {}
                JobOutcome::IndexFailed(error) => failed = Some(error),
            }
            self.commit_if_many(on_commit).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn output_done(&mut self, id: RecordingId, damaged: &[RecordingError]) -> Result<()> {
        let mut batch = Batch::default();
        batch.delete_live_output(id);
        self.apply(batch).await?;
        self.checkpoint().awaiting_output.remove(&id);
        self.progress.read += 1;
        damaged.iter().for_each(|error| self.note_damage(id, error));
        Ok(())
    }
}

impl JobContext {
    fn is_time_up(&self) -> bool {
        self.stop.is_cancelled() || self.deadline.is_some_and(|deadline| self.clock.instant() >= deadline)
    }

    /// Begins or goes on with a recording, until it ends or the time is up. Returns how many documents were added.
    async fn run(&self, id: RecordingId, job: Option<Box<OutputJob>>) -> (usize, JobOutcome) {
        let mut added = 0;
        let mut damaged = Vec::new();
        let mut job = match job {
            Some(job) => job,
            None if self.is_time_up() => return (0, JobOutcome::NotBegun),
            None => match self.begin(id).await {
                Ok(job) => job,
                Err(outcome) => return (0, outcome),
            },
        };
        loop {
            if self.is_time_up() {
                return (added, JobOutcome::Paused(job));
            }
            let lines = match job.chunks.next().await {
                Ok(Some(ChunkOrGap::Lines { lines, .. })) => Some(lines),
                Ok(Some(ChunkOrGap::Gap { .. })) => continue,
                Ok(None) => None,
                Err(RecordingError::Store(_)) => return (added, JobOutcome::StoreFailed),
                Err(error) => {
                    damaged.push(error);
                    continue;
                }
            };
            match self.extract(*job, lines).await {
                Ok((of_chunk, Some(rest))) => {
                    added += of_chunk;
                    job = rest;
                }
                Ok((of_chunk, None)) => return (added + of_chunk, JobOutcome::Done { damaged }),
                Err(error) => return (added, JobOutcome::IndexFailed(error)),
            }
        }
    }

    /// Begins a recording. What an earlier job left of its output is deleted.
    async fn begin(&self, id: RecordingId) -> Result<Box<OutputJob>, JobOutcome> {
        let chunks = match self.recordings.chunks(id).await {
            Ok(chunks) => chunks,
            Err(RecordingError::Store(_)) => return Err(JobOutcome::StoreFailed),
            Err(error) => return Err(JobOutcome::Done { damaged: vec![error] }),
        };
        let Some(manifest) = chunks.manifest() else { return Err(JobOutcome::Done { damaged: Vec::new() }) };
        let session = SessionContext::of(&session_row(&manifest.session, Some(manifest), &self.masks));
        let mut batch = Batch::default();
        batch.delete(DocumentGroup::Output(id, OutputStage::Final));
        self.index.apply(batch).await.map_err(JobOutcome::IndexFailed)?;
        let extractor = OutputExtractor::new(session, OutputStage::Final, Arc::clone(&self.masks));
        Ok(Box::new(OutputJob { chunks, extractor }))
    }

    /// Applies the passages of a chunk's lines, or the last ones if there are no more. Returns how many, and the job unless
    /// it is done.
    async fn extract(&self, job: OutputJob, lines: Option<Vec<u8>>) -> Result<(usize, Option<Box<OutputJob>>)> {
        let OutputJob { chunks, mut extractor } = job;
        let extracted = tokio::task::spawn_blocking(move || match lines {
            Some(lines) => (extractor.read_chunk(&lines), Some(extractor)),
            None => (extractor.finish(), None),
        });
        let (passages, extractor) = extracted.await.map_err(SearchError::task)?;
        let mut batch = Batch::default();
        batch.add(passages);
        let added = batch.added();
        self.index.apply(batch).await?;
        Ok((added, extractor.map(|extractor| Box::new(OutputJob { chunks, extractor }))))
    }
}

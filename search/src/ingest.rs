//! From the store into the index.
//!
//! ```text
//! journal objects ─▶ journal_tail ─▶ journals ──┐  which recordings are new or over; kubectl runs
//! spool ───────────▶ spool_tails ───────────────┤  this process's live sessions
//! headers, chunks, manifests ─▶ recordings ─────┼─▶ Batch ─▶ Backend::apply ─▶ Backend::commit(checkpoint)
//! chunks of recordings that are over ─▶ outputs ┘
//! ```

mod background_rebuild;
mod checkpoint;
pub(crate) mod clock;
mod journal_actions;
mod journal_tail;
mod journals;
mod outputs;
pub(crate) mod rebuild;
mod recordings;
mod spool_tails;

use std::{
    collections::HashMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use background_rebuild::BackgroundRebuild;
use checkpoint::IngestCheckpoint;
use clock::{Clock, SystemClock};
use journal_tail::JournalTail;
use outputs::OutputJob;
use recording::RecordingId;
use recordings::RecordingTracker;
use serde::Serialize;
use spool::SpoolReader;
use spool_tails::SpoolTails;
use storage::{RecordingReader, Store};
use tokio_util::sync::CancellationToken;

use crate::{
    Result, SearchError,
    backend::{Backend, Batch},
    documents::{kubectl_run::KubectlRun, mask::Masks},
};

/// Documents that are applied before a commit, however many more wait.
const COMMIT_AFTER: u64 = 10_000;
/// Kubectl runs that are kept in memory over a commit; others are read back from the index.
const CACHED_RUNS: usize = 1000;
/// How long a turn may go on after the shutdown began; then it is dropped.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest last turn, which takes in what was recorded until the shutdown.
const LAST_TURN: Duration = Duration::from_secs(5);
/// Longest pause after turns that failed.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// How much a [`Follower`] has taken in since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Recordings in the store, if they were counted before; else 0.
    pub recordings: u64,
    /// Recordings that are over and whose output was read.
    pub read: u64,
    /// Recordings that are over and indexed, perhaps without their output yet.
    pub finished: u64,
    /// Recordings without a manifest at the moment: live, or their gateway died.
    pub live: u64,
    /// Journal objects that were read.
    pub journal_objects: u64,
    /// Documents that were added.
    pub documents: u64,
    /// Recordings, chunks and journal objects that could not be read and were skipped.
    pub damaged: u64,
    /// Commits to the index.
    pub commits: u64,
}

/// Called at each commit.
type OnCommit<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// How much of the store a turn looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanMode {
    /// Everything.
    Full,
    /// Recordings in which nothing happened for long, and long listings, less often.
    Incremental,
    /// Everything but output, which may be much.
    Final,
}

/// Indexes the journal and the recordings of a store, and keeps up with them.
///
/// The index stores how far the follower came with each commit, so that it goes on from there after any end. Only one
/// follower at a time can write to an index.
pub struct Follower {
    store: Arc<dyn Store>,
    recordings: RecordingReader,
    journal: JournalTail,
    index: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    /// `None` until it is read from the index.
    checkpoint: Option<IngestCheckpoint>,
    tracker: RecordingTracker,
    tails: SpoolTails,
    /// Recordings that are over and whose output is read in part.
    output_jobs: HashMap<RecordingId, Box<OutputJob>>,
    /// Recordings whose output is read at the same time.
    concurrency: usize,
    masks: Arc<Masks>,
    /// By [`KubectlRun::key`].
    runs: HashMap<String, KubectlRun>,
    progress: Progress,
    /// Documents that were applied and not committed. A newer checkpoint alone is not committed: what it says is found out
    /// again after a restart, and adds nothing then either.
    uncommitted: u64,
    /// Cancelled when turns are to end early.
    stop: CancellationToken,
}

impl Follower {
    /// Will follow `store` into `index`, with a turn every `interval`.
    pub fn new(store: Arc<dyn Store>, index: Arc<dyn Backend>, interval: Duration) -> Self {
        Self {
            masks: index.masks(),
            tails: SpoolTails::default(),
            output_jobs: HashMap::new(),
            concurrency: std::thread::available_parallelism().map_or(1, usize::from),
            recordings: RecordingReader::new(Arc::clone(&store)),
            journal: JournalTail::new(Arc::clone(&store)),
            store,
            index,
            clock: Arc::new(SystemClock),
            interval,
            checkpoint: None,
            tracker: RecordingTracker::default(),
            runs: HashMap::new(),
            progress: Progress::default(),
            uncommitted: 0,
            stop: CancellationToken::new(),
        }
    }

    /// Also reads the live sessions of this process's gateway from its spool, so that they are found as they go on.
    #[must_use]
    pub fn with_spool(self, spool: SpoolReader) -> Self {
        Self { tails: SpoolTails::new(spool), ..self }
    }

    /// Takes the time from `clock` instead of the system.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Catches up once, and commits what is new.
    ///
    /// # Errors
    /// [`SearchError::Store`] if the store cannot be listed; the index's errors. What was committed before stays.
    /// Recordings and journal objects that are damaged are no error: they are logged, counted and skipped.
    ///
    /// # Cancel safety
    /// After the future is dropped, the follower must be dropped too: it no longer knows what was applied. Another one
    /// begins from the last commit.
    pub async fn step(&mut self) -> Result<Progress> {
        self.turn(ScanMode::Full, &mut |_| {}).await
    }

    /// Catches up every interval, and once more when `shutdown` is cancelled. Errors are logged, and the turn is tried
    /// again after an ever longer pause.
    ///
    /// Ends at the latest [`STOP_TIMEOUT`] and [`LAST_TURN`] after the shutdown began, even if the store hangs.
    ///
    /// # Cancel safety
    /// Dropping the future loses what was not committed; another follower takes it in again.
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.stop = shutdown.clone();
        let mut pause = self.interval;
        let mut mode = ScanMode::Full;
        let mut rebuild = BackgroundRebuild::new(&self.store, &self.index, &self.clock);
        let mut next = self.clock.instant();
        loop {
            if rebuild.poll(&shutdown).await {
                self.start_over().await;
            }
            match unless_stopped(&shutdown, self.turn_or_follow_spool(mode, next, &mut |_| {})).await {
                None => {
                    self.start_over().await;
                    break;
                }
                Some(Ok(true)) => {
                    pause = self.interval;
                    mode = ScanMode::Incremental;
                    next = self.clock.instant() + if self.output_jobs.is_empty() { pause } else { Duration::ZERO };
                }
                Some(Ok(false)) => {}
                Some(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "search is behind");
                    pause = (pause * 2).min(MAX_PAUSE);
                    next = self.clock.instant() + pause;
                }
            }
            let now = self.clock.instant();
            let wait = next.saturating_duration_since(now);
            let wait = if self.tails.is_enabled() { wait.min(spool_tails::POLL_INTERVAL) } else { wait };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.last_turn().await;
    }

    /// Takes in what was recorded until now, so that whatever opens the index next finds it.
    async fn last_turn(&mut self) {
        self.stop = CancellationToken::new();
        let done = tokio::time::timeout(LAST_TURN, self.turn(ScanMode::Final, &mut |_| {})).await;
        if !matches!(done, Ok(Ok(_))) {
            tracing::warn!("search does not have the last recordings yet: it gets them at the next start");
        }
    }

    /// Counts the recordings in the store, for [`Progress::recordings`].
    async fn count_recordings(&mut self) -> Result<()> {
        for day in self.recordings.days().await.map_err(SearchError::store)? {
            let ids = self.recordings.ids(&day).await.map_err(SearchError::store)?;
            self.progress.recordings += ids.len() as u64;
        }
        Ok(())
    }

    /// Does a turn if one is due, or follows the spool only. Returns whether it did a turn, which it does at once when a
    /// session ended.
    async fn turn_or_follow_spool(&mut self, mode: ScanMode, next: Instant, on_commit: OnCommit<'_>) -> Result<bool> {
        if self.clock.instant() < next {
            let ended = self.follow_spool(on_commit).await;
            if !self.start_over_if_failed(ended).await? {
                return Ok(false);
            }
        }
        self.turn(mode, on_commit).await.map(|_| true)
    }

    async fn turn(&mut self, mode: ScanMode, on_commit: OnCommit<'_>) -> Result<Progress> {
        let done = self.try_turn(mode, on_commit).await;
        self.start_over_if_failed(done).await.map(|()| self.progress)
    }

    async fn try_turn(&mut self, mode: ScanMode, on_commit: OnCommit<'_>) -> Result<()> {
        self.load_checkpoint().await?;
        self.read_spool().await?;
        // The journal says which recordings are new or over; but if it cannot be read, recordings are followed all the same.
        let journals = self.follow_journals(mode, on_commit).await;
        let recordings = self.follow_recordings(mode, on_commit).await;
        // What is short is found before what is long is read.
        self.commit(on_commit).await?;
        self.read_outputs(mode, on_commit).await?;
        self.commit(on_commit).await?;
        self.progress.live = self.checkpoint().unfinished.len() as u64;
        journals.and(recordings)
    }

    /// Whether the turn is to end at the next place where it can.
    fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    async fn start_over_if_failed<T>(&mut self, done: Result<T>) -> Result<T> {
        if matches!(&done, Err(error) if !matches!(error, SearchError::Store(_))) {
            self.start_over().await;
        }
        done
    }

    /// Goes back to the last commit: after an error of the index it is not known what was applied since.
    async fn start_over(&mut self) {
        if let Err(error) = self.index.rollback().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot be written");
        }
        self.checkpoint = None;
        self.tracker = RecordingTracker::default();
        self.output_jobs.clear();
        self.tails.start_over();
        self.runs.clear();
        self.uncommitted = 0;
    }

    /// Reads the checkpoint of the last commit, unless it is known.
    async fn load_checkpoint(&mut self) -> Result<()> {
        if self.checkpoint.is_none() {
            self.checkpoint = Some(IngestCheckpoint::parse(self.index.checkpoint().await?.as_deref()));
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> &mut IngestCheckpoint {
        self.checkpoint.get_or_insert_default()
    }

    async fn apply(&mut self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let added = batch.added();
        self.index.apply(batch).await?;
        self.count_applied(added);
        Ok(())
    }

    /// Counts a batch that was applied, also one that only deletes.
    fn count_applied(&mut self, added: usize) {
        self.progress.documents += added as u64;
        self.uncommitted += added.max(1) as u64;
    }

    async fn commit_if_many(&mut self, on_commit: OnCommit<'_>) -> Result<()> {
        if self.uncommitted >= COMMIT_AFTER { self.commit(on_commit).await } else { Ok(()) }
    }

    async fn commit(&mut self, on_commit: OnCommit<'_>) -> Result<()> {
        if self.uncommitted == 0 {
            return Ok(());
        }
        let checkpoint = self.checkpoint().to_json();
        self.index.commit(&checkpoint).await?;
        self.uncommitted = 0;
        self.progress.commits += 1;
        self.progress.live = self.checkpoint().unfinished.len() as u64;
        // What is committed can be read back: only now may a run be dropped from memory.
        if self.runs.len() > CACHED_RUNS {
            self.drop_old_runs();
        }
        on_commit(self.progress);
        Ok(())
    }

    /// Keeps the runs that began last.
    fn drop_old_runs(&mut self) {
        let mut starts: Vec<_> = self.runs.values().map(|run| run.time).collect();
        let at = starts.len() - CACHED_RUNS / 2;
        let (_, oldest_kept, _) = starts.select_nth_unstable(at);
        let oldest_kept = *oldest_kept;
        self.runs.retain(|_, run| run.time >= oldest_kept);
    }
}

/// What a turn returns; `None` if it still went on [`STOP_TIMEOUT`] after the shutdown began, and was dropped.
async fn unless_stopped<T>(shutdown: &CancellationToken, turn: impl Future<Output = T>) -> Option<T> {
    let timeout = async {
        shutdown.cancelled().await;
        tokio::time::sleep(STOP_TIMEOUT).await;
    };
    tokio::select! {
        biased;
        done = turn => Some(done),
        () = timeout => None,
    }
}

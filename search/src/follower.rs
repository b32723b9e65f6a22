//! Keeps the index up with the store.

mod feeds;
mod journals;
mod outputs;
mod recordings;
mod renewal;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use recording::RecordingId;
use spool::SpoolReader;
use storage::{RecordingReader, Store, journal::JournalReader};
use tokio_util::sync::CancellationToken;

use crate::{Index, Masks, Progress, Result, SearchError, run::KubectlRun, state::State};
use feeds::Feeds;
use recordings::Known;
use renewal::BackgroundRebuild;

/// Documents that are added before a commit, however many more wait.
const COMMIT_AFTER: u64 = 10_000;
/// Runs that are kept in memory over a commit; others are read back from the index.
const RUNS: usize = 1000;
/// Longest last step.
const LAST_STEP: Duration = Duration::from_secs(5);
/// Longest wait after steps that failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Follows journal and recordings of a store into an index.
///
/// It remembers how far it came in the index itself, so that it goes on where it was after any end. One at a time
/// can write to an index.
pub struct Follower {
    store: Arc<dyn Store>,
    recordings: RecordingReader,
    journal: JournalReader,
    index: Index,
    interval: Duration,
    state: Option<State>,
    known: Known,
    feeds: Feeds,
    /// Output that is being read, of recordings that are over.
    outputs: HashMap<RecordingId, Box<outputs::Open>>,
    /// Recordings whose output is read at the same time.
    at_once: usize,
    masks: Arc<Masks>,
    runs: HashMap<String, KubectlRun>,
    progress: Progress,
    /// Documents that are not committed. Without any, there is nothing to commit: what of the state is newer is
    /// found again after a restart, and adds nothing then either.
    uncommitted: u64,
}

/// What is told at each commit.
pub(crate) type Report<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// How thoroughly a step looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScanMode {
    /// At everything.
    Full,
    /// Less often at recordings in which nothing has happened for long.
    Incremental,
    /// At everything but output, which may be much.
    Final,
}

impl Follower {
    /// Will follow `store` into `index` every `interval`.
    pub fn new(store: Arc<dyn Store>, index: Index, interval: Duration) -> Self {
        Self {
            masks: index.masks(),
            feeds: Feeds::default(),
            outputs: HashMap::new(),
            at_once: std::thread::available_parallelism().map_or(1, usize::from),
            recordings: RecordingReader::new(Arc::clone(&store)),
            journal: JournalReader::new(Arc::clone(&store)),
            store,
            index,
            interval,
            state: None,
            known: Known::default(),
            runs: HashMap::new(),
            progress: Progress::default(),
            uncommitted: 0,
        }
    }

    /// Reads the sessions of this process's gateway from its spool: they are found as they go on.
    #[must_use]
    pub fn with_spool(self, spool: SpoolReader) -> Self {
        Self { feeds: Feeds::new(spool), ..self }
    }

    /// Catches up once, and commits what is new.
    ///
    /// # Errors
    /// [`SearchError::Store`] where the store cannot be listed, the index's errors. What was done stays done.
    /// Recordings and journal objects that are damaged are no error: they are logged, counted and passed over.
    pub async fn step(&mut self) -> Result<Progress> {
        self.turn(ScanMode::Full, &mut |_| {}).await
    }

    /// Catches up every interval, and once more at the end. An error is logged and tried again, less and less often.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut pause = self.interval;
        let mut care = ScanMode::Full;
        let mut renewal = BackgroundRebuild::new(&self.store, &self.index);
        let mut next = Instant::now();
        loop {
            if renewal.is_ready(&shutdown).await {
                self.start_over();
            }
            match self.turn_or_look(care, next, &mut |_| {}).await {
                Ok(true) => {
                    pause = self.interval;
                    care = ScanMode::Incremental;
                    next = Instant::now() + if self.outputs.is_empty() { pause } else { Duration::ZERO };
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "search is behind");
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    next = Instant::now() + pause;
                }
            }
            let until = if self.feeds.exist() { next.min(Instant::now() + feeds::EVERY) } else { next };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
        // What was recorded until now is to be found by whoever opens the index next.
        if !matches!(tokio::time::timeout(LAST_STEP, self.turn(ScanMode::Final, &mut |_| {})).await, Ok(Ok(_))) {
            tracing::warn!("search does not have the last recordings yet: it gets them at the next start");
        }
    }

    /// Counts the recordings that there are, for a report.
    pub(crate) async fn count(&mut self) -> Result<()> {
        let failed = |error| SearchError::Store(Box::new(error));
        for day in self.recordings.days().await.map_err(failed)? {
            self.progress.recordings += self.recordings.ids(&day).await.map_err(failed)?.len() as u64;
        }
        Ok(())
    }

    /// Like [`Follower::step`], reporting at each commit.
    pub(crate) async fn catch_up(&mut self, report: Report<'_>) -> Result<Progress> {
        self.turn(ScanMode::Full, report).await
    }

    /// Catches up when it is time to, or looks at the spool only. Says whether it caught up: it does at once where a
    /// session ended.
    async fn turn_or_look(&mut self, care: ScanMode, next: Instant, report: Report<'_>) -> Result<bool> {
        if Instant::now() < next {
            let looked = self.follow_spool(report).await;
            if !self.unless_failed(looked)? {
                return Ok(false);
            }
        }
        self.turn(care, report).await.map(|_| true)
    }

    async fn turn(&mut self, care: ScanMode, report: Report<'_>) -> Result<Progress> {
        let done = self.try_turn(care, report).await;
        self.unless_failed(done).map(|()| self.progress)
    }

    /// Starts over after an error that is not the store's.
    fn unless_failed<T>(&mut self, done: Result<T>) -> Result<T> {
        let done = self.index.watched(done);
        if let Err(error) = &done
            && !matches!(error, SearchError::Store(_))
        {
            self.start_over();
        }
        done
    }

    async fn try_turn(&mut self, care: ScanMode, report: Report<'_>) -> Result<()> {
        self.know_state()?;
        self.read_spool().await?;
        // The journal says which recordings are new or over; but a journal that fails must not hold recordings up.
        let journals = self.follow_journals(care, report).await;
        let recordings = self.follow_recordings(care, report).await;
        // What is short is found before what is long is read.
        self.commit(report).await?;
        self.read_outputs(care, report).await?;
        self.commit(report).await?;
        self.progress.live = self.state().open.len() as u64;
        journals.and(recordings)
    }

    /// Goes back to the last commit: after an error of the index it is not known what of the rest is in it.
    fn start_over(&mut self) {
        if let Err(error) = self.index.rollback() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot be written");
        }
        self.state = None;
        self.known = Known::default();
        self.outputs.clear();
        self.feeds.start_over();
        self.runs.clear();
        self.uncommitted = 0;
    }

    /// Goes on where the last commit was.
    fn know_state(&mut self) -> Result<()> {
        if self.state.is_none() {
            self.state = Some(self.index.state()?);
        }
        Ok(())
    }

    fn state(&mut self) -> &mut State {
        self.state.get_or_insert_default()
    }

    /// Counts documents that were added.
    fn added(&mut self, documents: usize) {
        self.progress.documents += documents as u64;
        self.uncommitted += documents as u64;
    }

    async fn commit_if_many(&mut self, report: Report<'_>) -> Result<()> {
        if self.uncommitted >= COMMIT_AFTER { self.commit(report).await } else { Ok(()) }
    }

    async fn commit(&mut self, report: Report<'_>) -> Result<()> {
        if self.uncommitted == 0 {
            return Ok(());
        }
        let (index, state) = (self.index.clone(), self.state().clone());
        let committed = tokio::task::spawn_blocking(move || index.commit(&state)).await;
        committed.map_err(|error| panicked(&error))??;
        self.uncommitted = 0;
        self.progress.commits += 1;
        self.progress.live = self.state().open.len() as u64;
        // What is committed can be read back: only now may a run be forgotten.
        if self.runs.len() > RUNS {
            self.forget_old_runs();
        }
        report(self.progress);
        Ok(())
    }

    /// Keeps the runs that began last.
    fn forget_old_runs(&mut self) {
        let mut starts: Vec<i64> = self.runs.values().map(|run| run.micros).collect();
        let at = starts.len() - RUNS / 2;
        let (_, oldest_kept, _) = starts.select_nth_unstable(at);
        let oldest_kept = *oldest_kept;
        self.runs.retain(|_, run| run.micros >= oldest_kept);
    }
}

/// A task that did not end.
pub(crate) fn panicked(error: &tokio::task::JoinError) -> SearchError {
    SearchError::Index(Box::new(tantivy::TantivyError::SystemError(error.to_string())))
}

//! Recordings that are being gone through, each once, whoever many ask for it.
//!
//! ```text
//!   request ─┐                    ┌─ a turn: short or long ─▶ reads to the end ─▶ cache
//!   request ─┼─ waits ─▶ task ────┤
//!   request ─┘  (may go)          └─ nobody waits any more before there is a turn: nothing happens
//! ```
//!
//! A request is cut when it takes too long, and whoever made it tries again. So what was begun goes on without it: else a
//! recording that takes longer than a request may would never open. The task ends with the runtime.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use recording::RecordingId;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::{PlayerError, timeline::Timeline};

/// Chunks of which it takes long to read a recording: 16 MiB, a third of a second, where the recorder fills them.
pub(crate) const LONG: usize = 16;

/// Long ones that are read at once: each keeps a processor busy, and has a timeline in the making.
const LONG_TURNS: usize = 4;

/// Short ones that are read at once. They do not wait for long ones.
const SHORT_TURNS: usize = 16;

type Outcome = Option<Result<Arc<Timeline>, Arc<PlayerError>>>;

/// The readings that are under way.
#[derive(Debug)]
pub(crate) struct Readings {
    by_id: Mutex<HashMap<RecordingId, Arc<watch::Sender<Outcome>>>>,
    short: Semaphore,
    long: Semaphore,
}

/// A reading that somebody waits for.
#[derive(Debug)]
pub(crate) struct Reading {
    outcome: watch::Receiver<Outcome>,
    /// It began when it was asked for: it knows all that was stored then.
    pub(crate) new: bool,
}

/// A reading's place among the others; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct SingleFlight {
    readings: Arc<Readings>,
    id: RecordingId,
    told: Arc<watch::Sender<Outcome>>,
}

impl Default for Readings {
    fn default() -> Self {
        Self { by_id: Mutex::default(), short: Semaphore::new(SHORT_TURNS), long: Semaphore::new(LONG_TURNS) }
    }
}

impl Readings {
    /// The recording's reading that is under way, or else a new one: `read`, in a task of its own. It answers none where it
    /// was given no turn.
    pub(crate) fn join<F>(self: &Arc<Self>, id: RecordingId, read: impl FnOnce(Arc<SingleFlight>) -> F) -> Reading
    where
        F: Future<Output = Result<Option<Arc<Timeline>>, PlayerError>> + Send + 'static,
    {
        let mut by_id = self.lock();
        if let Some(told) = by_id.get(&id) {
            return Reading { outcome: told.subscribe(), new: false };
        }
        let (told, outcome) = watch::channel(None);
        let told = Arc::new(told);
        by_id.insert(id, Arc::clone(&told));
        let seat = Arc::new(SingleFlight { readings: Arc::clone(self), id, told });
        let work = read(Arc::clone(&seat));
        tokio::spawn(async move {
            if let Some(outcome) = work.await.transpose() {
                seat.told.send_replace(Some(outcome.map_err(Arc::new)));
            }
        });
        Reading { outcome, new: true }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordingId, Arc<watch::Sender<Outcome>>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Waits for its end. Dropping the future leaves the reading going on.
    pub(crate) async fn outcome(mut self) -> Result<Arc<Timeline>, PlayerError> {
        // Without an outcome the task is gone: it panicked, or the process ends.
        let outcome = self.outcome.wait_for(Option::is_some).await.map_err(|_| PlayerError::Stopped)?;
        match outcome.as_ref() {
            Some(Ok(timeline)) => Ok(Arc::clone(timeline)),
            Some(Err(error)) => Err(PlayerError::Reading(Arc::clone(error))),
            None => Err(PlayerError::Stopped),
        }
    }
}

impl SingleFlight {
    /// Waits for a turn. None where everybody who waited for the reading has gone: then nothing is to be done.
    pub(crate) async fn turn(&self, long: bool) -> Option<SemaphorePermit<'_>> {
        let turns = if long { &self.readings.long } else { &self.readings.short };
        let mut turn = pin!(turns.acquire());
        loop {
            tokio::select! {
                biased;
                turn = &mut turn => return turn.ok(),
                () = self.told.closed() => if self.leave() { return None },
            }
        }
    }

    /// Leaves, unless somebody has come in this moment.
    fn leave(&self) -> bool {
        let mut by_id = self.readings.lock();
        let alone = self.told.receiver_count() == 0;
        if alone {
            by_id.remove(&self.id);
        }
        alone
    }
}

impl Drop for SingleFlight {
    fn drop(&mut self) {
        let mut by_id = self.readings.lock();
        // Another reading may have begun after this one left.
        if by_id.get(&self.id).is_some_and(|told| Arc::ptr_eq(told, &self.told)) {
            by_id.remove(&self.id);
        }
    }
}

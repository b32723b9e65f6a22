//! The one task that puts objects into the store.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use storage::{Store, StoreError};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    object::{Place, seal},
    queue::{Batch, Next, Queue},
};

/// Wait after the first failure; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest wait between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(crate) struct Writer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gateway: String,
    pub(crate) place: Place,
    pub(crate) queue: Arc<Queue>,
    pub(crate) last_error: Arc<LastError>,
    pub(crate) patience: Duration,
}

/// What the store said last; nothing while it works.
#[derive(Debug, Default)]
pub(crate) struct LastError(Mutex<Option<Arc<StoreError>>>);

impl LastError {
    pub(crate) fn read(&self) -> Option<Arc<StoreError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, error: Option<Arc<StoreError>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

impl Writer {
    /// Runs until the queue is closed and empty, or the store's patience is over after that. Returns how many
    /// entries were given up.
    pub(crate) async fn run(mut self) -> usize {
        let mut lost = 0;
        loop {
            match self.queue.next(Instant::now()) {
                Next::Batch(batch) => lost += self.store_batch(batch).await,
                Next::Later(due) => {
                    let _ = timeout_at(due, self.queue.work.notified()).await;
                }
                Next::Nothing => self.queue.work.notified().await,
                Next::Over => return lost,
            }
        }
    }

    /// Stores a batch, however long it takes; gives it up only when the journal is being closed and the store
    /// has failed for as long as the patience.
    async fn store_batch(&mut self, mut batch: Batch) -> usize {
        let lost = match seal(&batch.lines) {
            Ok(object) => self.put_until_stored(&batch, object).await,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "journal entries cannot be compressed");
                batch.entries
            }
        };
        self.queue.done(&batch);
        if lost == 0 {
            for waiting in batch.waiting.drain(..) {
                let _ = waiting.send(());
            }
        }
        lost
    }

    async fn put_until_stored(&mut self, batch: &Batch, object: Bytes) -> usize {
        let mut pause = FIRST_PAUSE;
        let mut give_up = None;
        loop {
            let Err(error) = self.put(batch.micros, &object).await else {
                self.last_error.set(None);
                return 0;
            };
            tracing::warn!(entries = batch.entries, error = &error as &dyn std::error::Error, "journal not stored");
            self.last_error.set(Some(Arc::new(error)));
            let now = Instant::now();
            if self.queue.is_closed() && *give_up.get_or_insert(now + self.patience) <= now {
                return batch.entries;
            }
            self.pause(now + pause, give_up).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits for the next attempt; closing the journal cuts the wait short once.
    async fn pause(&self, until: Instant, give_up: Option<Instant>) {
        match give_up {
            Some(at) => sleep_until(until.min(at)).await,
            None => {
                let closing = async {
                    while !self.queue.is_closed() {
                        self.queue.work.notified().await;
                    }
                };
                let _ = timeout_at(until, closing).await;
            }
        }
    }

    /// Creates the object under the first free name. Where a name is taken, its object is ours (an attempt whose
    /// answer was lost) or another's; only ours counts as stored.
    async fn put(&mut self, micros: i64, object: &Bytes) -> Result<(), StoreError> {
        self.place.on_day_of(micros);
        loop {
            let key = self.place.key(&self.gateway);
            match self.store.put_new(&key, object.clone()).await {
                Ok(()) => {
                    self.place.advance();
                    return Ok(());
                }
                Err(StoreError::Exists(_)) => {
                    let ours = self.store.read(&key).await? == *object;
                    self.place.advance();
                    if ours {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }
}

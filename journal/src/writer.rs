//! The one task that puts objects into the store.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use recording::Key;
use storage::{
    Backoff, Store, StoreError,
    journal::{self, ChainLink},
    signing::Signer,
};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::{
    head_file,
    position::{ChainPosition, link_after},
    queue::{Batch, NextBatch, Queue},
};

/// Before the second attempt at a store that fails, and between attempts at most.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

pub(crate) struct ObjectWriter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gateway: String,
    pub(crate) signer: Arc<Signer>,
    pub(crate) position: ChainPosition,
    /// The batch's object as it was tried last: a try whose answer was lost is known again by its bytes.
    pub(crate) sealed: Option<SealedBatch>,
    pub(crate) head_file: Option<PathBuf>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) last_error: Arc<LastError>,
    pub(crate) patience: Duration,
}

/// A batch's object for one position of the journal.
pub(crate) struct SealedBatch {
    key: Key,
    object: Bytes,
    /// After it.
    link: ChainLink,
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

impl ObjectWriter {
    /// Runs until the queue is closed and empty, or the store's patience is over after that. Returns how many
    /// entries were given up.
    pub(crate) async fn run(mut self) -> usize {
        let mut lost = 0;
        loop {
            match self.queue.next(Instant::now()) {
                NextBatch::Due(batch) => lost += self.store_batch(batch).await,
                NextBatch::Later(due) => {
                    let _ = timeout_at(due, self.queue.work.notified()).await;
                }
                NextBatch::Nothing => self.queue.work.notified().await,
                NextBatch::Over => return lost,
            }
        }
    }

    /// Stores a batch, however long it takes; gives it up only when the journal is being closed and the store
    /// has failed for as long as the patience.
    async fn store_batch(&mut self, mut batch: Batch) -> usize {
        self.sealed = None;
        let stored = self.put_until_stored(&batch).await;
        self.queue.done(&batch);
        if stored {
            if let Some(file) = &batch.wal {
                file.remove();
            }
            for waiting in batch.waiting.drain(..) {
                let _ = waiting.send(());
            }
        }
        // What is on the disk waits for the next start.
        if stored { 0 } else { batch.entries - batch.spooled }
    }

    /// Whether it is stored.
    async fn put_until_stored(&mut self, batch: &Batch) -> bool {
        let mut backoff = PAUSES;
        let mut give_up = None;
        loop {
            let Err(error) = self.put(batch).await else {
                self.last_error.set(None);
                return true;
            };
            tracing::warn!(entries = batch.entries, error = &error as &dyn std::error::Error, "journal not stored");
            self.last_error.set(Some(Arc::new(error)));
            let now = Instant::now();
            if self.queue.is_closed() && *give_up.get_or_insert(now + self.patience) <= now {
                return false;
            }
            self.pause(now + backoff.pause(), give_up).await;
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
    /// answer was lost) or another's; only ours counts as stored, and the next one is chained to what is there.
    async fn put(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.position.on_day_of(batch.first);
        loop {
            let SealedBatch { key, object, link } = self.sealed(batch)?;
            let (key, object, link) = (key.clone(), object.clone(), *link);
            match self.store.put_new(&key, object).await {
                Ok(()) => {
                    self.advance(link);
                    return Ok(());
                }
                Err(StoreError::Exists(_)) => {
                    let there = link_after(&*self.store, &key).await?;
                    self.advance(there);
                    // Its digest is in the link: an object with the same one is this one.
                    if there == link {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The batch's object for the position where the journal is now.
    fn sealed(&mut self, batch: &Batch) -> Result<&SealedBatch, StoreError> {
        let key = self.position.key(&self.gateway);
        let sealed = match self.sealed.take().filter(|sealed| sealed.key == key) {
            Some(sealed) => sealed,
            None => {
                let now = Timestamp::now().into();
                let sealed = journal::seal(&self.signer, &key, self.position.link(), &batch.lines, now);
                let (object, link) = sealed.map_err(|source| StoreError::Failed {
                    action: "compress",
                    key: key.to_string(),
                    source: source.into(),
                })?;
                SealedBatch { key, object, link }
            }
        };
        Ok(self.sealed.insert(sealed))
    }

    fn advance(&mut self, link: ChainLink) {
        self.position.advance(link);
        if let Some(head) = self.position.head(&self.gateway) {
            if let Some(path) = &self.head_file {
                // A few bytes into the page cache; the store's own put took longer.
                head_file::write(path, &head);
            }
            self.signer.set_journal_head(head);
        }
    }
}

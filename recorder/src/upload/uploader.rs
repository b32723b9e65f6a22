//! Everything on its way from the spool to the store. One task for each session of the spool, few of them at work at once.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use recording::{Key, Outcome, RecordingId};
use spool::Spool;
use storage::{Store, StoreError, signing::Signer};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::timeout,
};

use crate::{
    upload::end_acks::{EndAcks, UnjournalledEnd},
    upload::task::UploadTask,
};

/// Objects that are read, compressed and put at once. Each takes about two chunks of memory.
const AT_ONCE: usize = 8;
/// A store that does not answer for so long has failed.
const SILENCE: Duration = Duration::from_secs(120);
/// First pause after a failure; it doubles up to [`LONGEST_PAUSE`]. The first success of any session ends all pauses.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Whether the store takes what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreHealth {
    /// It does, as far as is known.
    Healthy,
    /// It has failed since then.
    Unavailable {
        /// When the first failure was.
        since: SystemTime,
        /// What it said.
        error: String,
    },
}

/// What all sessions' ways to the store share.
pub(crate) struct Uploader {
    pub(crate) spool: Spool,
    pub(crate) store: Arc<dyn Store>,
    /// Signs manifests.
    pub(crate) signer: Arc<Signer>,
    places: Arc<Semaphore>,
    weather: watch::Sender<StoreHealth>,
    /// Which ends the journal has.
    pub(crate) ends: Arc<EndAcks>,
    /// Told of those that nobody else tells.
    untold: mpsc::UnboundedSender<UnjournalledEnd>,
    /// The store works again.
    works: Notify,
    /// Whose pause it is while the store is away: however many sessions wait, one after another tries.
    turn: Semaphore,
}

/// Why an object cannot be stored, ever.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not there with what this gateway recorded")]
pub(crate) struct Conflict(pub(crate) Key);

/// Attempts at one thing.
pub(crate) struct Attempts {
    pause: Duration,
    /// How many failed.
    pub(crate) failed: u32,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, failed: 0 }
    }
}

impl Uploader {
    pub(crate) fn new(
        spool: Spool,
        store: Arc<dyn Store>,
        signer: Arc<Signer>,
        ends: Arc<EndAcks>,
        untold: mpsc::UnboundedSender<UnjournalledEnd>,
    ) -> Self {
        Self {
            spool,
            store,
            signer,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            weather: watch::Sender::new(StoreHealth::Healthy),
            ends,
            untold,
            works: Notify::new(),
            turn: Semaphore::new(1),
        }
    }

    /// Sees to it that a session reaches the store.
    pub(crate) fn take(self: &Arc<Self>, id: RecordingId) {
        tokio::spawn(UploadTask::new(self.clone(), id).run());
    }

    /// Tells of an end that nobody told the journal of. Whether it is told now: where nobody keeps a journal, always.
    pub(crate) async fn tell(&self, session: RecordingId, user: &str, outcome: &Outcome) -> bool {
        let (untold, noted) = UnjournalledEnd::new(session, user.to_owned(), outcome.clone());
        // Nobody may listen.
        let _ = self.untold.send(untold);
        !self.ends.journalled() || noted.await.is_ok()
    }

    pub(crate) fn weather(&self) -> watch::Receiver<StoreHealth> {
        self.weather.subscribe()
    }

    /// A place among the few that work. Whoever puts holds one, or an outage would have all its sessions try at once.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Creates an object, once. What is there already counts where it is the same, or where `ours` says so of it, and where it has
    /// at most `largest` bytes: anybody may have put it there. The answer is what the store has.
    pub(crate) async fn put(
        &self,
        key: &Key,
        object: Bytes,
        largest: u64,
        ours: impl Fn(&Bytes) -> bool,
    ) -> Result<Result<Bytes, Conflict>, StoreError> {
        let put = async {
            match self.store.put_new(key, object.clone()).await {
                Ok(()) => Ok(Ok(object)),
                Err(StoreError::Exists(key)) => {
                    if storage::size(&*self.store, &key).await?.is_some_and(|size| size > largest) {
                        return Ok(Err(Conflict(key)));
                    }
                    let there = self.store.read(&key).await?;
                    Ok(if there == object || ours(&there) { Ok(there) } else { Err(Conflict(key)) })
                }
                Err(error) => Err(error),
            }
        };
        let put = self.observed(put).await;
        if put.is_ok() {
            self.fair();
        }
        put
    }

    /// Runs something on the store, in time, and learns from it that the store fails. That it works only [`Self::put`] knows: one
    /// that is full, or that takes nothing from this gateway any more, is read all the same.
    pub(crate) async fn observed<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = timeout(SILENCE, asked).await.unwrap_or_else(|late| {
            Err(StoreError::Failed { action: "reach", key: "the store".to_owned(), source: Box::new(late) })
        });
        match &answer {
            Ok(_) | Err(StoreError::Exists(_) | StoreError::NotFound(_)) => {}
            Err(error) => self.away(error),
        }
        answer
    }

    fn fair(&self) {
        let cleared = self
            .weather
            .send_if_modified(|weather| std::mem::replace(weather, StoreHealth::Healthy) != StoreHealth::Healthy);
        if cleared {
            tracing::info!("the store works again");
            self.works.notify_waiters();
        }
    }

    fn away(&self, error: &StoreError) {
        let text = described(error);
        self.weather.send_if_modified(|weather| {
            let news = *weather == StoreHealth::Healthy;
            if news {
                tracing::warn!(error = text, "the store fails: sessions go on, and wait in the spool");
                *weather = StoreHealth::Unavailable { since: SystemTime::now(), error: text.clone() };
            }
            news
        });
    }

    /// Waits for the next attempt: longer each time, while the store is away one session after another, and no longer than
    /// until the store is seen to work.
    pub(crate) async fn pause(&self, attempts: &mut Attempts) {
        // Made before the look, so that a store that works in between is not missed.
        let works = self.works.notified();
        let pause = jittered(attempts.pause);
        let next = async {
            let away = *self.weather.borrow() != StoreHealth::Healthy;
            let _turn = if away { self.turn.acquire().await.ok() } else { None };
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            () = works => {}
            () = next => {}
        }
        attempts.failed += 1;
        attempts.pause = (attempts.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Half of it to all of it.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_bytes()[0];
    pause / 2 + pause / 2 * u32::from(random) / 255
}

/// An error with its causes.
pub(crate) fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

use std::time::{Duration, SystemTime};

use recording::ErrorChain;
use storage::StoreError;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout,
};

use crate::backoff::Backoff;

/// A store that does not answer for so long has failed.
const STORE_TIMEOUT: Duration = Duration::from_secs(120);

/// Whether the store takes what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreHealth {
    /// It does, as far as is known.
    Healthy,
    /// It has failed.
    Unavailable {
        /// When the first failure was.
        since: SystemTime,
        /// What it said.
        error: String,
    },
}

/// Watches how the store answers, and lets failed attempts wait: longer each time, while it is unavailable one after another, and no
/// longer than until it is seen to work.
pub(crate) struct HealthMonitor {
    health: watch::Sender<StoreHealth>,
    /// Notified when the store works again.
    recovered: Notify,
    /// Held during a pause while the store is unavailable: however many sessions wait, one after another tries.
    turn: Semaphore,
}

impl HealthMonitor {
    pub(crate) fn new() -> Self {
        Self { health: watch::Sender::new(StoreHealth::Healthy), recovered: Notify::new(), turn: Semaphore::new(1) }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<StoreHealth> {
        self.health.subscribe()
    }

    /// Asks the store, in time, and learns from the answer that it fails. That it works only [`Self::healthy`] says: one that is
    /// full, or takes nothing from this gateway any more, is read all the same.
    pub(crate) async fn ask<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let answer = timeout(STORE_TIMEOUT, asked).await.unwrap_or_else(|late| {
            Err(StoreError::Failed { action: "reach", key: "the store".to_owned(), source: Box::new(late) })
        });
        match &answer {
            Ok(_) | Err(StoreError::Exists(_) | StoreError::NotFound(_)) => {}
            Err(error) => self.unavailable(error),
        }
        answer
    }

    /// The store took an object: all pauses end.
    pub(crate) fn healthy(&self) {
        let recovered = self
            .health
            .send_if_modified(|health| std::mem::replace(health, StoreHealth::Healthy) != StoreHealth::Healthy);
        if recovered {
            tracing::info!("the store is available again");
            self.recovered.notify_waiters();
        }
    }

    fn unavailable(&self, error: &StoreError) {
        self.health.send_if_modified(|health| {
            let is_news = *health == StoreHealth::Healthy;
            if is_news {
                let error = ErrorChain(error).to_string();
                tracing::warn!(error, "the store is unavailable: sessions go on, and wait in the spool");
                *health = StoreHealth::Unavailable { since: SystemTime::now(), error };
            }
            is_news
        });
    }

    /// Resolves when the next attempt is to be made.
    pub(crate) async fn pause(&self, backoff: &mut Backoff) {
        // Made before the look, so that a store that works in between is not missed.
        let recovered = self.recovered.notified();
        let pause = backoff.next_pause();
        let next = async {
            let is_unavailable = *self.health.borrow() != StoreHealth::Healthy;
            let _turn = if is_unavailable { self.turn.acquire().await.ok() } else { None };
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            () = recovered => {}
            () = next => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    async fn fails(monitor: &HealthMonitor) {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull).into();
        let failed = StoreError::Failed { action: "write", key: "a/b".to_owned(), source };
        let answer: Result<(), _> = monitor.ask(async { Err(failed) }).await;
        answer.expect_err("the store's");
    }

    #[tokio::test]
    async fn while_the_store_is_unavailable_one_after_another_tries() {
        let monitor = HealthMonitor::new();
        fails(&monitor).await;
        let (mut first, mut second) = (Backoff::starting_at(Duration::from_millis(1)), Backoff::default());
        let (mut first, mut second) = (pin!(monitor.pause(&mut first)), pin!(monitor.pause(&mut second)));
        let mut now = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut now).is_pending() && second.as_mut().poll(&mut now).is_pending());
        assert_eq!(monitor.turn.available_permits(), 0, "the first has the turn");
        first.await;
        assert_eq!(monitor.turn.available_permits(), 0, "the second has it");
        assert!(second.poll(&mut now).is_pending(), "for the whole of its pause");
    }

    #[tokio::test]
    async fn a_store_that_works_ends_all_pauses() {
        let monitor = HealthMonitor::new();
        let health = monitor.subscribe();
        fails(&monitor).await;
        assert!(
            matches!(&*health.borrow(), StoreHealth::Unavailable { error, .. } if error.starts_with("cannot write a/b"))
        );
        let mut backoffs: Vec<_> = (0..100).map(|_| Backoff::starting_at(Duration::from_secs(3600))).collect();
        let mut pauses: Vec<_> = backoffs.iter_mut().map(|backoff| Box::pin(monitor.pause(backoff))).collect();
        let mut now = Context::from_waker(Waker::noop());
        assert!(pauses.iter_mut().all(|pause| pause.as_mut().poll(&mut now).is_pending()));
        monitor.healthy();
        assert!(pauses.iter_mut().all(|pause| pause.as_mut().poll(&mut now) == Poll::Ready(())));
        assert_eq!(*health.borrow(), StoreHealth::Healthy);
    }
}

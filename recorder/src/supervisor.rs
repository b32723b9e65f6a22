use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::backoff::Backoff;

/// Owns the tasks that a recorder runs beside its callers'. A task that panics is logged and counted, and starts again after a
/// pause: what it did not do is still in the spool. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Supervisor {
    panics: Arc<AtomicU64>,
}

impl Supervisor {
    /// Runs `start(0)` to its end. If that panics, runs `start(1)` after a pause, and so on. Must be called inside a Tokio
    /// runtime. `subject` is what the task is about, for the log.
    pub(crate) fn spawn<T>(
        &self,
        task: &'static str,
        subject: impl Display + Send + 'static,
        start: impl Fn(u32) -> T + Send + 'static,
    ) where
        T: Future<Output = ()> + Send + 'static,
    {
        let panics = Arc::clone(&self.panics);
        tokio::spawn(async move {
            let (mut backoff, mut restarts) = (Backoff::default(), 0);
            // An error that is no panic is that the runtime stops.
            while tokio::spawn(start(restarts)).await.is_err_and(|error| error.is_panic()) {
                panics.fetch_add(1, Ordering::Relaxed);
                let pause = backoff.next_pause();
                // The panic's message stays where the panic hook wrote it: it may quote what a session said.
                tracing::error!(task, %subject, ?pause, "a task of the recorder panicked: it starts again");
                tokio::time::sleep(pause).await;
                restarts = restarts.saturating_add(1);
            }
        });
    }

    /// How many panics there were.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_starts_again_and_is_counted() {
        let supervisor = Supervisor::default();
        let (starts, mut seen) = mpsc::channel(9);
        supervisor.spawn("test", "nobody", move |restarts| {
            let starts = starts.clone();
            async move {
                starts.send(restarts).await.expect("a listener");
                assert!(restarts > 1, "a test's panic");
            }
        });
        for restarts in 0..3 {
            assert_eq!(seen.recv().await, Some(restarts));
        }
        assert_eq!((seen.recv().await, supervisor.panics()), (None, 2));
    }
}

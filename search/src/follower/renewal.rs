//! An index that must be made anew is, while the old one serves and is kept up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use storage::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Index, Progress, Result, rebuild::build};

/// Time until another try after one that failed.
const AGAIN: Duration = Duration::from_secs(300);

/// Makes another index where the one that serves is damaged or made with other masks.
pub(super) struct Renewal {
    store: Arc<dyn Store>,
    index: Index,
    /// Reads the index through, once.
    examination: Option<JoinHandle<()>>,
    /// Gives none where the process ends before it is done.
    build: Option<JoinHandle<Result<Option<Progress>>>>,
    not_before: Instant,
}

impl Renewal {
    pub(super) fn new(store: &Arc<dyn Store>, index: &Index) -> Self {
        let examined = index.clone();
        let examination = tokio::task::spawn_blocking(move || examined.examine());
        let (store, index) = (Arc::clone(store), index.clone());
        Self { store, index, examination: Some(examination), build: None, not_before: Instant::now() }
    }

    /// Begins or goes on, without waiting. Says whether another index was put in the place of the old one.
    pub(super) async fn is_ready(&mut self, shutdown: &CancellationToken) -> bool {
        if self.examination.as_ref().is_some_and(JoinHandle::is_finished) {
            self.examination = None;
        }
        match self.build.take() {
            None if self.index.is_stale() && Instant::now() >= self.not_before => self.begin(shutdown),
            None => {}
            Some(build) if !build.is_finished() => self.build = Some(build),
            Some(build) => {
                let built = build.await.map_err(|error| super::panicked(&error)).and_then(|built| built);
                let put = match built {
                    Ok(Some(progress)) => self.put(progress).await,
                    Ok(None) => return false,
                    Err(error) => Err(error),
                };
                match put {
                    Ok(()) => return true,
                    Err(error) => {
                        self.not_before = Instant::now() + AGAIN;
                        let error: &dyn std::error::Error = &error;
                        tracing::warn!(error, "the index could not be made anew: the old one is used on");
                    }
                }
            }
        }
        false
    }

    fn begin(&mut self, shutdown: &CancellationToken) {
        tracing::info!("the index is made anew beside the old one, which is searched meanwhile");
        let (store, dir, masks) = (Arc::clone(&self.store), self.index.beside(), self.index.masks());
        let shutdown = shutdown.clone();
        self.build = Some(tokio::spawn(async move {
            let mut quiet = |_| {};
            tokio::select! {
                built = build(store, &dir, (*masks).clone(), &mut quiet) => built.map(Some),
                () = shutdown.cancelled() => Ok(None),
            }
        }));
    }

    async fn put(&self, Progress { documents, .. }: Progress) -> Result<()> {
        let index = self.index.clone();
        tokio::task::spawn_blocking(move || index.switch()).await.map_err(|error| super::panicked(&error))??;
        tracing::info!(documents, "the index was made anew");
        Ok(())
    }
}

//! The embedded index as a [`Backend`]: its work is done on the blocking pool.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use recording::RecordingId;

use super::Index;
use crate::{
    Result, SearchError,
    backend::{Backend, Batch},
    documents::{
        hit::Hits,
        kubectl_run::KubectlRun,
        mask::Masks,
        session::{SessionPage, SessionRow, Values},
    },
    query::{Query, filter::SessionFilter},
};

impl Index {
    /// Does work of the follower.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let index = self.clone();
        let done = tokio::task::spawn_blocking(move || index.noting_failure(work(&index)));
        done.await.map_err(SearchError::task)?
    }

    /// Does work of a page. The permit goes with the thread: a search whose client left still takes its share.
    async fn reading<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(|error| SearchError::Index(error.into()))?;
        self.blocking(move |index| {
            let done = work(index);
            drop(permit);
            done
        })
        .await
    }
}

#[async_trait]
impl Backend for Index {
    async fn search(&self, query: &Query) -> Result<Hits> {
        let query = query.clone();
        self.reading(move |index| index.search(&query)).await
    }

    async fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage> {
        let filter = filter.clone();
        self.reading(move |index| index.sessions(&filter)).await
    }

    async fn session(&self, id: RecordingId) -> Result<Option<SessionRow>> {
        self.reading(move |index| index.session(id)).await
    }

    async fn values(&self) -> Result<Values> {
        self.reading(Self::values).await
    }

    fn masks(&self) -> Arc<Masks> {
        Arc::clone(&self.masks)
    }

    async fn finished_sessions(&self, ids: &[RecordingId]) -> Result<HashSet<RecordingId>> {
        let ids = ids.to_vec();
        self.blocking(move |index| {
            let mut finished = HashSet::new();
            for id in ids {
                if index.session(id)?.is_some_and(|row| !row.is_live()) {
                    finished.insert(id);
                }
            }
            Ok(finished)
        })
        .await
    }

    async fn kubectl_run(&self, key: &str) -> Result<Option<KubectlRun>> {
        let key = key.to_owned();
        self.blocking(move |index| index.find_run(&key)).await
    }

    async fn apply(&self, batch: Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let epoch = self.epoch();
        self.blocking(move |index| index.apply_batch(batch, epoch)).await
    }

    async fn commit(&self, checkpoint: &str) -> Result<()> {
        let checkpoint = checkpoint.to_owned();
        self.blocking(move |index| index.commit_with(&checkpoint)).await
    }

    async fn checkpoint(&self) -> Result<Option<String>> {
        self.blocking(Self::last_checkpoint).await
    }

    async fn rollback(&self) -> Result<()> {
        self.blocking(Self::roll_back).await
    }

    async fn close(&self) -> Result<()> {
        self.blocking(|index| index.current().close()).await
    }

    fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    fn take_suspicion(&self) -> bool {
        self.suspicious.swap(false, Ordering::Relaxed)
    }

    async fn verify_integrity(&self) {
        let verified = self.blocking(|index| {
            index.verify_files();
            Ok(())
        });
        if let Err(error) = verified.await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the index could not be verified");
        }
    }

    async fn begin_replacement(&self) -> Result<Arc<dyn Backend>> {
        let replacement = self.blocking(Self::open_replacement).await?;
        Ok(Arc::new(replacement))
    }

    async fn switch_to_replacement(&self) -> Result<()> {
        self.blocking(Self::switch).await
    }
}

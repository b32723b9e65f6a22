//! A stale index is rebuilt in the background, while it goes on serving and is kept up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use storage::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Progress, clock::Clock, rebuild::fill};
use crate::{Result, SearchError, backend::Backend};

/// Time to the next try after a rebuild failed, and from one verification of a suspicious index to the next.
const RETRY_DELAY: Duration = Duration::from_secs(300);

/// Watches over an index, and rebuilds it when it is stale.
pub(super) struct BackgroundRebuild {
    store: Arc<dyn Store>,
    index: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    /// Verifies the index: at the start, and when it is suspicious.
    verification: Option<JoinHandle<()>>,
    next_verification: Instant,
    /// Fills the replacement. Returns `None` if the shutdown came first.
    build: Option<JoinHandle<Result<Option<Progress>>>>,
    next_build: Instant,
}

impl BackgroundRebuild {
    pub(super) fn new(store: &Arc<dyn Store>, index: &Arc<dyn Backend>, clock: &Arc<dyn Clock>) -> Self {
        let now = clock.instant();
        Self {
            store: Arc::clone(store),
            index: Arc::clone(index),
            clock: Arc::clone(clock),
            verification: Some(verify(index)),
            next_verification: now,
            build: None,
            next_build: now,
        }
    }

    /// Begins what has to be done, or goes on with it, without waiting for it. Returns whether another index has taken the
    /// old one's place.
    pub(super) async fn poll(&mut self, shutdown: &CancellationToken) -> bool {
        if self.verification.as_ref().is_some_and(JoinHandle::is_finished) {
            self.verification = None;
        }
        self.verify_if_suspicious();
        let build = match self.build.take() {
            Some(build) if build.is_finished() => build,
            Some(build) => {
                self.build = Some(build);
                return false;
            }
            None => {
                if self.index.is_stale() && self.clock.instant() >= self.next_build {
                    self.begin(shutdown);
                }
                return false;
            }
        };
        match self.switch_to(build).await {
            Ok(switched) => switched,
            Err(error) => {
                self.next_build = self.clock.instant() + RETRY_DELAY;
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the index could not be rebuilt: the old one stays in use");
                false
            }
        }
    }

    /// Verifies the index again after a search or a turn failed: a disk may break at any time.
    fn verify_if_suspicious(&mut self) {
        let idle = self.verification.is_none() && self.build.is_none() && !self.index.is_stale();
        if idle && self.clock.instant() >= self.next_verification && self.index.take_suspicion() {
            self.next_verification = self.clock.instant() + RETRY_DELAY;
            self.verification = Some(verify(&self.index));
        }
    }

    fn begin(&mut self, shutdown: &CancellationToken) {
        tracing::info!("the index is rebuilt beside the old one, which is searched meanwhile");
        let (store, index, shutdown) = (Arc::clone(&self.store), Arc::clone(&self.index), shutdown.clone());
        self.build = Some(tokio::spawn(async move {
            tokio::select! {
                built = build(store, index) => built.map(Some),
                () = shutdown.cancelled() => Ok(None),
            }
        }));
    }

    /// Puts the replacement that was built in the old index's place. Returns false if it was not built to its end.
    async fn switch_to(&self, build: JoinHandle<Result<Option<Progress>>>) -> Result<bool> {
        let Some(Progress { documents, .. }) = build.await.map_err(SearchError::task)?? else { return Ok(false) };
        self.index.switch_to_replacement().await?;
        tracing::info!(documents, "the index was rebuilt");
        Ok(true)
    }
}

async fn build(store: Arc<dyn Store>, index: Arc<dyn Backend>) -> Result<Progress> {
    let replacement = index.begin_replacement().await?;
    let done = fill(store, Arc::clone(&replacement), &mut |_| {}).await?;
    replacement.close().await?;
    Ok(done)
}

fn verify(index: &Arc<dyn Backend>) -> JoinHandle<()> {
    let index = Arc::clone(index);
    tokio::spawn(async move { index.verify_integrity().await })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use recording::UnixMicros;
    use storage::Memory;

    use super::*;
    use crate::{
        Index, Masks, Query,
        backend::Batch,
        documents::{Document, RequestDocument, request_line::RequestLine},
        ingest::clock::SystemClock,
    };

    fn request() -> Document {
        let line = RequestLine { verb: "get".to_owned(), resource: "pods".to_owned(), ..RequestLine::default() };
        let (user, cluster) = ("ada".to_owned(), "prod".to_owned());
        let (key, agent) = ("request:1".to_owned(), String::new());
        let time = UnixMicros::EPOCH;
        Document::Request(RequestDocument { key, session: None, time, user, cluster, line, agent, times: 1 })
    }

    #[tokio::test]
    async fn an_index_that_breaks_while_it_serves_is_rebuilt() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        let index: Arc<dyn Backend> = Arc::new(Index::open(&dir, Masks::default()).unwrap());
        let mut batch = Batch::default();
        batch.add([request()]);
        index.apply(batch).await.unwrap();
        index.commit("{}").await.unwrap();
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut rebuild = BackgroundRebuild::new(&store, &index, &clock);
        let shutdown = CancellationToken::new();
        while rebuild.verification.is_some() {
            assert!(!rebuild.poll(&shutdown).await, "it is as it was written");
            tokio::task::yield_now().await;
        }

        let mut files = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let documents = files.find(|path| path.extension().is_some_and(|of| of == "store")).unwrap();
        // In place, as it is mapped.
        fs::OpenOptions::new().write(true).open(documents).unwrap().write_all(&[0xff; 16]).unwrap();
        assert!(index.search(&Query::default()).await.is_err());
        while !rebuild.poll(&shutdown).await {
            tokio::task::yield_now().await;
        }
        assert_eq!(index.search(&Query::default()).await.unwrap().total, 0, "as the store is");
    }
}

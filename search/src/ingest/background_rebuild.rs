//! An index that must be made anew is, while the old one serves and is kept up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use storage::Store;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{Index, Progress, Result, ingest::rebuild::build};

/// Time until another try after one that failed, and until an index that failed again is examined again.
const AGAIN: Duration = Duration::from_secs(300);

/// Makes another index where the one that serves is damaged or made with other masks.
pub(super) struct BackgroundRebuild {
    store: Arc<dyn Store>,
    index: Index,
    /// Reads the index through: at the start, and when it failed since.
    examination: Option<JoinHandle<()>>,
    next_examination: Instant,
    /// Gives none where the process ends before it is done.
    build: Option<JoinHandle<Result<Option<Progress>>>>,
    not_before: Instant,
}

impl BackgroundRebuild {
    pub(super) fn new(store: &Arc<dyn Store>, index: &Index) -> Self {
        let (store, index, now) = (Arc::clone(store), index.clone(), Instant::now());
        let examination = Some(examine(&index));
        Self { store, index, examination, next_examination: now, build: None, not_before: now }
    }

    /// Begins or goes on, without waiting. Says whether another index was put in the place of the old one.
    pub(super) async fn is_ready(&mut self, shutdown: &CancellationToken) -> bool {
        if self.examination.as_ref().is_some_and(JoinHandle::is_finished) {
            self.examination = None;
        }
        self.examine_if_doubted();
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

    /// Examines the index again where a search or a step failed: a disk may break at any time.
    fn examine_if_doubted(&mut self) {
        let idle = self.examination.is_none() && self.build.is_none() && !self.index.is_stale();
        if idle && Instant::now() >= self.next_examination && self.index.was_doubted() {
            self.next_examination = Instant::now() + AGAIN;
            self.examination = Some(examine(&self.index));
        }
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

fn examine(index: &Index) -> JoinHandle<()> {
    let index = index.clone();
    tokio::task::spawn_blocking(move || index.examine())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use storage::Memory;

    use super::*;
    use crate::{
        Masks, Query,
        documents::request_line::RequestLine,
        documents::{Request, Stored},
        ingest::checkpoint::State,
    };

    fn request() -> Stored {
        let line = RequestLine { verb: "get".to_owned(), resource: "pods".to_owned(), ..RequestLine::default() };
        let (user, cluster) = ("ada".to_owned(), "prod".to_owned());
        let key = "request:1".to_owned();
        Stored::Request(Request { key, session: None, micros: 0, user, cluster, line, agent: String::new(), times: 1 })
    }

    #[tokio::test]
    async fn an_index_that_breaks_while_it_serves_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        let index = Index::open(&dir, Masks::default()).unwrap();
        index.add(&[request()]).unwrap();
        index.commit(&State::default()).unwrap();
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let mut renewal = BackgroundRebuild::new(&store, &index);
        let shutdown = CancellationToken::new();
        while renewal.examination.is_some() {
            assert!(!renewal.is_ready(&shutdown).await, "it is as it was written");
            tokio::task::yield_now().await;
        }

        let mut files = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
        let documents = files.find(|path| path.extension().is_some_and(|of| of == "store")).unwrap();
        // In place, as it is mapped.
        fs::OpenOptions::new().write(true).open(documents).unwrap().write_all(&[0xff; 16]).unwrap();
        assert!(index.search(&Query::default()).is_err());
        while !renewal.is_ready(&shutdown).await {
            tokio::task::yield_now().await;
        }
        assert_eq!(index.search(&Query::default()).unwrap().total, 0, "as the store is");
    }
}

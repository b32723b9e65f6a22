use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use recording::{Key, RecordingId};
use storage::{Capabilities, Memory, ObjectMeta, Store, StoreError};
use tokio::sync::Semaphore;

/// A store that returns a chunk with events when the test lets it, and counts reads.
#[derive(Debug)]
pub struct GatedStore {
    memory: Arc<Memory>,
    /// Reads of chunks that began.
    asked: Semaphore,
    /// Reads of chunks that may end.
    gate: Semaphore,
    away: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    reads: HashMap<Key, usize>,
    now: usize,
    most: usize,
}

impl GatedStore {
    pub fn new(memory: Arc<Memory>) -> Self {
        let (asked, gate) = (Semaphore::new(0), Semaphore::new(0));
        Self { memory, asked, gate, away: AtomicBool::new(false), counts: Mutex::default() }
    }

    /// Waits until this many more reads of chunks have begun.
    pub async fn asked(&self, reads: u32) {
        self.asked.acquire_many(reads).await.unwrap().forget();
    }

    /// Lets this many reads of chunks end.
    pub fn let_go(&self, reads: usize) {
        self.gate.add_permits(reads);
    }

    /// Makes every operation fail from now on, or work again.
    pub fn go_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// How often each of a recording's chunks with events was read, in order.
    pub fn reads(&self, id: RecordingId) -> Vec<usize> {
        let counts = self.counts.lock().unwrap();
        (1..).map_while(|number| counts.reads.get(&Key::chunk(id, number)).copied()).collect()
    }

    /// Most reads of chunks at the same time.
    pub fn most(&self) -> usize {
        self.counts.lock().unwrap().most
    }

    fn there(&self, action: &'static str, key: impl ToString) -> Result<(), StoreError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::Failed { action, key: key.to_string(), source: "the bucket is away".into() }),
            false => Ok(()),
        }
    }

    async fn wait(&self, key: &Key) {
        {
            let mut counts = self.counts.lock().unwrap();
            *counts.reads.entry(key.clone()).or_default() += 1;
            counts.now += 1;
            counts.most = counts.most.max(counts.now);
        }
        self.asked.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        self.counts.lock().unwrap().now -= 1;
    }
}

#[async_trait]
impl Store for GatedStore {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        self.memory.put_new(key, bytes).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        if key.chunk_number().is_some_and(|number| number > 0) {
            self.wait(key).await;
        }
        self.there("read", key)?;
        self.memory.read(key, max).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.there("list", prefix)?;
        self.memory.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.there("list", prefix)?;
        self.memory.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.memory.probe().await
    }
}

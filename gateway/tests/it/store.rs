//! A store in memory that can be told to fail.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use recording::Key;
use storage::{Capabilities, Memory, ObjectMeta, Store, StoreError};

#[derive(Debug)]
pub struct Fallible {
    memory: Memory,
    broken: AtomicBool,
}

impl Fallible {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { memory: Memory::new(), broken: AtomicBool::new(false) })
    }

    /// From now on nothing can be written.
    pub fn fail(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for Fallible {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        if self.broken.load(Ordering::Relaxed) {
            let source = std::io::Error::other("no space left");
            return Err(StoreError::Failed { action: "write", key: key.to_string(), source: source.into() });
        }
        self.memory.put_new(key, bytes).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        self.memory.read(key, max).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.memory.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.memory.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.memory.probe().await
    }
}

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use recording::Key;
use storage::{Capabilities, Memory, ObjectMeta, Store, StoreError};
use tokio::sync::watch;

/// What goes wrong with puts.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    Fails,
    /// So many more are done and fail all the same.
    AnswersLost(usize),
}

/// A store in memory whose puts can be held up and made to fail.
#[derive(Debug)]
pub struct FlakyStore {
    memory: Memory,
    held: watch::Sender<bool>,
    started: watch::Sender<usize>,
    puts: AtomicUsize,
    fault: Mutex<Fault>,
}

impl FlakyStore {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            memory: Memory::new(),
            held: watch::Sender::new(false),
            started: watch::Sender::new(0),
            puts: AtomicUsize::new(0),
            fault: Mutex::new(Fault::None),
        })
    }

    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn release(&self) {
        self.held.send_replace(false);
    }

    pub fn set_fault(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }

    /// Returns once so many puts have begun.
    pub async fn wait_for_puts(&self, count: usize) {
        self.started.subscribe().wait_for(|started| *started >= count).await.unwrap();
    }

    fn next_fault(&self) -> Fault {
        let mut fault = self.fault.lock().unwrap();
        let now = *fault;
        if let Fault::AnswersLost(left) = now {
            *fault = if left > 1 { Fault::AnswersLost(left - 1) } else { Fault::None };
        }
        now
    }
}

fn failed(key: &Key) -> StoreError {
    StoreError::Failed { action: "write", key: key.to_string(), source: "no space".into() }
}

#[async_trait]
impl Store for FlakyStore {
    async fn put_new(&self, key: &Key, bytes: bytes::Bytes) -> Result<(), StoreError> {
        let fault = self.next_fault();
        self.puts.fetch_add(1, Ordering::SeqCst);
        if matches!(fault, Fault::Fails) {
            self.started.send_modify(|started| *started += 1);
            return Err(failed(key));
        }
        if *self.held.borrow() {
            self.started.send_modify(|started| *started += 1);
            self.held.subscribe().wait_for(|held| !held).await.unwrap();
            return self.memory.put_new(key, bytes).await;
        }
        let done = self.memory.put_new(key, bytes).await;
        self.started.send_modify(|started| *started += 1);
        if matches!(fault, Fault::AnswersLost(_)) { done.and(Err(failed(key))) } else { done }
    }

    async fn read(&self, key: &Key, max: u64) -> Result<bytes::Bytes, StoreError> {
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

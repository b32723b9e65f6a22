//! How long the store takes, measured around it.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use prometheus_client::{
    metrics::{family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use recording::Key;
use storage::{Capabilities, ObjectMeta, Store, StoreError};
use tokio_util::bytes::Bytes;

/// Labels of a request to the store.
type Labels = [(&'static str, &'static str); 2];

/// Durations of requests to the store, by operation and by whether they succeeded. An object that exists already, or does not
/// exist, is an answer like any other.
#[derive(Clone, Debug)]
pub struct StoreTimes(Family<Labels, Histogram, fn() -> Histogram>);

/// Upper ends in seconds: from a file on a local disk to a bucket that is about to be unavailable.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

impl StoreTimes {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(BUCKETS)))
    }

    /// Has them encoded with the registry's other metrics.
    pub fn register(&self, registry: &mut Registry) {
        let help = "How long requests to the store took";
        registry.register_with_unit("store_request_duration", help, Unit::Seconds, self.0.clone());
    }

    fn observe<T>(&self, operation: &'static str, began: Instant, result: &Result<T, StoreError>) {
        let outcome = match result {
            Ok(_) | Err(StoreError::Exists(_) | StoreError::NotFound(_)) => "ok",
            Err(_) => "error",
        };
        let labels = [("operation", operation), ("outcome", outcome)];
        self.0.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
    }
}

/// The store, with its requests measured.
pub fn measured(store: Arc<dyn Store>, times: &StoreTimes) -> Arc<dyn Store> {
    Arc::new(MeasuredStore { store, times: times.clone() })
}

#[derive(Debug)]
struct MeasuredStore {
    store: Arc<dyn Store>,
    times: StoreTimes,
}

impl MeasuredStore {
    async fn measure<T>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let result = request.await;
        self.times.observe(operation, began, &result);
        result
    }
}

#[async_trait]
impl Store for MeasuredStore {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        self.measure("put", self.store.put_new(key, bytes)).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        self.measure("read", self.store.read(key, max)).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.measure("list", self.store.list(prefix, after, limit)).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.measure("list", self.store.children(prefix)).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.store.probe().await
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use storage::Memory;

    use super::*;

    #[tokio::test]
    async fn requests_are_counted_by_how_they_went() {
        let times = StoreTimes::new();
        let store = measured(Arc::new(Memory::new()), &times);
        let key = Key::new("keys/x.json").unwrap();
        store.put_new(&key, Bytes::new()).await.unwrap();
        assert!(store.put_new(&key, Bytes::new()).await.is_err());
        store.read(&key, u64::MAX).await.unwrap();
        let mut registry = Registry::default();
        times.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "store_request_duration_seconds_count{operation=\"put\",outcome=\"ok\"} 2",
            "store_request_duration_seconds_count{operation=\"read\",outcome=\"ok\"} 1",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}

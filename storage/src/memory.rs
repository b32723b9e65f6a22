use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Capabilities, ObjectMeta, Store, StoreError, store};
use recording::Key;

/// A store that is gone with the process: for tests.
#[derive(Debug, Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<Key, Bytes>>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<Key, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Err(StoreError::Exists(key.clone()));
        }
        objects.insert(key.clone(), bytes);
        Ok(())
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        match self.objects().get(key) {
            None => Err(StoreError::NotFound(key.clone())),
            Some(bytes) if bytes.len() as u64 > max => Err(StoreError::TooLarge { key: key.clone(), max }),
            Some(bytes) => Ok(bytes.clone()),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        let objects = self.objects();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let named = objects.range((from, Bound::Unbounded)).filter(|(key, _)| key.as_str().starts_with(prefix));
        Ok(named.take(limit).map(|(key, bytes)| ObjectMeta { key: key.clone(), size: bytes.len() as u64 }).collect())
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let objects = self.objects();
        let below = objects.keys().filter_map(|key| key.as_str().strip_prefix(prefix));
        let mut names: Vec<String> = below.filter_map(|rest| rest.split('/').next()).map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        store::probe_by_creating_twice(self).await
    }
}

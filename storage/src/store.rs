use async_trait::async_trait;
use bytes::Bytes;
use thiserror::Error;

use recording::Key;

/// An object, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The object's name.
    pub key: Key,
    /// Bytes of the object.
    pub size: u64,
}

/// What a store was seen to do when it was probed. A 200 alone is not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// A second create of the same key is refused.
    pub conditional_create: bool,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// `put_new` of a key that exists.
    #[error("{0} exists already; nothing was written")]
    Exists(Key),
    /// `read` of a key that does not exist.
    #[error("{0} does not exist")]
    NotFound(Key),
    /// `read` of an object above the reader's bound. It was not read.
    #[error("{key} is larger than the {max} bytes that are read of such an object")]
    TooLarge {
        /// The object.
        key: Key,
        /// The reader's bound in bytes.
        max: u64,
    },
    /// Everything else. Whether the object was written is not known.
    #[error("cannot {action} {key}")]
    Failed {
        /// What was tried, as a verb: `write`, `read`, `list`.
        action: &'static str,
        /// The key or prefix.
        key: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Objects by name: written once, never changed.
///
/// Every implementation passes the same conformance suite (`storage::conformance`).
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Creates the object. When this returns, the bytes are durable.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the name is taken, or a failure: then it is not known whether the object was written.
    ///
    /// # Cancel safety
    /// If the future is dropped the object is written whole or not at all.
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError>;

    /// Reads the whole object, if it has at most `max` bytes. Anybody who can write the store may have put a larger one:
    /// no implementation takes more than about `max` bytes of memory.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::TooLarge`], or a failure.
    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError>;

    /// Lists up to `limit` objects whose name starts with `prefix`, sorted by name, after `after`.
    ///
    /// If a folder's name begins a neighbour's (`a/…` and `a-b`), each store has its own order of the two: S3 sorts bytes,
    /// SeaweedFS folder by folder. Pages follow that order and leave nothing out.
    ///
    /// # Errors
    /// A failure of the store. A prefix that no key can have is an empty list.
    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError>;

    /// Lists the distinct next path segments below `prefix` (which ends in `/` or is empty), sorted: `["2026", "2027"]`.
    ///
    /// # Errors
    /// As [`Store::list`].
    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// Tries what the store can do, on objects of its own under `probe/`.
    ///
    /// # Errors
    /// A failure of the store.
    async fn probe(&self) -> Result<Capabilities, StoreError>;
}

impl StoreError {
    /// A failure of an action on a key or prefix, with its cause.
    pub(crate) fn failed(
        action: &'static str,
        key: impl ToString,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Failed { action, key: key.to_string(), source: source.into() }
    }
}

/// Bytes of an object, from a listing; `None` if it does not exist.
///
/// # Errors
/// The store's.
pub async fn size(store: &dyn Store, key: &Key) -> Result<Option<u64>, StoreError> {
    let first = store.list(key.as_str(), None, 1).await?.pop();
    Ok(first.filter(|entry| entry.key == *key).map(|entry| entry.size))
}

/// Implements [`Store::probe`] for any store: creates an object of a new name twice.
///
/// # Errors
/// The store's.
pub async fn probe_by_creating_twice(store: &dyn Store) -> Result<Capabilities, StoreError> {
    let key = Key::new(format!("probe/{}", uuid::Uuid::new_v4()));
    let key = key.map_err(|error| StoreError::failed("create", "probe/", error))?;
    let content = Bytes::from_static(b"Kubetape was here to see what this store can do.\n");
    store.put_new(&key, content.clone()).await?;
    match store.put_new(&key, content).await {
        Ok(()) => Ok(Capabilities { conditional_create: false }),
        Err(StoreError::Exists(_)) => Ok(Capabilities { conditional_create: true }),
        Err(other) => Err(other),
    }
}

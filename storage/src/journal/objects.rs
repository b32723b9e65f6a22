use std::{io, sync::Arc};

use thiserror::Error;

use crate::{
    Store, StoreError,
    chunk::{self, ChunkError, MAX_UNCOMPRESSED},
};
use recording::{
    Key,
    journal::{JournalEntry, JournalEvent},
};

/// Most objects that are asked of the store at once.
const PAGE: usize = 1000;

/// Largest object in bytes that is read as a journal's: lines of 64 MiB that do not compress, and the seal, stay below.
pub const LARGEST_JOURNAL_OBJECT: u64 = 80 << 20;

/// Why the journal cannot be read.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The object is not a zstd frame of lines.
    #[error("journal object {key} cannot be read")]
    Object {
        /// The object.
        key: Key,
        /// Why.
        source: ChunkError,
    },
    /// A line is not an entry.
    #[error("line {line} of journal object {key} cannot be read")]
    Line {
        /// The object.
        key: Key,
        /// Counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// An object of a gateway's journal, as the listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalObject {
    /// Its number.
    pub seq: u64,
    /// Its name, to read it by and to go on listing after.
    pub key: Key,
}

impl JournalObject {
    /// `None` if the name is not one of a journal's objects.
    fn of(key: Key) -> Option<Self> {
        key.journal_seq().map(|seq| Self { seq, key })
    }
}

/// Writes entries as an object's bytes, neither chained nor signed.
///
/// # Errors
/// Only if zstd has no memory.
pub fn encode(entries: &[JournalEntry]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::with_capacity(entries.len() * 256);
    for entry in entries {
        serde_json::to_writer(&mut lines, entry)?;
        lines.push(b'\n');
    }
    chunk::compress(&lines)
}

/// Reads the entries of an object. Entries with an `event` that this version does not know are left out.
///
/// # Errors
/// [`JournalError::Object`] or [`JournalError::Line`]; `key` is for the message.
pub fn decode(key: &Key, object: &[u8]) -> Result<Vec<JournalEntry>, JournalError> {
    let lines = chunk::decompress(object, MAX_UNCOMPRESSED)
        .map_err(|source| JournalError::Object { key: key.clone(), source })?;
    let lines = lines.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let read = lines.map(|(at, line)| match serde_json::from_slice(line) {
        Ok(entry) => Ok(Some(entry)),
        Err(_) if of_a_later_version(line) => Ok(None),
        Err(source) => Err(JournalError::Line { key: key.clone(), line: at + 1, source }),
    });
    read.filter_map(Result::transpose).collect()
}

/// Whether the line is an entry in everything but its event's name.
fn of_a_later_version(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct EventName {
        event: String,
    }
    serde_json::from_slice::<EventName>(line).is_ok_and(|line| !JournalEvent::names().contains(&line.event.as_str()))
}

/// Reads the journals of all gateways of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JournalReader {
    store: Arc<dyn Store>,
}

impl JournalReader {
    /// Reads from `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// The gateways that have written, sorted.
    ///
    /// # Errors
    /// The store's.
    pub async fn gateways(&self) -> Result<Vec<String>, JournalError> {
        Ok(self.store.children("journal/").await?)
    }

    /// Up to `limit` objects of a gateway, in order, after the object `after`, or from the first one on. The key to go on
    /// from is the last one returned.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        gateway: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<JournalObject>, JournalError> {
        let entries = self.store.list(&format!("journal/{gateway}/"), after, limit).await?;
        Ok(entries.into_iter().filter_map(|entry| JournalObject::of(entry.key)).collect())
    }

    /// Up to `limit` objects of a gateway with number `seq` or higher, found from the newest day backwards.
    ///
    /// # Errors
    /// The store's.
    pub async fn list_from(&self, gateway: &str, seq: u64, limit: usize) -> Result<Vec<JournalObject>, JournalError> {
        let mut found: Vec<JournalObject> = Vec::new();
        for day in self.days(gateway).await? {
            let objects = self.day(&day).await?;
            let older = objects.first().is_some_and(|first| first.seq <= seq);
            found.splice(0..0, objects.into_iter().filter(|object| object.seq >= seq).take(limit));
            found.truncate(limit);
            if older {
                break;
            }
        }
        Ok(found)
    }

    /// The newest object of a gateway: where its writer goes on from.
    ///
    /// # Errors
    /// The store's.
    pub async fn newest(&self, gateway: &str) -> Result<Option<JournalObject>, JournalError> {
        for day in self.days(gateway).await? {
            if let Some(last) = self.day(&day).await?.pop() {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    /// The entries of an object.
    ///
    /// # Errors
    /// [`JournalError`]
    pub async fn read(&self, object: &JournalObject) -> Result<Vec<JournalEntry>, JournalError> {
        match self.store.read(&object.key, LARGEST_JOURNAL_OBJECT).await {
            Ok(bytes) => decode(&object.key, &bytes),
            Err(StoreError::TooLarge { key, max }) => {
                Err(JournalError::Object { key, source: ChunkError::ObjectTooLarge(max) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A gateway's days as prefixes, newest first.
    async fn days(&self, gateway: &str) -> Result<Vec<String>, JournalError> {
        let mut prefixes = vec![format!("journal/{gateway}/")];
        for _ in ["year", "month", "day"] {
            let mut below = Vec::new();
            for prefix in prefixes {
                let names = self.store.children(&prefix).await?;
                below.extend(names.iter().rev().map(|name| format!("{prefix}{name}/")));
            }
            prefixes = below;
        }
        Ok(prefixes)
    }

    async fn day(&self, prefix: &str) -> Result<Vec<JournalObject>, JournalError> {
        let mut objects: Vec<JournalObject> = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let entries = self.store.list(prefix, after.as_ref(), PAGE).await?;
            let full = entries.len() == PAGE;
            after = entries.last().map(|entry| entry.key.clone());
            objects.extend(entries.into_iter().filter_map(|entry| JournalObject::of(entry.key)));
            if !full {
                return Ok(objects);
            }
        }
    }
}

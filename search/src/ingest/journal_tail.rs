//! Follows the journals of all gateways from a cursor on.
//!
//! Names of objects are numbered without gaps, by gateway: `journal/<gateway>/YYYY/MM/DD/<seq>.jsonl.zst`. A listing of a
//! day is expensive where it has tens of thousands of objects, so the tail asks for the next number of the day, and lists
//! only to find the next day.
//!
//! A follower reads, takes in, advances its cursor, and stores the cursor together with what it took in:
//!
//! ```text
//! for gateway in tail.gateways()
//!     while let Some(read) = tail.next(gateway, cursor)
//!         take in read.entries
//!         cursor.advance(gateway, read.object)
//! ```
//!
//! The tail depends on nothing of the index: another follower, such as an export, needs only a cursor of its own.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use recording::{Key, journal::JournalEntry};
use serde::{Deserialize, Serialize};
use storage::{
    Store, StoreError,
    journal::{JournalError, JournalObject, JournalReader},
};

/// Objects of one listing.
const PAGE: usize = 500;

/// How far the journals were read: by gateway, the name of the last object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct JournalCursor(BTreeMap<String, String>);

impl JournalCursor {
    /// Moves the gateway's place behind the object.
    pub(super) fn advance(&mut self, gateway: &str, object: &JournalObject) {
        self.0.insert(gateway.to_owned(), object.key.as_str().to_owned());
    }

    fn last(&self, gateway: &str) -> Option<Key> {
        self.0.get(gateway).and_then(|name| Key::new(name.as_str()).ok())
    }
}

/// An object that was read.
pub(super) struct ReadObject {
    pub(super) object: JournalObject,
    /// Its entries; an error if the object is damaged, never if the store failed.
    pub(super) entries: Result<Vec<JournalEntry>, JournalError>,
}

/// Reads one object after the other.
pub(super) struct JournalTail {
    reader: JournalReader,
    /// By gateway: objects of the last listing that were not read yet.
    listed: HashMap<String, VecDeque<JournalObject>>,
}

impl JournalTail {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { reader: JournalReader::new(store), listed: HashMap::new() }
    }

    /// The gateways that have a journal.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn gateways(&self) -> Result<Vec<String>, JournalError> {
        self.reader.gateways().await
    }

    /// The first object behind the cursor; `None` if there is none yet. Without `may_list` an object of a later day than
    /// the cursor's is not found.
    ///
    /// # Errors
    /// The store's: the caller tries again later, with the same cursor.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call with the same cursor returns the same object.
    pub(super) async fn next(
        &mut self,
        gateway: &str,
        cursor: &JournalCursor,
        may_list: bool,
    ) -> Result<Option<ReadObject>, JournalError> {
        let last = cursor.last(gateway);
        if let Some(object) = self.next_listed(gateway, last.as_ref()) {
            return self.read(object).await.map(Some);
        }
        if let Some(object) = last.as_ref().and_then(next_of_day) {
            match self.reader.read(&object).await {
                Err(JournalError::Store(StoreError::NotFound(_))) => {}
                Err(error @ JournalError::Store(_)) => return Err(error),
                entries => return Ok(Some(ReadObject { object, entries })),
            }
        }
        if last.is_some() && !may_list {
            return Ok(None);
        }
        let objects = self.reader.list(gateway, last.as_ref(), PAGE).await?;
        self.listed.insert(gateway.to_owned(), objects.into());
        match self.next_listed(gateway, last.as_ref()) {
            Some(object) => self.read(object).await.map(Some),
            None => Ok(None),
        }
    }

    /// The first listed object behind `last`. Those before it were read.
    fn next_listed(&mut self, gateway: &str, last: Option<&Key>) -> Option<JournalObject> {
        let listed = self.listed.get_mut(gateway)?;
        while let Some(object) = listed.front() {
            if last.is_none_or(|last| object.key.as_str() > last.as_str()) {
                return Some(object.clone());
            }
            listed.pop_front();
        }
        self.listed.remove(gateway);
        None
    }

    /// Reads a listed object. One that was removed since has no entries.
    async fn read(&self, object: JournalObject) -> Result<ReadObject, JournalError> {
        match self.reader.read(&object).await {
            Err(JournalError::Store(StoreError::NotFound(_))) => Ok(ReadObject { object, entries: Ok(Vec::new()) }),
            Err(error @ JournalError::Store(_)) => Err(error),
            entries => Ok(ReadObject { object, entries }),
        }
    }
}

/// The object after `last` on the same day.
fn next_of_day(last: &Key) -> Option<JournalObject> {
    let seq = last.journal_seq()?.checked_add(1)?;
    let (day, _) = last.as_str().rsplit_once('/')?;
    let key = Key::new(format!("{day}/{seq:012}.jsonl.zst")).ok()?;
    Some(JournalObject { seq, key })
}

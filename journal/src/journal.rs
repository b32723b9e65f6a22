#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use recording::journal::{JournalEntry, JournalEvent};
use storage::{
    Store, StoreError,
    journal::{self, LARGEST_JOURNAL_OBJECT},
};
use tokio::{
    sync::{Mutex, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    JournalError, JournalSettings,
    clip::clip,
    head_file,
    object::{ChainPosition, legal_name},
    queue::{Durability, Limits, Queue, first_micros},
    tally::EventCounters,
    wal::{RecoveredLines, Wal},
    writer::{LastError, Writer},
};

/// The journal of one gateway. Clones write to the same journal; when the last one is dropped, what is queued is
/// still written as long as the runtime lives. [`Journal::close`] waits for it.
#[derive(Clone)]
pub struct Journal {
    open: Arc<Open>,
}

struct Open {
    gateway: String,
    settings: JournalSettings,
    queue: Arc<Queue>,
    last_error: Arc<LastError>,
    taken: EventCounters,
    writer: Mutex<Option<JoinHandle<usize>>>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("gateway", &self.open.gateway).finish_non_exhaustive()
    }
}

impl Journal {
    /// Goes on where the store's journal of `gateway` ends, and starts the writer.
    ///
    /// # Errors
    /// [`JournalError::Name`] for a name that cannot be part of a key; [`JournalError::Open`] when the store
    /// cannot be listed.
    pub async fn open(store: Arc<dyn Store>, gateway: &str, settings: JournalSettings) -> Result<Self, JournalError> {
        if !legal_name(gateway) {
            return Err(JournalError::Name(gateway.to_owned()));
        }
        let place =
            ChainPosition::after_last(&*store, gateway).await.map_err(|error| JournalError::Open(Arc::new(error)))?;
        let queue = Queue::new(Limits {
            object_bytes: settings.object_bytes.max(1),
            object_age: settings.object_age,
            queue_bytes: settings.queue_bytes.max(1),
            queue_entries: settings.queue_entries.max(1),
        });
        let queue = Arc::new(match &settings.spool {
            Some(folder) => {
                let opened = Wal::open(folder).map_err(|error| JournalError::Spool(Arc::new(error)));
                let (wal, left) = opened?;
                let left =
                    unstored(&*store, gateway, left).await.map_err(|error| JournalError::Open(Arc::new(error)))?;
                queue.with_wal(wal, left)
            }
            None => queue,
        });
        let last_error = Arc::<LastError>::default();
        let place = match settings.head_file.as_deref().and_then(head_file::read) {
            Some(known) => place.not_before(gateway, &known),
            None => place,
        };
        if let Some(head) = place.head(gateway) {
            settings.signer.set_journal_head(head);
        }
        let writer = Writer {
            store,
            signer: Arc::clone(&settings.signer),
            sealed: None,
            head_file: settings.head_file.clone(),
            gateway: gateway.to_owned(),
            place,
            queue: Arc::clone(&queue),
            last_error: Arc::clone(&last_error),
            patience: settings.patience,
        };
        let writer = Mutex::new(Some(tokio::spawn(writer.run())));
        let taken = EventCounters::default();
        Ok(Self { open: Arc::new(Open { gateway: gateway.to_owned(), settings, queue, last_error, taken, writer }) })
    }

    /// The gateway's name.
    pub fn gateway(&self) -> &str {
        &self.open.gateway
    }

    /// Entries taken since the process started, by event and, for ends of sessions, by outcome.
    pub fn taken(&self) -> BTreeMap<(&'static str, Option<&'static str>), u64> {
        self.open.taken.all()
    }

    /// Bytes and entries that are not stored yet.
    pub fn waiting(&self) -> (usize, usize) {
        self.open.queue.waiting()
    }

    /// Queues an entry; `user` is empty where nobody was authenticated. Waits while the queue is full, which is
    /// while the store fails or is slower than the requests. After [`Journal::close`] it only logs.
    pub async fn note(&self, user: &str, what: JournalEvent) {
        match self.push(user, what, None).await {
            Ok(_) => {}
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "journal entry not taken"),
        }
    }

    /// Queues an entry and waits until it is on the gateway's own disk, synced; without a spool, until the object with it is
    /// stored. Durable notes that come while an object is
    /// being written share the next one.
    ///
    /// # Errors
    /// [`JournalError::NotStored`] after the settings' patience: the entry may still be stored later.
    /// [`JournalError::Closed`].
    pub async fn note_durably(&self, user: &str, what: JournalEvent) -> Result<(), JournalError> {
        let (stored, waiting) = oneshot::channel();
        let patience = self.open.settings.patience;
        let done = async {
            // In the spool it is durable: it need not hurry to the store.
            let hurry = self.open.settings.spool.is_none().then_some(stored);
            match self.push(user, what, hurry).await? {
                Durability::InMemory => waiting.await.map_err(|_| self.not_stored()),
                Durability::OnDisk(file) => file.sync().await.map_err(|error| {
                    self.open.queue.distrust(&file);
                    JournalError::Spool(Arc::new(error))
                }),
                Durability::NotOnDisk(error) => Err(JournalError::Spool(Arc::new(error))),
            }
        };
        timeout(patience, done).await.unwrap_or_else(|_| Err(self.not_stored()))
    }

    /// Stores what is queued and ends the writer. Later notes are not taken.
    ///
    /// # Errors
    /// [`JournalError::NotStored`] when the store still fails after the settings' patience: the queue is lost.
    pub async fn close(&self) -> Result<(), JournalError> {
        self.open.queue.close();
        let Some(writer) = self.open.writer.lock().await.take() else { return Ok(()) };
        match writer.await {
            Ok(0) => Ok(()),
            Ok(_) | Err(_) => Err(self.not_stored()),
        }
    }

    async fn push(
        &self,
        user: &str,
        mut what: JournalEvent,
        waiting: Option<oneshot::Sender<()>>,
    ) -> Result<Durability, JournalError> {
        clip(&mut what);
        let mut entry = JournalEntry { micros: 0, gateway: self.open.gateway.clone(), user: user.to_owned(), what };
        let write = |lines: &mut Vec<u8>| {
            entry.micros = Timestamp::now().as_microsecond();
            serde_json::to_writer(&mut *lines, &entry)?;
            lines.push(b'\n');
            Ok(entry.micros)
        };
        let pushed = self.open.queue.push(write, waiting).await.map_err(|_| JournalError::Closed)?;
        let kept = pushed.map_err(|error: serde_json::Error| JournalError::Encode(Arc::new(error)))?;
        self.open.taken.count(&entry.what);
        Ok(kept)
    }

    fn not_stored(&self) -> JournalError {
        JournalError::NotStored { patience: self.open.settings.patience, source: self.open.last_error.read() }
    }
}

/// Without the batches whose objects are stored already: the process died before a file was removed, which is that of the
/// newest object; or the disk did not let it be removed, which may be any. An object begins with the entries that its
/// file has; what the disk did not take comes behind them.
async fn unstored(
    store: &dyn Store,
    gateway: &str,
    mut left: Vec<RecoveredLines>,
) -> Result<Vec<RecoveredLines>, StoreError> {
    let Some(first) = left.iter().map(|left| first_micros(&left.lines)).min() else { return Ok(left) };
    let mut objects = ChainPosition::since(store, gateway, first).await?;
    while let Some(key) = objects.pop() {
        let object = match store.read(&key, LARGEST_JOURNAL_OBJECT).await {
            // Somebody else's: no writer makes one of that size.
            Err(StoreError::TooLarge { .. }) => continue,
            other => journal::decode(&key, &other?).unwrap_or_default(),
        };
        left.retain(|left| {
            let stored = begins(&object, &left.lines);
            if stored {
                left.file.remove();
            }
            !stored
        });
        // The ones before it are of a time before all that is left.
        if left.is_empty() || object.first().is_some_and(|entry| entry.micros < first) {
            break;
        }
    }
    Ok(left)
}

/// Whether an object's entries begin with these lines.
fn begins(object: &[JournalEntry], lines: &[u8]) -> bool {
    let entries = lines.split_inclusive(|&byte| byte == b'\n').map(serde_json::from_slice::<JournalEntry>);
    entries.collect::<Result<Vec<_>, _>>().is_ok_and(|entries| object.starts_with(&entries))
}

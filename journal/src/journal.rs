#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use recording::{
    UnixMicros,
    journal::{Actor, JournalEntry, JournalEvent},
};
use storage::{
    Store, StoreError,
    journal::{self, LARGEST_JOURNAL_OBJECT},
};
use tokio::{
    sync::{Mutex as AsyncMutex, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    JournalError, JournalSettings,
    clip::clip,
    head_file,
    position::{ChainPosition, legal_name},
    queue::{Durability, Queue, QueueLimits, UntimedLine, first_time},
    wal::{RecoveredLines, Wal},
    writer::{LastError, ObjectWriter},
};

/// The journal of one gateway. Clones write to the same journal; when the last one is dropped, what is queued is
/// still written as long as the runtime lives. [`Journal::close`] waits for it.
#[derive(Clone)]
pub struct Journal {
    open: Arc<OpenJournal>,
}

struct OpenJournal {
    gateway: String,
    settings: JournalSettings,
    queue: Arc<Queue>,
    last_error: Arc<LastError>,
    taken: EventCounters,
    writer: AsyncMutex<Option<JoinHandle<usize>>>,
}

impl Drop for OpenJournal {
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
    /// Opens the journal of `gateway` behind the last object in the store, and starts the writer. Reads the spool's files
    /// on the calling thread.
    ///
    /// # Errors
    /// [`JournalError::Name`] for a name that cannot be part of a key; [`JournalError::Open`] if the store cannot be
    /// listed; [`JournalError::Spool`] if the spool's folder cannot be used.
    pub async fn open(store: Arc<dyn Store>, gateway: &str, settings: JournalSettings) -> Result<Self, JournalError> {
        if !legal_name(gateway) {
            return Err(JournalError::Name(gateway.to_owned()));
        }
        let position =
            ChainPosition::after_last(&*store, gateway).await.map_err(|error| JournalError::Open(Arc::new(error)))?;
        let queue = Queue::new(QueueLimits {
            object_bytes: settings.object_bytes.max(1),
            object_age: settings.object_age,
            queue_bytes: settings.queue_bytes.max(1),
            queue_entries: settings.queue_entries.max(1),
        });
        let queue = Arc::new(match &settings.spool {
            Some(folder) => {
                let opened = Wal::open(folder).map_err(|error| JournalError::Spool(Arc::new(error)));
                let (wal, recovered) = opened?;
                let recovered =
                    unstored(&*store, gateway, recovered).await.map_err(|error| JournalError::Open(Arc::new(error)))?;
                queue.with_wal(wal, recovered)
            }
            None => queue,
        });
        let last_error = Arc::<LastError>::default();
        let position = match settings.head_file.as_deref().and_then(head_file::read) {
            Some(known) => position.not_before(gateway, &known),
            None => position,
        };
        if let Some(head) = position.head(gateway) {
            settings.signer.set_journal_head(head);
        }
        let writer = ObjectWriter {
            store,
            signer: Arc::clone(&settings.signer),
            sealed: None,
            head_file: settings.head_file.clone(),
            gateway: gateway.to_owned(),
            position,
            queue: Arc::clone(&queue),
            last_error: Arc::clone(&last_error),
            patience: settings.patience,
        };
        let writer = AsyncMutex::new(Some(tokio::spawn(writer.run())));
        let taken = EventCounters::default();
        Ok(Self {
            open: Arc::new(OpenJournal { gateway: gateway.to_owned(), settings, queue, last_error, taken, writer }),
        })
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

    /// Queues an entry; `user` is empty if nobody was authenticated. Waits while the queue is full, which is while the
    /// store fails or is slower than the requests. After [`Journal::close`] it only logs.
    ///
    /// With a spool, the calling thread blocks for one `write(2)` into the page cache.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits the entry is not taken.
    pub async fn note(&self, by: impl Into<Actor>, what: JournalEvent) {
        match self.push(by.into(), what, None).await {
            Ok(_) => {}
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "journal entry not taken"),
        }
    }

    /// Queues an entry and waits until it is on the gateway's own disk, synced; without a spool, until the object with it is
    /// stored. Durable notes that come during a sync share the next one, and those that come while an object is written
    /// share the next object. As [`Journal::note`] it blocks for one `write(2)`; syncs have a thread of their own.
    ///
    /// # Errors
    /// [`JournalError::NotStored`] after the settings' patience: the entry may still be stored later.
    /// [`JournalError::Spool`] if the disk did not take it: it is queued all the same. [`JournalError::Closed`].
    ///
    /// # Cancel safety
    /// If the future is dropped the entry is taken or not; once taken it is stored.
    pub async fn note_durably(&self, by: impl Into<Actor>, what: JournalEvent) -> Result<(), JournalError> {
        let by = by.into();
        let (stored, waiting) = oneshot::channel();
        let patience = self.open.settings.patience;
        let done = async {
            // In the spool it is durable: it need not hurry to the store.
            let hurry = self.open.settings.spool.is_none().then_some(stored);
            match self.push(by, what, hurry).await? {
                Durability::InMemory => waiting.await.map_err(|_| self.not_stored()),
                Durability::OnDisk(file) => file.sync().await.map_err(|error| {
                    self.open.queue.distrust(&file);
                    JournalError::Spool(error)
                }),
                Durability::NotOnDisk(error) => Err(JournalError::Spool(Arc::new(error))),
            }
        };
        timeout(patience, done).await.unwrap_or_else(|_| Err(self.not_stored()))
    }

    /// Stores what is queued and ends the writer. Later notes are not taken.
    ///
    /// # Errors
    /// [`JournalError::NotStored`] if the store still fails after the settings' patience: what is in memory only is lost.
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
        Actor { user, from }: Actor,
        mut what: JournalEvent,
        waiting: Option<oneshot::Sender<()>>,
    ) -> Result<Durability, JournalError> {
        clip(&mut what);
        let entry = JournalEntry { time: UnixMicros::EPOCH, gateway: self.open.gateway.clone(), user, from, what };
        let line = UntimedLine::new(&entry).map_err(|error| JournalError::Encode(Arc::new(error)))?;
        let durability = self.open.queue.push(&line, waiting).await.map_err(|_| JournalError::Closed)?;
        self.open.taken.count(&entry.what);
        Ok(durability)
    }

    fn not_stored(&self) -> JournalError {
        JournalError::NotStored { patience: self.open.settings.patience, source: self.open.last_error.read() }
    }
}

/// How many entries of each kind a process has taken.
#[derive(Debug, Default)]
struct EventCounters(Mutex<BTreeMap<EventKind, u64>>);

/// An entry's event, and a session's outcome where it is the end of one.
type EventKind = (&'static str, Option<&'static str>);

impl EventCounters {
    fn count(&self, what: &JournalEvent) {
        let outcome = match what {
            JournalEvent::SessionEnded { outcome, .. } => Some(outcome.name()),
            _ => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((what.name(), outcome)).or_default() += 1;
    }

    fn all(&self) -> BTreeMap<EventKind, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Leaves out the batches whose objects are stored already: the process died before it removed a file, which is that of the
/// newest object; or the disk did not let it be removed, which may be any. An object begins with the entries that its
/// file has; what the disk did not take comes behind them.
async fn unstored(
    store: &dyn Store,
    gateway: &str,
    mut left: Vec<RecoveredLines>,
) -> Result<Vec<RecoveredLines>, StoreError> {
    let Some(first) = left.iter().map(|left| first_time(&left.lines)).min() else { return Ok(left) };
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
        if left.is_empty() || object.first().is_some_and(|entry| entry.time < first) {
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

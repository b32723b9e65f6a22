use std::{fmt, sync::Arc};

use jiff::Timestamp;
use storage::{
    Store,
    journal::{Entry, What},
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
    object::{Place, legal_name},
    queue::{Limits, Queue},
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
        let place = Place::after_last(&*store, gateway).await.map_err(|error| JournalError::Open(Arc::new(error)))?;
        let queue = Arc::new(Queue::new(Limits {
            object_bytes: settings.object_bytes.max(1),
            object_age: settings.object_age,
            queue_bytes: settings.queue_bytes.max(1),
            queue_entries: settings.queue_entries.max(1),
        }));
        let last_error = Arc::<LastError>::default();
        let place = match settings.head_file.as_deref().and_then(head_file::read) {
            Some(known) => place.not_before(gateway, &known),
            None => place,
        };
        if let Some(head) = place.head(gateway) {
            settings.signer.witness(head);
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
        Ok(Self { open: Arc::new(Open { gateway: gateway.to_owned(), settings, queue, last_error, writer }) })
    }

    /// The gateway's name.
    pub fn gateway(&self) -> &str {
        &self.open.gateway
    }

    /// Queues an entry; `user` is empty where nobody was authenticated. Waits while the queue is full, which is
    /// while the store fails or is slower than the requests. After [`Journal::close`] it only logs.
    pub async fn note(&self, user: &str, what: What) {
        match self.push(user, what, None).await {
            Ok(()) => {}
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "journal entry not taken"),
        }
    }

    /// Queues an entry and waits until the object with it is stored. Durable notes that come while an object is
    /// being written share the next one.
    ///
    /// # Errors
    /// [`JournalError::NotStored`] after the settings' patience: the entry may still be stored later.
    /// [`JournalError::Closed`].
    pub async fn note_durably(&self, user: &str, what: What) -> Result<(), JournalError> {
        let (stored, waiting) = oneshot::channel();
        let patience = self.open.settings.patience;
        let done = async {
            self.push(user, what, Some(stored)).await?;
            waiting.await.map_err(|_| self.not_stored())
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

    async fn push(&self, user: &str, mut what: What, waiting: Option<oneshot::Sender<()>>) -> Result<(), JournalError> {
        clip(&mut what);
        let mut entry = Entry { micros: 0, gateway: self.open.gateway.clone(), user: user.to_owned(), what };
        let write = |lines: &mut Vec<u8>| {
            entry.micros = Timestamp::now().as_microsecond();
            serde_json::to_writer(&mut *lines, &entry)?;
            lines.push(b'\n');
            Ok(entry.micros)
        };
        match self.open.queue.push(write, waiting).await {
            Ok(written) => written.map_err(|error: serde_json::Error| JournalError::Encode(Arc::new(error))),
            Err(_) => Err(JournalError::Closed),
        }
    }

    fn not_stored(&self) -> JournalError {
        JournalError::NotStored { patience: self.open.settings.patience, source: self.open.last_error.read() }
    }
}

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use storage::{Key, RecordingId, Store, chunk};

use crate::{Opened, Opening, RecordError, Settings, opening::header, upload};

/// Shortest age of a chunk: below it a timer would run more often than it is worth.
const SHORTEST_AGE: Duration = Duration::from_millis(10);

/// Opens recordings in a store.
#[derive(Clone, Debug)]
pub struct Recorder {
    store: Arc<dyn Store>,
    settings: Arc<Settings>,
}

impl Recorder {
    /// A recorder that writes to `store`.
    pub fn new(store: Arc<dyn Store>, mut settings: Settings) -> Self {
        settings.chunk_age = settings.chunk_age.max(SHORTEST_AGE);
        Self { store, settings: Arc::new(settings) }
    }

    /// Opens a recording. When this returns `Ok`, its header is durable and the upstream may be dialled.
    ///
    /// # Errors
    /// Why the store did not take the header. Nothing may be dialled then.
    pub async fn open(&self, permit: &access::Permit, opening: Opening) -> Result<Opened, RecordError> {
        self.open_as(RecordingId(uuid::Uuid::now_v7()), permit, opening).await
    }

    /// The same under a name that the caller made, a UUID v7 of this moment: for who has to write it elsewhere at the
    /// same time.
    ///
    /// # Errors
    /// As [`Self::open`]; [`RecordError::Conflict`] where the name is taken.
    pub async fn open_as(
        &self,
        id: RecordingId,
        permit: &access::Permit,
        opening: Opening,
    ) -> Result<Opened, RecordError> {
        let (start, now) = (Instant::now(), SystemTime::now());
        let session = opening.session(id, &self.settings.gateway, permit, now);
        let lines = header(&session).to_line();
        let object = chunk::compress(&lines).map_err(|error| RecordError::Compress(Arc::new(error)))?;
        let first = upload::entry(0, &object, lines.len(), [0; 32], (0, 0));
        upload::put(&*self.store, &Key::chunk(id, 0), object.into(), self.settings.open_patience).await?;
        Ok(Opened { store: self.store.clone(), settings: self.settings.clone(), session, start, first })
    }
}

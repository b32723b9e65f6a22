use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use recording::{Outcome, RecordingId};
use spool::{SessionRecord, Spool, SpoolError};
use storage::{RecordingWriter, Store};
use tokio::sync::{mpsc, watch};

use crate::{
    OpenRecording, OpenRequest, RecordError, Settings, StoreHealth, StoredRecording, UnjournalledEnd,
    session::context::Context,
    session::{
        active_recordings::{self, ActiveRecordings},
        open_request::header,
    },
    supervisor::Supervisor,
    upload::{end_acks::EndAcks, store::UploadStore, stored_acks::StoredAcks, task::UploadContext, uploader::Uploader},
};

/// Records sessions into a spool, and brings them from there to a store, however long that takes and whatever happens to the
/// sessions. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    context: Arc<Context>,
    uploader: Uploader,
    unjournalled: Arc<Mutex<Option<mpsc::Receiver<UnjournalledEnd>>>>,
    stored: Arc<Mutex<Option<mpsc::Receiver<StoredRecording>>>>,
}

impl Recorder {
    /// Begins to upload what an earlier process left in `spool`, and can then record. Must be called inside a Tokio runtime.
    pub fn start(spool: Spool, store: Arc<dyn Store>, settings: Settings) -> Self {
        let (ends, unjournalled) = EndAcks::new(settings.journalled);
        let (stored, unjournalled_stored) = StoredAcks::new(settings.journalled);
        let (ends, tasks) = (Arc::new(ends), Supervisor::default());
        let writer = RecordingWriter::new(store.clone(), settings.signer.clone());
        let upload = UploadContext {
            queue: spool.queue(),
            recovery: spool.recovery(),
            store: UploadStore::new(store, writer),
            ends: ends.clone(),
            stored,
            lag: settings.upload_lag.clone(),
        };
        let uploader = Uploader::new(upload, tasks.clone());
        spool.recovery().sessions().into_iter().for_each(|id| uploader.upload(id));
        let context = Arc::new(Context {
            gauges: spool.gauges(),
            spool,
            settings: Arc::new(settings),
            active: ActiveRecordings::default(),
            ends,
            tasks,
        });
        active_recordings::tick_all(&context.tasks, &context.active, context.settings.chunk_age);
        Self {
            context,
            uploader,
            unjournalled: Arc::new(Mutex::new(Some(unjournalled))),
            stored: Arc::new(Mutex::new(Some(unjournalled_stored))),
        }
    }

    /// Opens a recording. When this returns `Ok`, its header is on the disk and the upstream may be dialled.
    ///
    /// # Errors
    /// Why the spool did not take the header. Nothing may be dialled then.
    ///
    /// # Cancel safety
    /// A recording whose future is dropped, or that was not opened in time, never was: nothing of it is left in the spool.
    pub async fn open(&self, permit: &access::Permit, request: OpenRequest) -> Result<OpenRecording, RecordError> {
        self.open_as(RecordingId(uuid::Uuid::now_v7()), permit, request).await
    }

    /// As [`Self::open`], under an id that the caller made, so that it can be written elsewhere at the same time: a UUID v7 of
    /// this moment.
    ///
    /// # Errors
    /// As of [`Self::open`]; [`RecordError::Taken`] if there is a recording of that id.
    ///
    /// # Cancel safety
    /// As of [`Self::open`].
    pub async fn open_as(
        &self,
        id: RecordingId,
        permit: &access::Permit,
        request: OpenRequest,
    ) -> Result<OpenRecording, RecordError> {
        let Context { spool, settings, .. } = &*self.context;
        let (start, now) = (Instant::now(), SystemTime::now());
        let session = request.session(id, &settings.gateway, permit, now);
        let opening = settings.open_latency.start();
        let begun = tokio::time::timeout(settings.open_patience, spool.begin(id, &header(&session))).await;
        settings.open_latency.observe_since(opening);
        let writer = begun.map_err(|_| RecordError::Slow)?.map_err(|error| match error {
            SpoolError::Failed { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                RecordError::Taken(id)
            }
            other => other.into(),
        })?;
        self.uploader.upload(id);
        Ok(OpenRecording::new(self.context.clone(), session, start, writer))
    }

    /// The spool, for who reads live sessions, and who watches its limits.
    pub fn spool(&self) -> &Spool {
        &self.context.spool
    }

    /// Acknowledges that the journal has the end of a session that the caller finished, or refused: the spool may let go of the
    /// session. If the end did not reach the disk, the manifest gets this outcome. Appends to a small file on the caller's
    /// thread.
    pub fn acknowledge(&self, id: RecordingId, outcome: &Outcome) {
        // Where the disk fails here, the next process tells the journal once more.
        let _ = self.context.spool.queue().note_now(id, &SessionRecord::Journalled { outcome: outcome.clone() });
        self.context.ends.acknowledge(id, outcome.clone());
    }

    /// The ends that nobody else tells the journal of. `None` for all callers but the first.
    ///
    /// They come through a bounded queue: where nobody takes them, their sessions stay in the spool, and the next process
    /// tells of them again.
    pub fn unjournalled_ends(&self) -> Option<mpsc::Receiver<UnjournalledEnd>> {
        self.unjournalled.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The manifests that were stored, for the journal to vouch for. `None` for all callers but the first, and nothing comes where
    /// there is no journal.
    ///
    /// The spool keeps a session until its manifest is acknowledged ([`StoredRecording::ack`]).
    pub fn stored_recordings(&self) -> Option<mpsc::Receiver<StoredRecording>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the store takes what it is given.
    pub fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.uploader.store_health()
    }

    /// How many of the recorder's own tasks panicked and started again.
    pub fn task_panics(&self) -> u64 {
        self.context.tasks.panics()
    }

    /// Resolves once everything is in the store: no session is in the spool any more, and no task works on one.
    ///
    /// # Cancel safety
    /// Dropping the future changes nothing.
    pub async fn drained(&self) {
        let reader = self.context.spool.reader();
        let mut changes = reader.changes();
        while !reader.sessions().is_empty() {
            if changes.changed().await.is_err() {
                return;
            }
        }
        // A task lets go of the spool a moment after its session has.
        self.uploader.idle().await;
    }
}

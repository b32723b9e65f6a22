use std::sync::Arc;

use recording::RecordingId;
use spool::Spool;
use storage::{RecordingWriter, Store};
use tokio::sync::watch;

use crate::{
    supervisor::Supervisor,
    upload::{
        end_acks::EndAcks,
        health::StoreHealth,
        store::UploadStore,
        task::{UploadContext, UploadTask},
    },
};

/// Brings sessions from the spool to the store: a task for each, of which few work at once. Cheap to clone.
///
/// A task goes on after the session's end, after an outage, and in the next process.
#[derive(Clone)]
pub(crate) struct Uploader {
    context: Arc<UploadContext>,
    tasks: Supervisor,
}

impl Uploader {
    pub(crate) fn new(
        spool: &Spool,
        store: Arc<dyn Store>,
        writer: RecordingWriter,
        ends: Arc<EndAcks>,
        tasks: Supervisor,
    ) -> Self {
        let (queue, recovery, store) = (spool.queue(), spool.recovery(), UploadStore::new(store, writer));
        Self { context: Arc::new(UploadContext { queue, recovery, store, ends }), tasks }
    }

    /// Has a session of the spool uploaded.
    pub(crate) fn upload(&self, id: RecordingId) {
        let context = Arc::clone(&self.context);
        self.tasks.spawn("upload", id, move |restarts| UploadTask::new(context.clone(), id, restarts > 0).run());
    }

    pub(crate) fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.context.store.health.subscribe()
    }
}

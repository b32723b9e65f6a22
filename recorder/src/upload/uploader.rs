use std::sync::Arc;

use recording::RecordingId;
use tokio::sync::watch;

use crate::{
    supervisor::Supervisor,
    upload::{
        health::StoreHealth,
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
    running: watch::Sender<usize>,
}

/// Counts a task as running, until it has let go of everything.
struct Running {
    /// `None` while it is dropped.
    context: Option<Arc<UploadContext>>,
    count: watch::Sender<usize>,
}

impl Running {
    fn new(context: Arc<UploadContext>, count: watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self { context: Some(context), count }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.context = None;
        self.count.send_modify(|count| *count -= 1);
    }
}

impl Uploader {
    pub(crate) fn new(context: UploadContext, tasks: Supervisor) -> Self {
        Self { context: Arc::new(context), tasks, running: watch::Sender::new(0) }
    }

    /// Has a session of the spool uploaded.
    pub(crate) fn upload(&self, id: RecordingId) {
        let running = Running::new(Arc::clone(&self.context), self.running.clone());
        self.tasks.spawn("upload", id, move |restarts| {
            let context = running.context.clone();
            async move {
                if let Some(context) = context {
                    UploadTask::new(context, id, restarts > 0).run().await;
                }
            }
        });
    }

    /// Resolves when no task runs.
    pub(crate) async fn idle(&self) {
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }

    pub(crate) fn store_health(&self) -> watch::Receiver<StoreHealth> {
        self.context.store.health.subscribe()
    }
}

//! Scans of recordings: each recording is scanned once, however many requests ask for it.
//!
//! ```text
//!   request ─┐                         ┌─ a permit: short or long ─▶ reads to the end ─▶ cache
//!   request ─┼─ waits ─▶ scan (task) ──┤
//!   request ─┘  (may leave)            └─ all requests left before there was a permit: ends at once
//! ```
//!
//! A request that takes too long is cut, and its client tries again. A scan that began therefore continues without its
//! request: else a recording whose scan takes longer than a request may would never open. The task ends with the runtime.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use recording::RecordingId;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::{PlayerError, timeline::Timeline};

/// A scan of more chunks than this is a long one: 16 MiB and a third of a second, if the recorder filled them.
pub(crate) const LONG_SCAN_CHUNKS: usize = 16;

/// Most long scans at once: each keeps a processor busy, and holds a timeline in memory.
const LONG_SCANS: usize = 4;

/// Most short scans at once. They do not wait for long ones.
const SHORT_SCANS: usize = 16;

/// `None` until the scan is over.
type ScanResult = Option<Result<Arc<Timeline>, Arc<PlayerError>>>;

/// The scans in progress.
#[derive(Debug)]
pub(crate) struct SingleFlight {
    by_id: Mutex<HashMap<RecordingId, Arc<watch::Sender<ScanResult>>>>,
    short: Semaphore,
    long: Semaphore,
}

/// A request's side of a scan.
#[derive(Debug)]
pub(crate) struct PendingScan {
    result: watch::Receiver<ScanResult>,
    /// The scan began with this request, so it covers all that was stored when the request came.
    pub(crate) new: bool,
}

/// The task's side of a scan. Dropping it takes the scan out of those in progress.
#[derive(Debug)]
pub(crate) struct ScanSlot {
    scans: Arc<SingleFlight>,
    id: RecordingId,
    result: Arc<watch::Sender<ScanResult>>,
}

impl Default for SingleFlight {
    fn default() -> Self {
        Self { by_id: Mutex::default(), short: Semaphore::new(SHORT_SCANS), long: Semaphore::new(LONG_SCANS) }
    }
}

impl SingleFlight {
    /// Joins the recording's scan in progress, or else spawns `scan` in a task. `scan` returns `None` if it got no
    /// permit.
    pub(crate) fn join<F>(self: &Arc<Self>, id: RecordingId, scan: impl FnOnce(Arc<ScanSlot>) -> F) -> PendingScan
    where
        F: Future<Output = Result<Option<Arc<Timeline>>, PlayerError>> + Send + 'static,
    {
        let mut by_id = self.lock();
        if let Some(sender) = by_id.get(&id) {
            return PendingScan { result: sender.subscribe(), new: false };
        }
        let (sender, result) = watch::channel(None);
        let sender = Arc::new(sender);
        by_id.insert(id, Arc::clone(&sender));
        let slot = Arc::new(ScanSlot { scans: Arc::clone(self), id, result: sender });
        let work = scan(Arc::clone(&slot));
        tokio::spawn(async move {
            if let Some(result) = work.await.transpose() {
                slot.result.send_replace(Some(result.map_err(Arc::new)));
            }
        });
        PendingScan { result, new: true }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordingId, Arc<watch::Sender<ScanResult>>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingScan {
    /// Waits for the scan's end.
    ///
    /// # Errors
    /// [`PlayerError::Scan`] if the scan failed; [`PlayerError::Stopped`] if its task is gone: it panicked, or the
    /// process ends.
    ///
    /// # Cancel safety
    /// If the future is dropped, the scan continues.
    pub(crate) async fn result(mut self) -> Result<Arc<Timeline>, PlayerError> {
        let result = self.result.wait_for(Option::is_some).await.map_err(|_| PlayerError::Stopped)?;
        match result.as_ref() {
            Some(Ok(timeline)) => Ok(Arc::clone(timeline)),
            Some(Err(error)) => Err(PlayerError::Scan(Arc::clone(error))),
            None => Err(PlayerError::Stopped),
        }
    }
}

impl ScanSlot {
    /// Waits for a permit. `None` if all requests have left: then there is nothing to do.
    pub(crate) async fn permit(&self, long: bool) -> Option<SemaphorePermit<'_>> {
        let permits = if long { &self.scans.long } else { &self.scans.short };
        let mut permit = pin!(permits.acquire());
        loop {
            tokio::select! {
                biased;
                permit = &mut permit => return permit.ok(),
                () = self.result.closed() => if self.leave_if_alone() { return None },
            }
        }
    }

    /// Takes the scan out of those in progress, unless a request has joined it in the meantime.
    fn leave_if_alone(&self) -> bool {
        let mut by_id = self.scans.lock();
        let alone = self.result.receiver_count() == 0;
        if alone {
            by_id.remove(&self.id);
        }
        alone
    }
}

impl Drop for ScanSlot {
    fn drop(&mut self) {
        let mut by_id = self.scans.lock();
        // Another scan of the recording may have begun after this one left.
        if by_id.get(&self.id).is_some_and(|result| Arc::ptr_eq(result, &self.result)) {
            by_id.remove(&self.id);
        }
    }
}

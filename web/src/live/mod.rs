//! Sessions that are under way: watching them, ending them, and shutting people out.

pub(crate) mod end;
pub(crate) mod lock;
pub(crate) mod watch;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use self::{end::EndSession, lock::PeopleLocks};
use crate::http::failure::Failure;

/// Live views at a time; more are told to come back.
const CONCURRENT_VIEWS: usize = 256;

/// What live sessions are watched and ended with.
pub(crate) struct Live {
    /// Ends a session of this process's gateway; `None` if the process has no gateway.
    end_session: Option<EndSession>,
    /// Shuts people out of this process's gateway; `None` if the process has no gateway.
    people_locks: Option<Arc<dyn PeopleLocks>>,
    views: Arc<Semaphore>,
    /// The process ends, and with it the streams, which would not end by themselves.
    shutdown: CancellationToken,
}

impl Live {
    pub(crate) fn new(
        end_session: Option<EndSession>,
        people_locks: Option<Arc<dyn PeopleLocks>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { end_session, people_locks, views: Arc::new(Semaphore::new(CONCURRENT_VIEWS)), shutdown }
    }

    fn view_permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let busy = |_| Failure::busy("Too many people watch live sessions. Try again in a moment.");
        Arc::clone(&self.views).try_acquire_owned().map_err(busy)
    }
}

use std::sync::Arc;

use journal::Journal;
use recorder::Recorder;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{fallback::Fallback, limits::SessionLimits, registry::SessionRegistry};
use crate::{ForwardLatency, Limits, auth::refusals::RefusalJournal, proxy::upstream::Clusters};

/// What opens, carries and ends the sessions of a gateway.
pub(crate) struct Sessions {
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) journal: Journal,
    pub(crate) refusals: Arc<RefusalJournal>,
    pub(crate) registry: Arc<SessionRegistry>,
    /// Each session is a task of its own, which outlives its connection.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the process ends.
    pub(crate) stopping: CancellationToken,
    pub(crate) limits: Limits,
    pub(crate) forward_latency: ForwardLatency,
    pub(super) places: Arc<SessionLimits>,
    pub(super) fallback: Fallback,
}

impl Sessions {
    pub(crate) fn new(
        clusters: Arc<Clusters>,
        recorder: Arc<Recorder>,
        journal: Journal,
        refusals: Arc<RefusalJournal>,
        limits: Limits,
        forward_latency: ForwardLatency,
    ) -> Self {
        Self {
            clusters,
            recorder,
            journal,
            refusals,
            registry: Arc::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            places: SessionLimits::new(limits.sessions, limits.sessions_per_person),
            fallback: Fallback::default(),
            limits,
            forward_latency,
        }
    }
}

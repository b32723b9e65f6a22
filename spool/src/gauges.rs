use crate::{SpoolError, SpoolLimits, SpoolUsage, handle::Handle};

/// How full a spool is and whether it takes more: for metrics, and for sessions that wait for room. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SpoolGauges {
    handle: Handle,
}

impl SpoolGauges {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// How full it is.
    pub fn usage(&self) -> SpoolUsage {
        let (sessions, capacity) = (self.handle.shared.sessions().len(), &self.handle.shared.capacity);
        SpoolUsage { sessions, bytes: capacity.used(), free: capacity.free() }
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> SpoolLimits {
        self.handle.shared.capacity.limits
    }

    /// Whether a session could begin now.
    ///
    /// # Errors
    /// Why it could not.
    pub fn check(&self) -> Result<(), SpoolError> {
        self.handle.shared.may_begin()
    }

    /// Resolves when there may be room that was not there when this was called. Room that comes between the call and the
    /// first poll counts.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the caller looks again.
    pub fn freed(&self) -> impl Future<Output = ()> + '_ {
        self.handle.shared.capacity.freed.notified()
    }
}

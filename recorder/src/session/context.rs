use std::sync::Arc;

use spool::{Spool, SpoolGauges};

use crate::{
    Settings, session::active_recordings::ActiveRecordings, supervisor::Supervisor, upload::end_acks::EndAcks,
};

/// What all recordings of a recorder share.
pub(crate) struct Context {
    pub(crate) spool: Spool,
    /// The spool's, for sessions that wait for room.
    pub(crate) gauges: SpoolGauges,
    pub(crate) settings: Arc<Settings>,
    pub(crate) active: ActiveRecordings,
    pub(crate) ends: Arc<EndAcks>,
    pub(crate) tasks: Supervisor,
}

use recording::{RecordingId, cast::SessionKind};
use serde::{Deserialize, Serialize};

/// The session that a command or output is of, as far as it is filtered by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) session: RecordingId,
    pub(crate) kind: SessionKind,
    /// Microseconds since 1970.
    pub(crate) started: i64,
    pub(crate) user: String,
    pub(crate) cluster: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    /// Since version 5.
    #[serde(default)]
    pub(crate) image: String,
    pub(crate) tty: bool,
    /// A name of [`crate::OutcomeFilter`].
    pub(crate) outcome: String,
    pub(crate) exit_code: Option<i64>,
}

impl Origin {
    /// Microseconds since 1970 of a moment of the session.
    pub(crate) fn at(&self, offset: u64) -> i64 {
        i64::try_from(offset).map_or(self.started, |offset| self.started.saturating_add(offset))
    }
}

use std::str::FromStr;

use jiff::Timestamp;
use recording::{Outcome, cast::SessionKind};

use crate::Cursor;

/// Which sessions a list shows. Fields that are none, or empty, do not narrow it.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// The person's name.
    pub user: Option<String>,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The pod.
    pub pod: Option<String>,
    /// The container.
    pub container: Option<String>,
    /// Exec, attach or port-forward.
    pub kind: Option<SessionKind>,
    /// How it ended, or that it has not.
    pub outcome: Option<OutcomeFilter>,
    /// Started at or after.
    pub from: Option<Timestamp>,
    /// Started before.
    pub until: Option<Timestamp>,
    /// Rows of a page; 0 stands for 50, more than 10,000 for 10,000.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<Cursor>,
}

/// How a session ended, as lists are filtered by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeFilter {
    /// No end is known: live, or its gateway died.
    Live,
    /// See [`Outcome::Exited`].
    Exited,
    /// [`Outcome::Exited`] with another code than 0.
    Failed,
    /// See [`Outcome::Ended`].
    Ended,
    /// See [`Outcome::FailedToStart`].
    FailedToStart,
    /// See [`Outcome::EndedByGateway`].
    EndedByGateway,
    /// See [`Outcome::ClientGone`].
    ClientGone,
    /// See [`Outcome::UpstreamGone`].
    UpstreamGone,
    /// See [`Outcome::Interrupted`].
    Interrupted,
    /// See [`Outcome::Unknown`].
    Unknown,
}

impl OutcomeFilter {
    /// Every value, in the order in which a form shows them.
    pub const ALL: [Self; 10] = [
        Self::Live,
        Self::Exited,
        Self::Failed,
        Self::Ended,
        Self::FailedToStart,
        Self::EndedByGateway,
        Self::ClientGone,
        Self::UpstreamGone,
        Self::Interrupted,
        Self::Unknown,
    ];

    /// What filters and errors list.
    pub(crate) const EXPECTED: &'static str = "live, exited, failed, ended, failed_to_start, ended_by_gateway, \
                                               client_gone, upstream_gone, interrupted or unknown";

    /// The name in queries and URLs; that of [`Outcome`] in JSON, with `live` and `failed` added.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Exited => "exited",
            Self::Failed => "failed",
            Self::Ended => "ended",
            Self::FailedToStart => "failed_to_start",
            Self::EndedByGateway => "ended_by_gateway",
            Self::ClientGone => "client_gone",
            Self::UpstreamGone => "upstream_gone",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
        }
    }

    /// The filter that finds this outcome (never `Failed`); `Live` for none.
    pub fn of(outcome: Option<&Outcome>) -> Self {
        match outcome {
            None => Self::Live,
            Some(Outcome::Exited { .. }) => Self::Exited,
            Some(Outcome::Ended) => Self::Ended,
            Some(Outcome::FailedToStart { .. }) => Self::FailedToStart,
            Some(Outcome::EndedByGateway { .. }) => Self::EndedByGateway,
            Some(Outcome::ClientGone) => Self::ClientGone,
            Some(Outcome::UpstreamGone) => Self::UpstreamGone,
            Some(Outcome::Interrupted) => Self::Interrupted,
            Some(Outcome::Unknown) => Self::Unknown,
        }
    }
}

impl FromStr for OutcomeFilter {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|filter| filter.name() == name).ok_or(())
    }
}

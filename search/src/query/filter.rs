//! What hits and sessions are filtered by.

use std::str::FromStr;

use jiff::Timestamp;
use recording::{Outcome, cast::SessionKind};
use serde::{Deserialize, Serialize};

use super::cursor::SessionCursor;

/// The kind of a document, and so of a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// A recorded session: found by user, target, client address and outcome.
    Session,
    /// A command: the argv of an exec, a line that was typed, or the requests of one kubectl run.
    Command,
    /// Lines that a session showed.
    Output,
    /// An API request that belongs to no kubectl run, as its client names none.
    Request,
}

impl HitKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Session, Self::Command, Self::Output, Self::Request];

    /// The name in queries and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Command => "command",
            Self::Output => "output",
            Self::Request => "request",
        }
    }
}

impl FromStr for HitKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}

/// Which sessions a list shows. A field that is `None` or empty does not narrow it.
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
    /// How it ended, or [`OutcomeFilter::Live`].
    pub outcome: Option<OutcomeFilter>,
    /// Started at or after.
    pub from: Option<Timestamp>,
    /// Started before.
    pub until: Option<Timestamp>,
    /// Rows of a page: 0 means 50, more than 10,000 means 10,000.
    pub limit: usize,
    /// Where the previous page ended.
    pub after: Option<SessionCursor>,
}

/// The outcome that lists and searches filter by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeFilter {
    /// No end is known: the session is live, or its gateway died.
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

    /// The values, as errors list them.
    pub(crate) const EXPECTED: &'static str = "live, exited, failed, ended, failed_to_start, ended_by_gateway, \
                                               client_gone, upstream_gone, interrupted or unknown";

    /// The name in queries and URLs: [`Outcome`]'s in JSON, or `live` or `failed`.
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

    /// The filter that finds this outcome, never [`Self::Failed`]; [`Self::Live`] for `None`.
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

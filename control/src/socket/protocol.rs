use recording::{RecordingId, journal::SearchRequest};
use serde::{Deserialize, Serialize};

/// The socket's name in `state.dir`.
pub(super) const NAME: &str = "control.sock";

/// A request to the process that runs the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// End a session.
    EndSession {
        /// The session.
        session: RecordingId,
        /// Why; the person sees it.
        reason: String,
    },
    /// End all sessions of a person.
    EndSessionsOf {
        /// The person.
        user: String,
        /// Why; the person sees it.
        reason: String,
    },
    /// Journal that the caller searched, and is about to be shown passages of recordings.
    Searched(SearchRequest),
    /// Journal that the caller looks at a recording.
    Viewed {
        /// The recording.
        session: RecordingId,
        /// `play`, `live` or `export`.
        how: String,
    },
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// These sessions were told to end. Both lists are empty if no such session is live at this gateway.
    Ended {
        /// Sessions that are over, with their recordings.
        over: Vec<RecordingId>,
        /// Sessions that were told to end and are not over yet.
        ending: Vec<RecordingId>,
    },
    /// The journal has the entry.
    Noted,
    /// The request was not carried out.
    Refused {
        /// Why.
        message: String,
    },
}

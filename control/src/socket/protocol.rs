use recording::{
    KeyId, RecordingId,
    journal::{CredentialChange, JournalEvent, SearchRequest},
};
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
    /// Shut a person out: refuse their credentials, and end what they have under way.
    Lock {
        /// The person.
        person: String,
        /// Why; the person sees it.
        reason: String,
    },
    /// Let a person in again.
    Unlock {
        /// The person.
        person: String,
    },
    /// Journal what the caller does as an administrator.
    Administered(Administration),
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

/// What an administrator does beside the gateway's process, for the journal. A caller can journal nothing else by it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Administration {
    /// A credential is given to somebody, or taken back.
    Credential(CredentialChange),
    /// The signing key was replaced by this one, which is used from the next start on.
    KeyRotated(KeyId),
}

impl From<Administration> for JournalEvent {
    fn from(done: Administration) -> Self {
        match done {
            Administration::Credential(change) => Self::Credential(change),
            Administration::KeyRotated(key) => Self::KeyRotated { key },
        }
    }
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
    /// The person is shut out.
    Locked {
        /// Recorded sessions that were ended.
        sessions: u64,
        /// Answers that stay open and were ended.
        streams: u64,
    },
    /// The person is let in again.
    Unlocked,
    /// The journal has the entry.
    Noted,
    /// The request was not carried out.
    Refused {
        /// Why.
        message: String,
    },
}

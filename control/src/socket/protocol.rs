//! The control socket: how subcommands on this machine reach the process that runs the gateway.
//!
//! A Unix socket in `state.dir`, for its owner and root only. One request and one answer a connection, each one line
//! of JSON. Nothing that a session said crosses it.

mod caller;
mod client;
mod server;
mod socket;

pub use caller::this_account;
pub use client::{ask, ask_if_there};
pub use server::{Control, end_session};

use recording::RecordingId;
use serde::{Deserialize, Serialize};

/// The socket's name in `state.dir`.
pub const NAME: &str = "control.sock";

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// End a session.
    EndSession {
        /// Which.
        session: RecordingId,
        /// Why; the person sees it.
        reason: String,
    },
    /// End all sessions of a person.
    EndSessionsOf {
        /// Whose.
        user: String,
        /// Why; the person sees it.
        reason: String,
    },
    /// Journal that the caller looks at a recording.
    Viewed {
        /// Which.
        session: RecordingId,
        /// `play` or `export`.
        how: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// These sessions were ended; none where there were none.
    Ended {
        /// Over, with their recordings.
        over: Vec<RecordingId>,
        /// Told to end, and not over yet.
        ending: Vec<RecordingId>,
    },
    /// The journal has it.
    Noted,
    /// It cannot be done.
    Refused {
        /// Why.
        message: String,
    },
}

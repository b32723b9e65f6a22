use storage::Outcome;

use crate::shown::Shown;

/// How a session ended, for a page: a colour's class, a word, and the rest for who asks.
pub(crate) struct Badge {
    pub(crate) class: &'static str,
    pub(crate) label: String,
    pub(crate) more: Shown,
}

impl Badge {
    /// Of an outcome; none is live as far as is known.
    pub(crate) fn new(outcome: Option<&Outcome>) -> Self {
        let (class, label, more) = match outcome {
            None => ("live", "live", "No end has been recorded yet."),
            Some(Outcome::Exited { exit_code }) => return Self::exited(*exit_code),
            Some(Outcome::Ended) => ("ok", "ended", "The stream ended in good order."),
            Some(Outcome::FailedToStart { message }) => ("bad", "did not start", message.as_str()),
            Some(Outcome::EndedByGateway { reason }) => ("warn", "ended by gateway", reason.as_str()),
            Some(Outcome::ClientGone) => ("warn", "client left", "The client's connection went away first."),
            Some(Outcome::UpstreamGone) => ("warn", "upstream lost", "The cluster's connection went away first."),
            Some(Outcome::Interrupted) => ("warn", "interrupted", "The gateway stopped before the session did."),
            Some(Outcome::Unknown) => ("warn", "end unknown", "The streams ended without an exit status."),
        };
        Self { class, label: label.to_owned(), more: Shown::clipped(more, 400) }
    }

    fn exited(code: u8) -> Self {
        let class = if code == 0 { "ok" } else { "bad" };
        Self { class, label: format!("exit {code}"), more: Shown::new("The process ended with this exit code.") }
    }
}

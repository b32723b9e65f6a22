use recording::Outcome;

use crate::pages::visible_text::VisibleText;

/// How a session ended, for a page: a colour's class, a word, and the rest for who asks.
pub(crate) struct OutcomeBadge {
    pub(crate) class: &'static str,
    pub(crate) label: String,
    pub(crate) more: VisibleText,
}

impl OutcomeBadge {
    /// Of a session without an end: live as far as is known, unless its gateway was started anew since.
    pub(crate) fn open(outlived: bool) -> Self {
        let (class, label, more) = if outlived {
            (
                "warn",
                "no end recorded",
                "The gateway was started anew since: it stopped before the session's end was stored.",
            )
        } else {
            ("live", "live", "No end has been recorded yet.")
        };
        Self { class, label: label.to_owned(), more: VisibleText::new(more) }
    }

    /// Of how a session ended.
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let (class, label, more) = match outcome {
            Outcome::Exited { exit_code } => return Self::exited(*exit_code),
            Outcome::Ended => ("ok", "ended", "The stream ended in good order."),
            Outcome::FailedToStart { message } => ("bad", "did not start", message.as_str()),
            Outcome::EndedByGateway { reason, .. } => ("warn", "ended by gateway", reason.as_str()),
            Outcome::ClientGone => ("warn", "client left", "The client's connection went away first."),
            Outcome::UpstreamGone => ("warn", "upstream lost", "The cluster's connection went away first."),
            Outcome::Interrupted => ("warn", "interrupted", "The gateway stopped before the session did."),
            Outcome::Unknown => ("warn", "end unknown", "The streams ended without an exit status."),
        };
        Self { class, label: label.to_owned(), more: VisibleText::clipped(more, 400) }
    }

    fn exited(code: i64) -> Self {
        let class = if code == 0 { "ok" } else { "bad" };
        Self { class, label: format!("exit {code}"), more: VisibleText::new("The process ended with this exit code.") }
    }
}

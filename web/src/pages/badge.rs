use recording::Outcome;

use super::visible_text::VisibleText;

/// How a session ended, for a page: a colour's class, a word, and an explanation.
pub(crate) struct OutcomeBadge {
    pub(crate) class: &'static str,
    pub(crate) label: String,
    pub(crate) explanation: VisibleText,
}

impl OutcomeBadge {
    /// `outcome` is `None` if no end is stored: the session is live as far as is known, unless its gateway was restarted
    /// since (`outlived`).
    pub(crate) fn new(outcome: Option<&Outcome>, outlived: bool) -> Self {
        match outcome {
            Some(outcome) => Self::ended(outcome),
            None if outlived => {
                let explanation = "The gateway was restarted since: it stopped before the session's end was stored.";
                Self::plain("warn", "no end recorded", explanation)
            }
            None => Self::plain("live", "live", "No end has been recorded yet."),
        }
    }

    pub(crate) fn ended(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Exited { exit_code } => Self::exited(*exit_code),
            Outcome::Ended => Self::plain("ok", "ended", "The stream ended in good order."),
            Outcome::FailedToStart { message } => Self::plain("bad", "did not start", message),
            Outcome::EndedByGateway { reason, .. } => Self::plain("warn", "ended by gateway", reason),
            Outcome::ClientGone => Self::plain("warn", "client left", "The client's connection went away first."),
            Outcome::UpstreamGone => Self::plain("warn", "upstream lost", "The cluster's connection went away first."),
            Outcome::Interrupted => Self::plain("warn", "interrupted", "The gateway stopped before the session did."),
            Outcome::Unknown => Self::plain("warn", "end unknown", "The streams ended without an exit status."),
        }
    }

    fn exited(code: i64) -> Self {
        let class = if code == 0 { "ok" } else { "bad" };
        Self::plain(class, &format!("exit {code}"), "The process ended with this exit code.")
    }

    fn plain(class: &'static str, label: &str, explanation: &str) -> Self {
        Self { class, label: label.to_owned(), explanation: VisibleText::clipped(explanation, 400) }
    }
}

use recording::{Outcome, cast::SessionKind};
use wire::{Side, Status};

/// How a session ended, as the gateway saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both connections are over; this side's was the first.
    Closed(Side),
    /// The gateway ended it.
    ByGateway {
        /// Why: what the person saw.
        reason: String,
        /// Who asked for it; empty if the gateway did it by itself.
        by: String,
    },
    /// The gateway is stopping.
    Interrupted,
}

/// What the bytes said about the end.
pub(crate) struct Evidence<'a> {
    pub(crate) kind: SessionKind,
    pub(crate) status: Option<&'a Status>,
    /// Whether the client's connection was over when the Status came: what the server calls a failure then is only that.
    pub(crate) late: bool,
    /// Whether any byte of stdout or stderr was seen.
    pub(crate) output: bool,
    /// The side that first announced that it closes, by WebSocket CLOSE or SPDY GOAWAY. The other side's answer may reach its socket
    /// before the end of the first does.
    pub(crate) closing: Option<Side>,
}

impl Evidence<'_> {
    /// The outcome, and an annotation if the outcome does not say all.
    ///
    /// | | exit code | Success | other Status | no Status |
    /// |---|---|---|---|---|
    /// | exec | exited | exited 0 | failed to start, or unknown after output | who went first |
    /// | attach | exited | ended | as for exec | who went first; ended if the server announced it |
    /// | port-forward | ended | ended | ended | ended if the client went first or one of them announced it |
    ///
    /// A Status outweighs a gateway that is stopping: the process had ended before.
    pub(crate) fn outcome(&self, how: Ending) -> (Outcome, Option<String>) {
        match (how, self.status) {
            (Ending::ByGateway { reason, by }, _) => (Outcome::EndedByGateway { reason, by }, None),
            (Ending::Interrupted, None) => (Outcome::Interrupted, None),
            (Ending::Interrupted | Ending::Closed(_), Some(status)) => self.by_status(status),
            (Ending::Closed(first), None) => (self.by_side(first), None),
        }
    }

    fn by_status(&self, status: &Status) -> (Outcome, Option<String>) {
        match (status, self.kind) {
            (Status::ExitCode(exit_code), _) => (Outcome::Exited { exit_code: *exit_code }, None),
            (Status::Success, SessionKind::Exec) => (Outcome::Exited { exit_code: 0 }, None),
            (Status::Success, SessionKind::Attach | SessionKind::PortForward) => (Outcome::Ended, None),
            (Status::Failure { message, .. }, _) if self.late => {
                (Outcome::ClientGone, Some(format!("the server's last word was: {message}")))
            }
            (Status::Failure { message, .. }, _) if self.output => {
                (Outcome::Unknown, Some(format!("the server's last word was: {message}")))
            }
            (Status::Failure { message, .. }, _) => (Outcome::FailedToStart { message: message.clone() }, None),
        }
    }

    fn by_side(&self, first: Side) -> Outcome {
        let said = self.closing.is_some();
        match (self.kind, self.closing.unwrap_or(first)) {
            (SessionKind::PortForward, Side::Client) => Outcome::Ended,
            (SessionKind::PortForward | SessionKind::Attach, Side::Server) if said => Outcome::Ended,
            (SessionKind::Exec, Side::Server) if said => Outcome::Unknown,
            (_, Side::Server) => Outcome::UpstreamGone,
            (SessionKind::Exec | SessionKind::Attach, Side::Client) => Outcome::ClientGone,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(status: Option<&Status>) -> Evidence<'_> {
        Evidence { kind: SessionKind::Exec, status, late: false, output: false, closing: None }
    }

    #[test]
    fn an_end_without_a_status_is_never_exit_0() {
        assert_eq!(exec(None).outcome(Ending::Closed(Side::Server)).0, Outcome::UpstreamGone);
        assert_eq!(exec(None).outcome(Ending::Closed(Side::Client)).0, Outcome::ClientGone);
        let closing = |side| Evidence { closing: Some(side), ..exec(None) };
        assert_eq!(closing(Side::Server).outcome(Ending::Closed(Side::Client)).0, Outcome::Unknown);
        assert_eq!(closing(Side::Client).outcome(Ending::Closed(Side::Server)).0, Outcome::ClientGone);
        assert_eq!(exec(None).outcome(Ending::Interrupted).0, Outcome::Interrupted);
    }

    #[test]
    fn an_upgrade_that_ended_in_a_failure_failed_to_start() {
        let failure = Status::Failure { message: "no such file".to_owned(), code: Some(500) };
        let (outcome, annotation) = exec(Some(&failure)).outcome(Ending::Closed(Side::Server));
        assert_eq!(outcome, Outcome::FailedToStart { message: "no such file".to_owned() });
        assert_eq!(annotation, None);
        let after_output = Evidence { output: true, ..exec(Some(&failure)) };
        let (outcome, annotation) = after_output.outcome(Ending::Closed(Side::Server));
        assert_eq!(outcome, Outcome::Unknown);
        assert_eq!(annotation.as_deref(), Some("the server's last word was: no such file"));
    }

    #[test]
    fn a_failure_that_comes_when_the_client_is_gone_is_that_it_is_gone() {
        let failure = Status::Failure { message: "websocket: close 1006".to_owned(), code: Some(500) };
        let exit = Status::ExitCode(7);
        for output in [false, true] {
            let late = |status| Evidence { late: true, output, ..exec(Some(status)) };
            assert_eq!(late(&failure).outcome(Ending::Closed(Side::Client)).0, Outcome::ClientGone);
            assert_eq!(late(&exit).outcome(Ending::Closed(Side::Client)).0, Outcome::Exited { exit_code: 7 });
        }
    }

    #[test]
    fn attach_succeeds_without_saying_anything_about_the_process() {
        let attach = Evidence { kind: SessionKind::Attach, ..exec(Some(&Status::Success)) };
        assert_eq!(attach.outcome(Ending::Closed(Side::Server)).0, Outcome::Ended);
        assert_eq!(exec(Some(&Status::Success)).outcome(Ending::Interrupted).0, Outcome::Exited { exit_code: 0 });
    }
}

//! The error stream: a JSON `metav1.Status` (v4, v5) or text (v1 to v3), kept until it is complete.

use serde::Deserialize;

use crate::Status;

/// Most bytes that are kept of an error stream. Real ones have some hundred; of a longer one the beginning is reported
/// as the text of a failure.
const MAX_KEPT_BYTES: usize = 64 << 10;

pub(crate) struct ErrorStream {
    json: bool,
    text: Vec<u8>,
    reported: bool,
}

impl ErrorStream {
    pub(crate) fn new(json: bool) -> Self {
        ErrorStream { json, text: Vec::new(), reported: false }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = MAX_KEPT_BYTES - self.text.len();
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The stream's own end: FIN or RST_STREAM. Text is reported at the connection's end, because v1 servers reset the
    /// stream *before* they write the error to it.
    pub(crate) fn stream_over(&mut self) -> Option<Status> {
        if self.json { self.report(false) } else { None }
    }

    /// No byte can follow. `clean`: the peer closed properly, so that empty text means success.
    pub(crate) fn connection_over(&mut self, clean: bool) -> Option<Status> {
        self.report(clean)
    }

    fn report(&mut self, clean: bool) -> Option<Status> {
        let absent = self.text.is_empty() && (self.json || !clean);
        if self.reported || absent {
            return None;
        }
        self.reported = true;
        Some(if self.json { parse(&self.text) } else { text(&self.text) })
    }
}

fn text(text: &[u8]) -> Status {
    if text.is_empty() {
        return Status::Success;
    }
    Status::Failure { message: String::from_utf8_lossy(text).into_owned(), code: None }
}

/// The fields of `metav1.Status` that report how the session ended.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct StatusJson {
    status: String,
    message: String,
    reason: String,
    details: Option<Details>,
    code: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    causes: Option<Vec<Cause>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cause {
    reason: String,
    message: String,
}

fn parse(json: &[u8]) -> Status {
    let Ok(status) = serde_json::from_slice::<StatusJson>(json) else { return text(json) };
    if status.status == "Success" {
        return Status::Success;
    }
    match exit_code(&status) {
        Some(code) => Status::ExitCode(code),
        None => {
            Status::Failure { code: status.code.and_then(|code| u16::try_from(code).ok()), message: status.message }
        }
    }
}

/// The exit code of client-go's `CodeExitError`: the cause `ExitCode` of a Status whose reason is `NonZeroExitCode`
/// (`k8s.io/apimachinery/pkg/util/remotecommand/constants.go`).
fn exit_code(status: &StatusJson) -> Option<i64> {
    if status.reason != "NonZeroExitCode" {
        return None;
    }
    let causes = status.details.as_ref()?.causes.as_ref()?;
    causes.iter().find(|cause| cause.reason == "ExitCode")?.message.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::ErrorStream;
    use crate::Status;

    fn json(parts: &[&str]) -> Option<Status> {
        let mut stream = ErrorStream::new(true);
        parts.iter().for_each(|part| stream.push(part.as_bytes()));
        stream.stream_over()
    }

    #[test]
    fn json_says_success_exit_code_or_failure() {
        assert_eq!(json(&[r#"{"metadata":{},"status":"Success"}"#]), Some(Status::Success));
        let exit = r#"{"metadata":{},"status":"Failure","message":"command terminated","reason":"NonZeroExitCode",
            "details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#;
        assert_eq!(json(&[exit]), Some(Status::ExitCode(42)));
        let error = r#"{"metadata":{},"status":"Failure","message":"no such pod","reason":"InternalError",
            "details":{"causes":[{"message":"x"}]},"code":500}"#;
        assert_eq!(json(&[error]), Some(Status::Failure { message: "no such pod".into(), code: Some(500) }));
    }

    #[test]
    fn json_may_come_in_parts_and_is_reported_once() {
        let mut stream = ErrorStream::new(true);
        stream.push(br#"{"status":"#);
        stream.push(br#""Success"}"#);
        assert_eq!(stream.stream_over(), Some(Status::Success));
        assert_eq!(stream.connection_over(true), None);
    }

    #[test]
    fn an_absent_status_is_no_success() {
        assert_eq!(json(&[]), None);
        assert_eq!(ErrorStream::new(true).connection_over(true), None);
        assert_eq!(ErrorStream::new(false).connection_over(false), None);
    }

    #[test]
    fn text_is_never_read_as_json_and_waits_for_the_end() {
        let mut stream = ErrorStream::new(false);
        assert_eq!(stream.stream_over(), None);
        stream.push(br#"{"status":"Success"}"#);
        let message = r#"{"status":"Success"}"#.to_owned();
        assert_eq!(stream.connection_over(true), Some(Status::Failure { message, code: None }));
        assert_eq!(ErrorStream::new(false).connection_over(true), Some(Status::Success));
    }

    #[test]
    fn broken_and_endless_json_is_a_failure_with_its_beginning() {
        assert_eq!(json(&["{oops"]), Some(Status::Failure { message: "{oops".into(), code: None }));
        let mut stream = ErrorStream::new(true);
        (0..100).for_each(|_| stream.push(&[b'x'; 4096]));
        let Some(Status::Failure { message, .. }) = stream.stream_over() else { panic!("no failure") };
        assert_eq!(message.len(), 64 << 10);
    }
}

//! What an audit log has, of all its lines: every access once, though the log has an event for each of its stages.

use std::collections::{HashMap, hash_map::Entry};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    event::{self, Answer, SeenAccess},
    lines::{AuditLine, LONGEST},
};

/// Most accesses that are compared at once: some 300 MiB.
pub const MOST_ACCESSES: usize = 500_000;
/// Lines that could not be read and are named; more are counted.
const NAMED: usize = 20;

/// A line that could not be read.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct BrokenLine {
    /// The file.
    pub file: String,
    /// Its number in the file, from 1.
    pub line: u64,
    /// Why. Nothing of the line is in it.
    pub why: String,
}

/// What makes a request one request. The id alone does not: callers choose it, so one could be given that is taken.
#[derive(PartialEq, Eq, Hash)]
struct RequestKey {
    audit_id: String,
    received: Timestamp,
    sent_by: String,
    url: String,
}

/// An audit log, as far as it was read.
#[derive(Default)]
pub struct AuditLog {
    /// Lines of all files.
    pub lines: u64,
    /// Events of any kind.
    pub events: u64,
    /// The first lines that could not be read.
    pub broken: Vec<BrokenLine>,
    /// How many there were.
    pub broken_lines: u64,
    /// When the first of its requests was received, and the last; `None` without any.
    pub span: Option<(Timestamp, Timestamp)>,
    accesses: HashMap<RequestKey, SeenAccess>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// There are more accesses than [`MOST_ACCESSES`].
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl AuditLog {
    /// Takes events that were received at or after `since` and before `until`.
    pub fn new(since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        Self { since, until, ..Self::default() }
    }

    /// Takes line `number` of `file`. A line that cannot be read is noted; an empty one is none.
    ///
    /// # Errors
    /// [`TooMany`]
    pub fn take(&mut self, file: &str, number: u64, line: &AuditLine<'_>) -> Result<(), TooMany> {
        let read = match line {
            AuditLine::Whole(bytes) if bytes.trim_ascii().is_empty() => return Ok(()),
            AuditLine::Whole(bytes) => event::read(bytes),
            AuditLine::TooLong => Err(format!("it has more than {} MiB", LONGEST >> 20)),
        };
        self.lines += 1;
        match read {
            Ok(read) => {
                let wanted: Vec<Timestamp> = read.received.into_iter().filter(|at| self.is_wanted(*at)).collect();
                for received in wanted {
                    self.events += 1;
                    let (first, last) = self.span.unwrap_or((received, received));
                    self.span = Some((first.min(received), last.max(received)));
                }
                read.accesses.into_iter().try_for_each(|access| self.add(access))
            }
            Err(why) => {
                self.broken_lines += 1;
                if self.broken.len() < NAMED {
                    self.broken.push(BrokenLine { file: file.to_owned(), line: number, why });
                }
                Ok(())
            }
        }
    }

    /// All accesses, oldest first.
    pub fn into_accesses(self) -> Vec<SeenAccess> {
        let mut all: Vec<SeenAccess> = self.accesses.into_values().collect();
        all.sort_by(|a, b| (a.received, &a.audit_id, &a.sent_by).cmp(&(b.received, &b.audit_id, &b.sent_by)));
        all
    }

    fn is_wanted(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn add(&mut self, access: SeenAccess) -> Result<(), TooMany> {
        if !self.is_wanted(access.received) {
            return Ok(());
        }
        let key = RequestKey {
            audit_id: access.audit_id.clone(),
            received: access.received,
            sent_by: access.sent_by.clone(),
            url: access.url.clone(),
        };
        let full = self.accesses.len() >= MOST_ACCESSES;
        match self.accesses.entry(key) {
            Entry::Vacant(_) if full => return Err(TooMany),
            Entry::Vacant(place) => {
                place.insert(access);
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.answer = joined(known.answer, access.answer);
                // The first stage is written before the API server has looked at the impersonation.
                if known.gateways.is_empty() && known.person == known.sent_by {
                    (known.person, known.gateways) = (access.person, access.gateways);
                }
            }
        }
        Ok(())
    }
}

/// The answer of two stages: what was given once was given.
fn joined(one: Answer, other: Answer) -> Answer {
    match (one, other) {
        (Answer::Given, _) | (_, Answer::Given) => Answer::Given,
        (Answer::None, answer) | (answer, _) => answer,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(stage: &str, code: u16, received: &str, audit_id: &str, sent_by: &str) -> Value {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": audit_id, "stage": stage, "verb": "get",
            "requestURI": "/api/v1/namespaces/default/pods/shell/exec?command=id", "user": {"username": sent_by},
            "objectRef": {"resource": "pods", "namespace": "default", "name": "shell", "subresource": "exec"},
            "responseStatus": {"code": code}, "requestReceivedTimestamp": received,
        })
    }

    fn log(lines: &[Value]) -> AuditLog {
        let mut log = AuditLog::new(None, None);
        for (number, line) in (1..).zip(lines) {
            log.take("audit.jsonl", number, &AuditLine::Whole(line.to_string().as_bytes())).unwrap();
        }
        log
    }

    const NOON: &str = "2026-11-22T12:00:00Z";

    #[test]
    fn the_stages_of_a_request_are_one_access() {
        let log = log(&[
            event("RequestReceived", 0, NOON, "a", "root"),
            event("ResponseStarted", 101, NOON, "a", "root"),
            event("ResponseComplete", 500, NOON, "a", "root"),
        ]);
        assert_eq!((log.lines, log.events), (3, 3));
        let accesses = log.into_accesses();
        assert_eq!((accesses.len(), accesses[0].answer), (1, Answer::Given));
    }

    #[test]
    fn a_stage_before_impersonation_does_not_hide_it() {
        let received = event("RequestReceived", 0, NOON, "a", "gateway");
        let mut started = event("ResponseStarted", 101, NOON, "a", "gateway");
        started["impersonatedUser"] = json!({"username": "ada", "extra": {"kubetape.dev/gateway": ["west"]}});
        for lines in [[received.clone(), started.clone()], [started, received]] {
            let [access] = <[_; 1]>::try_from(log(&lines).into_accesses()).unwrap();
            assert_eq!((access.person.as_str(), access.gateways), ("ada", vec!["west".to_owned()]));
        }
    }

    #[test]
    fn an_id_that_two_requests_bear_hides_neither() {
        let log = log(&[
            event("ResponseComplete", 101, NOON, "a", "gateway"),
            event("ResponseComplete", 101, "2026-11-22T13:00:00Z", "a", "gateway"),
            event("ResponseComplete", 101, NOON, "a", "root"),
        ]);
        assert_eq!(log.into_accesses().len(), 3);
    }

    #[test]
    fn a_refusal_stays_one_and_no_answer_is_none() {
        let refused =
            log(&[event("RequestReceived", 0, NOON, "a", "root"), event("ResponseComplete", 403, NOON, "a", "root")]);
        assert_eq!(refused.into_accesses()[0].answer, Answer::Refused(403));
        assert_eq!(log(&[event("RequestReceived", 0, NOON, "a", "root")]).into_accesses()[0].answer, Answer::None);
    }

    #[test]
    fn lines_that_cannot_be_read_are_counted_and_the_first_are_named() {
        let mut log = AuditLog::new(None, None);
        for number in 1..=30 {
            log.take("audit.jsonl", number, &AuditLine::Whole(b"{")).unwrap();
        }
        log.take("audit.jsonl", 31, &AuditLine::TooLong).unwrap();
        log.take("audit.jsonl", 32, &AuditLine::Whole(b" \r")).unwrap();
        assert_eq!((log.lines, log.broken_lines, log.broken.len(), log.broken[0].line), (31, 31, 20, 1));
    }

    #[test]
    fn what_is_outside_of_the_time_asked_for_is_left_out() {
        let at = |text: &str| Some(text.parse().unwrap());
        let mut log = AuditLog::new(at("2026-11-22T12:00:00Z"), at("2026-11-22T13:00:00Z"));
        for (number, hour) in (1..).zip(["11:59:59", "12:00:00", "12:59:59", "13:00:00"]) {
            let line = event("ResponseComplete", 101, &format!("2026-11-22T{hour}Z"), "a", "root").to_string();
            log.take("audit.jsonl", number, &AuditLine::Whole(line.as_bytes())).unwrap();
        }
        assert_eq!((log.lines, log.events, log.into_accesses().len()), (4, 2, 2));
    }
}

//! What the cluster saw, beside what was recorded. Pure: the caller reads both.
//!
//! An access belongs to a recording if it bears the recording's id. The id alone proves nothing, since everybody can send any
//! `Audit-ID`: gateway, person, pod, way and time have to be the recording's too, and a recording has one session.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use jiff::Timestamp;
use recording::{RecordingId, cast::SessionKind};
use serde::Serialize;

use super::event::{Answer, SeenAccess, Way};

/// A session that was recorded, or of which a journal knows that it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The gateway that recorded it.
    pub gateway: String,
    /// Exec, attach or port-forward.
    pub kind: SessionKind,
    /// Name of the cluster.
    pub cluster: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The Kubernetes user that was impersonated; `None` if only the journal knows of the session.
    pub as_user: Option<String>,
    /// When it was opened.
    pub started: Timestamp,
    /// Whether it is known that the API server did not let it begin.
    pub failed_to_start: bool,
}

/// A write to a pod's ephemeral containers that went through a gateway: the journal has it, and no recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedDebug {
    /// The gateway.
    pub gateway: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// When it was answered.
    pub at: Timestamp,
}

/// What is known of one cluster.
#[derive(Debug, Default)]
pub struct Known {
    /// The cluster's name.
    pub cluster: String,
    /// Recordings of any cluster, by id.
    pub recordings: HashMap<RecordingId, Recorded>,
    /// Writes to ephemeral containers of this cluster.
    pub debugs: Vec<ForwardedDebug>,
    /// Who the gateways are for the API server; empty if that was not said.
    pub gateway_users: Vec<String>,
    /// How far clocks may differ.
    pub skew: Duration,
}

/// An access that has no recording.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub why: String,
    /// The access.
    #[serde(flatten)]
    pub access: SeenAccess,
}

/// The outcome.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Accesses that belong to a recording, or that a journal has.
    pub matched: u64,
    /// Accesses that the API server refused.
    pub refused: u64,
    /// Accesses of which the log ended before their answer.
    pub unanswered: u64,
    /// Accesses without a recording.
    pub findings: Vec<Finding>,
    /// Recordings of the log's time that the log has nothing of.
    pub not_in_log: Vec<RecordingId>,
    /// Who sent what bears a gateway's name, and how often.
    pub senders: BTreeMap<String, u64>,
}

/// Compares. `accesses` are in order of time; `span` is the log's.
pub fn compare(known: &Known, accesses: Vec<SeenAccess>, span: Option<(Timestamp, Timestamp)>) -> Comparison {
    let mut found = Comparison::default();
    let (mut used, mut seen) = (HashSet::new(), HashSet::new());
    let mut debugs: Vec<Option<&ForwardedDebug>> = known.debugs.iter().map(Some).collect();
    for access in accesses {
        let id: Option<RecordingId> = access.audit_id.parse().ok();
        seen.extend(id);
        if !access.gateways.is_empty() {
            *found.senders.entry(access.sent_by.clone()).or_default() += 1;
        }
        if matches!(access.answer, Answer::Refused(_)) {
            found.refused += 1;
            continue;
        }
        if access.answer == Answer::None && span.is_some_and(|(_, last)| known.is_near(last, access.received)) {
            found.unanswered += 1;
            continue;
        }
        let judged = known.sent_by_a_gateway(&access).and_then(|()| match access.way {
            Way::Exec | Way::Attach | Way::PortForward => known.recorded(&access, id, &mut used),
            Way::EphemeralContainer => known.journalled(&access, &mut debugs),
            Way::Kubelet => Err("a command to a kubelet is never recorded".to_owned()),
        });
        match judged {
            Ok(()) => found.matched += 1,
            Err(why) => found.findings.push(Finding { why, access }),
        }
    }
    found.not_in_log = span.map(|span| known.not_in_log(span, &seen)).unwrap_or_default();
    found
}

impl Known {
    fn sent_by_a_gateway(&self, access: &SeenAccess) -> Result<(), String> {
        if access.gateways.is_empty() {
            return Err("it did not come through a gateway".to_owned());
        }
        if !self.gateway_users.is_empty() && !self.gateway_users.contains(&access.sent_by) {
            return Err(format!("{} set a gateway's name by hand", access.sent_by));
        }
        Ok(())
    }

    fn recorded(
        &self,
        access: &SeenAccess,
        id: Option<RecordingId>,
        used: &mut HashSet<RecordingId>,
    ) -> Result<(), String> {
        let known = id.and_then(|id| Some((id, self.recordings.get(&id)?)));
        let Some((id, recorded)) = known else {
            return Err("it bears a gateway's name, and there is no recording of its id".to_owned());
        };
        if let Some(other) = self.difference(access, recorded) {
            return Err(format!("it bears the id of recording {id}, which has another {other}"));
        }
        if access.answer == Answer::Given && !used.insert(id) {
            return Err(format!("it bears the id of recording {id}, as another session does already"));
        }
        Ok(())
    }

    /// What an access and the recording whose id it bears do not share.
    fn difference(&self, access: &SeenAccess, recorded: &Recorded) -> Option<&'static str> {
        let way = match recorded.kind {
            SessionKind::Exec => Way::Exec,
            SessionKind::Attach => Way::Attach,
            SessionKind::PortForward => Way::PortForward,
        };
        let checks = [
            ("cluster", recorded.cluster == self.cluster),
            ("gateway", access.gateways == [recorded.gateway.as_str()]),
            ("kind", access.way == way),
            ("pod", (&recorded.namespace, &recorded.pod) == (&access.namespace, &access.name)),
            ("person", recorded.as_user.as_ref().is_none_or(|user| *user == access.person)),
            ("time", self.is_near(recorded.started, access.received)),
        ];
        checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }

    fn journalled(&self, access: &SeenAccess, debugs: &mut [Option<&ForwardedDebug>]) -> Result<(), String> {
        let fits = |debug: &ForwardedDebug| {
            access.gateways == [debug.gateway.as_str()]
                && (&debug.namespace, &debug.pod) == (&access.namespace, &access.name)
                && self.is_near(debug.at, access.received)
        };
        let entry = debugs.iter_mut().find(|debug| debug.is_some_and(fits));
        entry
            .and_then(Option::take)
            .map(|_| ())
            .ok_or_else(|| "it bears a gateway's name, and no journal has it".to_owned())
    }

    fn is_near(&self, one: Timestamp, other: Timestamp) -> bool {
        one.duration_since(other).unsigned_abs() <= self.skew
    }

    /// Recordings of this cluster that began well within the log's time, reached the API server as far as is known, and are not
    /// in the log. Sorted by their start.
    fn not_in_log(&self, (first, last): (Timestamp, Timestamp), seen: &HashSet<RecordingId>) -> Vec<RecordingId> {
        let within = |at: Timestamp| {
            first.checked_add(self.skew).is_ok_and(|first| at > first)
                && last.checked_sub(self.skew).is_ok_and(|last| at < last)
        };
        let missing = self.recordings.iter().filter(|(id, recorded)| {
            recorded.cluster == self.cluster
                && !recorded.failed_to_start
                && within(recorded.started)
                && !seen.contains(id)
        });
        let mut missing: Vec<RecordingId> = missing.map(|(id, _)| *id).collect();
        missing.sort_unstable();
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01988f3e-0000-7000-8000-00000000002a";

    fn at(minute: u32) -> Timestamp {
        format!("2026-11-22T12:{minute:02}:00Z").parse().unwrap()
    }

    fn recorded() -> Recorded {
        Recorded {
            gateway: "west".to_owned(),
            kind: SessionKind::Exec,
            cluster: "prod".to_owned(),
            namespace: "default".to_owned(),
            pod: "shell".to_owned(),
            as_user: Some("ada".to_owned()),
            started: at(30),
            failed_to_start: false,
        }
    }

    fn known(recorded: Recorded) -> Known {
        Known {
            cluster: "prod".to_owned(),
            recordings: HashMap::from([(ID.parse().unwrap(), recorded)]),
            skew: Duration::from_secs(120),
            ..Known::default()
        }
    }

    /// What the log has of [`recorded`].
    fn access() -> SeenAccess {
        SeenAccess {
            way: Way::Exec,
            audit_id: ID.to_owned(),
            person: "ada".to_owned(),
            sent_by: "system:serviceaccount:kubetape:kubetape-gateway".to_owned(),
            gateways: vec!["west".to_owned()],
            namespace: "default".to_owned(),
            name: "shell".to_owned(),
            received: at(30),
            source_ips: Vec::new(),
            user_agent: String::new(),
            answer: Answer::Given,
            url: String::new(),
        }
    }

    const DAY: Option<(&str, &str)> = Some(("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"));

    fn compared(known: &Known, accesses: &[SeenAccess]) -> Comparison {
        let span = DAY.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()));
        compare(known, accesses.to_vec(), span)
    }

    fn why(known: &Known, access: &SeenAccess) -> String {
        let mut found = compared(known, std::slice::from_ref(access)).findings;
        assert_eq!(found.len(), 1, "{access:?}");
        found.remove(0).why
    }

    #[test]
    fn what_was_recorded_is_no_finding() {
        let found = compared(&known(recorded()), &[access()]);
        let senders = BTreeMap::from([(access().sent_by, 1)]);
        assert_eq!(found, Comparison { matched: 1, senders, ..Comparison::default() });
    }

    #[test]
    fn what_did_not_come_through_a_gateway_is_one_whatever_id_it_bears() {
        let direct = SeenAccess { gateways: Vec::new(), ..access() };
        assert!(why(&known(recorded()), &direct).contains("did not come through a gateway"));
        let unanswered = SeenAccess { answer: Answer::None, ..direct };
        assert!(why(&known(recorded()), &unanswered).contains("did not come through a gateway"));
    }

    #[test]
    fn an_id_that_was_copied_from_a_recording_is_found() {
        let known = known(recorded());
        for (other, access) in [
            ("gateway", SeenAccess { gateways: vec!["east".to_owned()], ..access() }),
            ("gateway", SeenAccess { gateways: vec!["west".to_owned(), "x".to_owned()], ..access() }),
            ("kind", SeenAccess { way: Way::Attach, ..access() }),
            ("pod", SeenAccess { name: "other".to_owned(), ..access() }),
            ("pod", SeenAccess { namespace: "other".to_owned(), ..access() }),
            ("person", SeenAccess { person: "root".to_owned(), ..access() }),
            ("time", SeenAccess { received: at(33), ..access() }),
            ("time", SeenAccess { received: at(27), ..access() }),
        ] {
            let why = why(&known, &access);
            assert!(why.contains(ID) && why.ends_with(&format!("another {other}")), "{other}: {why}");
        }
        let elsewhere = super::Known { cluster: "test".to_owned(), ..self::known(recorded()) };
        assert!(why(&elsewhere, &access()).ends_with("another cluster"));
        let found = compared(&known, &[access(), access()]);
        assert_eq!((found.matched, found.findings.len()), (1, 1));
        assert!(found.findings[0].why.contains("another session does already"));
    }

    #[test]
    fn a_request_without_an_answer_is_a_finding_unless_the_log_ends_there() {
        let received = SeenAccess { answer: Answer::None, gateways: Vec::new(), ..access() };
        assert!(why(&known(recorded()), &received).contains("did not come through a gateway"));
        let found = compare(&known(recorded()), vec![received], Some((at(0), at(31))));
        assert_eq!((found.unanswered, found.findings.len()), (1, 0));
    }

    #[test]
    fn the_second_attempt_of_a_command_is_no_second_session() {
        let refused = SeenAccess { answer: Answer::Refused(400), ..access() };
        let found = compared(&known(recorded()), &[refused, access()]);
        assert_eq!((found.matched, found.refused, found.findings.len()), (1, 1, 0));
    }

    #[test]
    fn a_gateways_name_without_a_recording_is_found() {
        for audit_id in ["01988f3e-0000-7000-8000-00000000002b", "f3e0", "", &ID.to_uppercase()] {
            let access = SeenAccess { audit_id: audit_id.to_owned(), ..access() };
            assert!(why(&known(recorded()), &access).contains("no recording of its id"), "{audit_id}");
        }
        let told = Known { gateway_users: vec![access().sent_by], ..known(recorded()) };
        assert!(compared(&told, &[access()]).findings.is_empty());
        let by_hand = SeenAccess { sent_by: "root".to_owned(), ..access() };
        assert!(why(&told, &by_hand).contains("root set a gateway's name by hand"));
    }

    #[test]
    fn a_session_that_only_the_journal_knows_is_no_finding() {
        assert_eq!(compared(&known(Recorded { as_user: None, ..recorded() }), &[access()]).matched, 1);
    }

    #[test]
    fn each_debug_container_has_its_entry_in_a_journal() {
        let debug = ForwardedDebug {
            gateway: "west".to_owned(),
            namespace: "default".to_owned(),
            pod: "shell".to_owned(),
            at: at(30),
        };
        let known = Known { debugs: vec![debug], ..known(recorded()) };
        let patch = SeenAccess { way: Way::EphemeralContainer, audit_id: "of the api server".to_owned(), ..access() };
        let found = compared(&known, &[patch.clone(), patch.clone()]);
        assert_eq!((found.matched, found.findings.len()), (1, 1));
        for other in [
            SeenAccess { name: "other".to_owned(), ..patch.clone() },
            SeenAccess { received: at(50), ..patch.clone() },
            SeenAccess { gateways: vec!["east".to_owned()], ..patch },
        ] {
            assert!(why(&known, &other).contains("no journal has it"));
        }
    }

    #[test]
    fn a_kubelets_commands_are_found_also_through_a_gateway() {
        let run = SeenAccess { way: Way::Kubelet, ..access() };
        assert!(why(&known(recorded()), &run).contains("never recorded"));
    }

    #[test]
    fn what_the_api_server_refused_is_counted_only() {
        let denied = SeenAccess { answer: Answer::Refused(403), gateways: Vec::new(), ..access() };
        let found = compared(&known(Recorded { failed_to_start: true, ..recorded() }), &[denied]);
        assert_eq!((found.refused, found.findings.len()), (1, 0));
    }

    #[test]
    fn a_recording_that_the_log_does_not_have_is_named_if_the_log_should_have_it() {
        let id: RecordingId = ID.parse().unwrap();
        assert_eq!(compared(&known(recorded()), &[]).not_in_log, [id]);
        let missing = |recorded: Recorded, span| compare(&known(recorded), Vec::new(), span).not_in_log.len();
        let hour = Some((at(0), at(59)));
        assert_eq!(missing(recorded(), hour), 1);
        assert_eq!(missing(recorded(), None), 0);
        for other in [
            Recorded { cluster: "test".to_owned(), ..recorded() },
            Recorded { failed_to_start: true, ..recorded() },
            // At the log's edges clocks decide.
            Recorded { started: at(1), ..recorded() },
            Recorded { started: at(58), ..recorded() },
        ] {
            assert_eq!(missing(other, hour), 0);
        }
    }
}

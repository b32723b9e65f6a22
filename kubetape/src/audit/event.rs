//! One line of an audit log: events of `audit.k8s.io/v1`, as far as they tell of a way into a container.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// The extra of an impersonated user by which a gateway names itself.
const GATEWAY: &str = "kubetape.dev/gateway";

/// A way into a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// `pods/exec`
    Exec,
    /// `pods/attach`
    Attach,
    /// `pods/portforward`
    PortForward,
    /// A write to `pods/ephemeralcontainers`.
    EphemeralContainer,
    /// The kubelet's own API behind `nodes/proxy`, but for what only reads.
    Kubelet,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "port-forward",
            Self::EphemeralContainer => "ephemeral container",
            Self::Kubelet => "kubelet's API",
        })
    }
}

/// How an API server answered, as far as one event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// No event has an answer.
    None,
    /// 400 or more.
    Refused(u16),
    /// Anything else, or the API server panicked on the way: something may have run.
    Given,
}

/// What an event says of an access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenAccess {
    /// Which way.
    pub way: Way,
    /// The id under which the log has the request. A caller can choose it.
    pub audit_id: String,
    /// Whose rights the request had: the impersonated user, or who sent it.
    pub person: String,
    /// Who sent it.
    pub sent_by: String,
    /// The gateways that the request names; empty if it did not come through one.
    pub gateways: Vec<String>,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod, or of the node.
    pub name: String,
    /// When the API server received it.
    pub received: Timestamp,
    /// Addresses, as the API server saw and was told them.
    pub source_ips: Vec<String>,
    /// `User-Agent`, as claimed.
    pub user_agent: String,
    /// The answer.
    pub answer: Answer,
    /// The request's URL, to tell requests apart. It has argv, which may be secret: it is shown nowhere.
    #[serde(skip)]
    pub url: String,
}

/// What a line holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LineEvents {
    /// When each of its events was received.
    pub received: Vec<Timestamp>,
    /// Those that tell of a way into a container.
    pub accesses: Vec<SeenAccess>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
}

#[derive(Deserialize)]
struct EventList {
    items: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    #[serde(default)]
    impersonated_user: Option<User>,
    #[serde(default, rename = "sourceIPs")]
    source_ips: Vec<String>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    resource: String,
    namespace: String,
    name: String,
    api_group: String,
    subresource: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

/// Reads a line: an `Event`, or an `EventList` as webhooks get it.
///
/// # Errors
/// Why it is neither. Nothing of the line is quoted: it may hold secrets.
pub fn read(line: &[u8]) -> Result<LineEvents, String> {
    let unreadable = |error: serde_json::Error| {
        if error.is_data() {
            format!("it lacks a field of an event, or has another kind of value there, at column {}", error.column())
        } else {
            format!("it is no JSON from column {} on", error.column())
        }
    };
    let Kind { kind, api_version } = serde_json::from_slice(line).map_err(unreadable)?;
    if api_version != "audit.k8s.io/v1" {
        return Err("it is nothing of audit.k8s.io/v1".to_owned());
    }
    let events = match kind.as_str() {
        "Event" => vec![serde_json::from_slice(line).map_err(unreadable)?],
        "EventList" => serde_json::from_slice::<EventList>(line).map_err(unreadable)?.items,
        _ => return Err("it is neither an Event nor an EventList".to_owned()),
    };
    Ok(LineEvents {
        received: events.iter().map(|event| event.request_received_timestamp).collect(),
        accesses: events.into_iter().filter_map(Event::access).collect(),
    })
}

impl Event {
    fn access(self) -> Option<SeenAccess> {
        let of = self.object_ref.as_ref()?;
        let way = way(of, &self.verb, &self.request_uri)?;
        let answer = match (self.stage.as_str(), self.response_status.as_ref().map_or(0, |status| status.code)) {
            // The process may have run by then, whatever code came of it.
            ("Panic", _) => Answer::Given,
            (_, 0) => Answer::None,
            (_, code @ 400..) => Answer::Refused(code),
            (_, _) => Answer::Given,
        };
        let ObjectRef { namespace, name, .. } = self.object_ref?;
        let sent_by = self.user.username.clone();
        let effective = self.impersonated_user.unwrap_or(self.user);
        let named = effective.extra.into_iter().filter(|(key, _)| key.eq_ignore_ascii_case(GATEWAY));
        Some(SeenAccess {
            way,
            audit_id: self.audit_id,
            person: effective.username,
            sent_by,
            gateways: named.flat_map(|(_, names)| names).collect(),
            namespace,
            name,
            received: self.request_received_timestamp,
            source_ips: self.source_ips,
            user_agent: self.user_agent,
            answer,
            url: self.request_uri,
        })
    }
}

/// The way that a request takes; `None` if it takes none. Streaming subresources count whatever the verb: kubectl's SPDY is
/// `create`, its WebSocket `get`.
fn way(of: &ObjectRef, verb: &str, url: &str) -> Option<Way> {
    match (of.api_group.as_str(), of.resource.as_str(), of.subresource.as_str()) {
        ("", "pods", "exec") => Some(Way::Exec),
        ("", "pods", "attach") => Some(Way::Attach),
        ("", "pods", "portforward") => Some(Way::PortForward),
        ("", "pods", "ephemeralcontainers") if verb != "get" => Some(Way::EphemeralContainer),
        ("", "nodes", "proxy") if !only_reads(url) => Some(Way::Kubelet),
        _ => None,
    }
}

/// Whether a URL below `nodes/*/proxy` is one by which a kubelet only shows something. All others count as ways in, since
/// kubelets get new ones.
fn only_reads(url: &str) -> bool {
    const READ: [&str; 8] = ["healthz", "metrics", "stats", "pods", "runningpods", "configz", "logs", "containerLogs"];
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let Some((_, below)) = path.split_once("/proxy") else { return false };
    // As a kubelet reads it: a path with dots or empty segments is none of those that are known.
    let below: Cow<'_, str> = percent_decode_str(below).decode_utf8_lossy();
    let mut segments = below.trim_end_matches('/').split('/').skip(1);
    let Some(first) = segments.next() else { return true };
    READ.contains(&first) && !segments.any(|segment| matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// As kube-apiserver 1.35 wrote it of `kubectl exec` through a gateway.
    fn exec() -> Value {
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
            "auditID": "01988f3e-0000-7000-8000-00000000002a", "stage": "ResponseStarted",
            "requestURI": "/api/v1/namespaces/default/pods/shell/exec?command=id&container=shell&stdout=true", "verb": "get",
            "user": {"username": "system:serviceaccount:kubetape:kubetape-gateway", "uid": "x", "groups": ["system:authenticated"]},
            "impersonatedUser": {"username": "ada", "groups": ["test:engineers"], "extra": {"kubetape.dev/gateway": ["west"]}},
            "sourceIPs": ["10.0.0.7", "127.0.0.1"], "userAgent": "kubectl/v1.33",
            "objectRef": {"resource": "pods", "namespace": "default", "name": "shell", "apiVersion": "v1", "subresource": "exec"},
            "responseStatus": {"metadata": {}, "code": 101},
            "requestReceivedTimestamp": "2026-11-22T15:04:05.000000Z", "stageTimestamp": "2026-11-22T15:04:05.100000Z",
        })
    }

    fn accesses(event: &Value) -> Vec<SeenAccess> {
        read(event.to_string().as_bytes()).unwrap().accesses
    }

    fn with(path: &str, value: Value) -> Value {
        let mut event = exec();
        *event.pointer_mut(path).unwrap() = value;
        event
    }

    #[test]
    fn an_event_says_who_came_which_way_as_whom() {
        let [seen] = <[_; 1]>::try_from(accesses(&exec())).unwrap();
        assert_eq!((seen.way, seen.person.as_str(), seen.answer), (Way::Exec, "ada", Answer::Given));
        assert_eq!((seen.namespace.as_str(), seen.name.as_str()), ("default", "shell"));
        assert_eq!(seen.sent_by, "system:serviceaccount:kubetape:kubetape-gateway");
        assert_eq!((seen.gateways, seen.source_ips.len()), (vec!["west".to_owned()], 2));
        assert_eq!(seen.received, "2026-11-22T15:04:05Z".parse().unwrap());
    }

    #[test]
    fn each_way_in_counts_whatever_the_verb_and_nothing_else_does() {
        let kubelet =
            |below: &str| (json!({"resource": "nodes", "name": "n", "subresource": "proxy"}), "get", below.to_owned());
        let pod =
            |subresource: &str, verb| (json!({"resource": "pods", "subresource": subresource}), verb, String::new());
        for ((of, verb, below), way) in [
            (pod("exec", "create"), Some(Way::Exec)),
            (pod("attach", "get"), Some(Way::Attach)),
            (pod("portforward", "create"), Some(Way::PortForward)),
            (pod("ephemeralcontainers", "patch"), Some(Way::EphemeralContainer)),
            (pod("ephemeralcontainers", "update"), Some(Way::EphemeralContainer)),
            (pod("ephemeralcontainers", "get"), None),
            (pod("log", "get"), None),
            (pod("", "create"), None),
            ((json!({"resource": "pods", "subresource": "exec", "apiGroup": "x.example"}), "get", String::new()), None),
            (kubelet("/run/default/shell/shell?cmd=id"), Some(Way::Kubelet)),
            (kubelet("/%65xec/default/shell/shell"), Some(Way::Kubelet)),
            (kubelet("//exec/default/shell/shell"), Some(Way::Kubelet)),
            (kubelet("/metrics/../exec/default/shell/shell"), Some(Way::Kubelet)),
            (kubelet("/cri/exec/token"), Some(Way::Kubelet)),
            (kubelet("/something-new"), Some(Way::Kubelet)),
            (kubelet("/metrics/cadvisor"), None),
            (kubelet("/pods/"), None),
            (kubelet(""), None),
        ] {
            let mut event = with("/objectRef", of.clone());
            event["verb"] = verb.into();
            event["requestURI"] = format!("/api/v1/nodes/n/proxy{below}").into();
            assert_eq!(accesses(&event).first().map(|seen| seen.way), way, "{of} {verb} {below}");
        }
    }

    #[test]
    fn an_answer_is_a_refusal_only_if_nothing_can_have_run() {
        let code = |code: u16| with("/responseStatus/code", code.into());
        assert_eq!(accesses(&code(403))[0].answer, Answer::Refused(403));
        assert_eq!(accesses(&code(200))[0].answer, Answer::Given);
        let mut panic = code(500);
        panic["stage"] = "Panic".into();
        assert_eq!(accesses(&panic)[0].answer, Answer::Given);
        let mut received = exec();
        received.as_object_mut().unwrap().remove("responseStatus");
        assert_eq!(accesses(&received)[0].answer, Answer::None);
    }

    #[test]
    fn without_impersonation_who_sent_it_is_the_person() {
        let mut direct = with("/user", json!({"username": "root", "groups": ["system:masters"]}));
        direct.as_object_mut().unwrap().remove("impersonatedUser");
        let seen = &accesses(&direct)[0];
        assert_eq!((seen.person.as_str(), seen.sent_by.as_str(), seen.gateways.len()), ("root", "root", 0));
    }

    #[test]
    fn a_list_of_events_is_read_too_and_what_is_none_is_said_without_a_word_of_it() {
        let list = json!({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [exec(), exec()]});
        let read_list = read(list.to_string().as_bytes()).unwrap();
        assert_eq!((read_list.received.len(), read_list.accesses.len()), (2, 2));
        for (line, says) in [
            ("{\"secret\": ", "no JSON"),
            ("", "no JSON"),
            ("{\"kind\": \"Event\", \"apiVersion\": \"audit.k8s.io/v1\"}", "lacks a field"),
            ("{\"kind\": \"Event\", \"apiVersion\": \"v1\", \"message\": \"secret\"}", "nothing of audit.k8s.io/v1"),
            ("{\"kind\": \"Policy\", \"apiVersion\": \"audit.k8s.io/v1\"}", "neither an Event"),
        ] {
            let why = read(line.as_bytes()).unwrap_err();
            assert!(why.contains(says) && !why.contains("secret"), "{line}: {why}");
        }
        let wrong = with("/user", "secret".into());
        assert!(!read(wrong.to_string().as_bytes()).unwrap_err().contains("secret"));
    }
}

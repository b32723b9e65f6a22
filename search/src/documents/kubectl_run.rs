//! Kubectl runs: the requests of one invocation of kubectl, joined.
//!
//! kubectl (from 1.22 on) sends `Kubectl-Session`, a UUID of the run, and `Kubectl-Command` with every request. Both
//! are the client's claim: a run is of one person on one cluster, whatever UUID another person sends.

use recording::{RecordingId, UnixMicros, journal::ApiRequest};
use serde::{Deserialize, Serialize};

use super::{kubectl_command::kubectl_command, mask::Masks, request_line::RequestLine};

/// Most distinct requests of a run that are kept: the first ones.
const MAX_LINES: usize = 32;

/// One kubectl run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubectlRun {
    pub(crate) user: String,
    pub(crate) cluster: String,
    /// `Kubectl-Session`
    pub(crate) id: String,
    /// `Kubectl-Command`, masked: a client may send anything.
    pub(crate) command: String,
    /// Time of the first request.
    #[serde(rename = "micros")]
    pub(crate) time: UnixMicros,
    /// The first recording that the run opened.
    pub(crate) session: Option<RecordingId>,
    /// Distinct requests in order of time, without discovery.
    pub(crate) lines: Vec<RequestLine>,
    /// Whether there were more than [`MAX_LINES`].
    pub(crate) more: bool,
}

impl KubectlRun {
    /// A run to which no request was added yet.
    pub(crate) fn new(user: &str, request: &ApiRequest, time: UnixMicros, masks: &Masks) -> Self {
        Self {
            user: user.to_owned(),
            cluster: request.target.cluster.clone(),
            id: request.kubectl_session.clone(),
            command: masks.masked(&request.kubectl_command),
            time,
            session: None,
            lines: Vec::new(),
            more: false,
        }
    }

    /// The run's key.
    pub(crate) fn key(&self) -> String {
        Self::key_of(&self.user, &self.cluster, &self.id)
    }

    /// The key of a run, which differs from every other's. Lengths stand before what a client chose, so that no choice
    /// gives the runs of two people one key.
    pub(crate) fn key_of(user: &str, cluster: &str, id: &str) -> String {
        format!("run:{}:{user}:{}:{cluster}:{id}", user.len(), cluster.len())
    }

    /// Adds a request. Returns whether that changed the run.
    pub(crate) fn add(
        &mut self,
        request: &ApiRequest,
        time: UnixMicros,
        session: Option<RecordingId>,
        masks: &Masks,
    ) -> bool {
        let mut changed = false;
        if time < self.time {
            self.time = time;
            changed = true;
        }
        if let Some(session) = session
            && self.session.is_none_or(|known| session < known)
        {
            self.session = Some(session);
            changed = true;
        }
        if self.command.is_empty() && !request.kubectl_command.is_empty() {
            self.command = masks.masked(&request.kubectl_command);
            changed = true;
        }
        is_worth_indexing(request) && self.add_line(RequestLine::new(request, time, masks)) || changed
    }

    /// Keeps lines in order of time and cuts the last ones off, so that it does not matter in which order the journals of two
    /// gateways are read.
    fn add_line(&mut self, line: RequestLine) -> bool {
        if let Some(known) = self.lines.iter().position(|known| known.is_same_request(&line)) {
            if line.time >= self.lines[known].time {
                return false;
            }
            self.lines.remove(known);
        }
        let at = self.lines.partition_point(|known| known.is_before(&line));
        self.lines.insert(at, line);
        if self.lines.len() > MAX_LINES {
            self.lines.truncate(MAX_LINES);
            self.more = true;
        }
        true
    }

    /// The command line, as far as the requests show it.
    pub(crate) fn text(&self) -> String {
        let mut text = kubectl_command(&self.command, &self.lines);
        if self.more {
            text.push_str(", and more");
        }
        text
    }

    /// The text by which the run is found: the command line and its requests.
    pub(crate) fn searched_text(&self) -> String {
        let mut text = self.text();
        for line in &self.lines {
            text.push('\n');
            text.push_str(&line.with_code());
        }
        text
    }
}

/// Whether a request is more than discovery: it is of a resource, or was refused.
pub(crate) fn is_worth_indexing(request: &ApiRequest) -> bool {
    !request.target.resource.is_empty() || !request.reason.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, resource: &str, name: &str, code: u16) -> ApiRequest {
        let (verb, kubectl_command) = (verb.to_owned(), "kubectl apply".to_owned());
        let mut request = ApiRequest { verb, code, kubectl_command, ..ApiRequest::default() };
        request.kubectl_session = "u-1".to_owned();
        request.target.cluster = "prod".to_owned();
        request.target.namespace = "default".to_owned();
        request.target.resource = resource.to_owned();
        request.target.name = name.to_owned();
        request
    }

    #[test]
    fn a_run_reads_like_what_was_done() {
        let masks = Masks::default();
        let get = request("get", "deployments", "web", 404);
        let mut run = KubectlRun::new("ada", &get, UnixMicros::new(10), &masks);
        run.add(&get, UnixMicros::new(10), None, &masks);
        run.add(&request("create", "deployments", "web", 201), UnixMicros::new(11), None, &masks);
        assert_eq!(run.text(), "kubectl apply deployments web -n default");
        let requests: Vec<String> = run.lines.iter().map(RequestLine::with_code).collect();
        assert_eq!(requests, ["get deployments web -n default: 404", "create deployments web -n default: 201"]);
    }

    #[test]
    fn discovery_is_left_out() {
        let discovery = ApiRequest { verb: "get".to_owned(), code: 200, ..ApiRequest::default() };
        let masks = Masks::default();
        let mut run = KubectlRun::new("ada", &discovery, UnixMicros::new(10), &masks);
        assert!(!run.add(&discovery, UnixMicros::new(10), None, &masks));
        assert_eq!(run.text(), "");
    }

    #[test]
    fn the_order_of_reading_does_not_matter() {
        let masks = Masks::default();
        let requests: Vec<_> = (0..40).map(|n| request("get", "pods", &format!("p{n}"), 200)).collect();
        let mut forwards = KubectlRun::new("ada", &requests[0], UnixMicros::EPOCH, &masks);
        let mut backwards = KubectlRun::new("ada", &requests[0], UnixMicros::new(39), &masks);
        let add = |run: &mut KubectlRun, at: usize| run.add(&requests[at], UnixMicros::new(at as i64), None, &masks);
        for at in 0..40 {
            add(&mut forwards, at);
            add(&mut backwards, 39 - at);
        }
        assert_eq!(forwards.text(), backwards.text());
        assert!(forwards.text().ends_with(", and more"));
    }

    #[test]
    fn no_choice_of_names_makes_two_runs_one() {
        assert_ne!(KubectlRun::key_of("a", "b:1:c", "x"), KubectlRun::key_of("a:5:b", "c", "x"));
        assert_ne!(KubectlRun::key_of("ada", "prod", "x"), KubectlRun::key_of("bob", "prod", "x"));
    }
}

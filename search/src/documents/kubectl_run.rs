//! The requests of one kubectl run, joined.
//!
//! kubectl (from 1.22 on) sends `Kubectl-Session`, a UUID of the run, and `Kubectl-Command` with every request. Both
//! are the client's claim: a run is of one person on one cluster, whatever UUID another person sends.

use recording::{RecordingId, journal::ApiRequest};
use serde::{Deserialize, Serialize};

pub(crate) use crate::documents::request_line::RequestLine;
use crate::{documents::kubectl_command::rebuilt, documents::mask::Masks};

/// Different requests of a run that are kept; a run with more shows the first ones.
const MOST: usize = 32;

/// One kubectl run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KubectlRun {
    pub(crate) user: String,
    pub(crate) cluster: String,
    /// `Kubectl-Session`
    pub(crate) id: String,
    /// `Kubectl-Command`, without secrets: a client may say anything.
    pub(crate) command: String,
    /// Time of the first request, microseconds since 1970.
    pub(crate) micros: i64,
    /// The first recording that it opened.
    pub(crate) session: Option<RecordingId>,
    /// Distinct requests in order of time, without discovery.
    pub(crate) lines: Vec<RequestLine>,
    /// Whether there were more than fit.
    pub(crate) more: bool,
}

impl KubectlRun {
    /// A run of which nothing is known but whose it is.
    pub(crate) fn new(user: &str, request: &ApiRequest, micros: i64, masks: &Masks) -> Self {
        Self {
            user: user.to_owned(),
            cluster: request.target.cluster.clone(),
            id: request.kubectl_session.clone(),
            command: masks.masked(&request.kubectl_command),
            micros,
            session: None,
            lines: Vec::new(),
            more: false,
        }
    }

    /// What tells the run from all others. Lengths stand before what a client chose, so that no choice makes
    /// two people's runs one.
    pub(crate) fn key(user: &str, cluster: &str, id: &str) -> String {
        format!("run:{}:{user}:{}:{cluster}:{id}", user.len(), cluster.len())
    }

    /// Takes in a request. Says whether anything is different now.
    pub(crate) fn add(
        &mut self,
        request: &ApiRequest,
        micros: i64,
        session: Option<RecordingId>,
        masks: &Masks,
    ) -> bool {
        let mut changed = false;
        if micros < self.micros {
            self.micros = micros;
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
        is_of_interest(request) && self.add_line(RequestLine::new(request, micros, masks)) || changed
    }

    /// Lines are kept in order of time and cut at the end, so that it does not matter in which order the journals of
    /// two gateways are read.
    fn add_line(&mut self, line: RequestLine) -> bool {
        if let Some(known) = self.lines.iter().position(|known| known.is_like(&line)) {
            if line.micros >= self.lines[known].micros {
                return false;
            }
            self.lines.remove(known);
        }
        let at = self.lines.partition_point(|known| known.before(&line));
        self.lines.insert(at, line);
        if self.lines.len() > MOST {
            self.lines.truncate(MOST);
            self.more = true;
        }
        true
    }

    /// The command line, as far as requests show it.
    pub(crate) fn text(&self) -> String {
        let mut text = rebuilt(&self.command, &self.lines);
        if self.more {
            text.push_str(", and more");
        }
        text
    }

    /// What the run is found by: the command line and its requests.
    pub(crate) fn searched(&self) -> String {
        let mut text = self.text();
        for line in &self.lines {
            text.push('\n');
            text.push_str(&line.with_code());
        }
        text
    }
}

/// Whether a request is more than discovery: those of resources are, and those that were refused.
pub(crate) fn is_of_interest(request: &ApiRequest) -> bool {
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
        let mut run = KubectlRun::new("ada", &get, 10, &masks);
        run.add(&get, 10, None, &masks);
        run.add(&request("create", "deployments", "web", 201), 11, None, &masks);
        assert_eq!(run.text(), "kubectl apply deployments web -n default");
        let requests: Vec<String> = run.lines.iter().map(RequestLine::with_code).collect();
        assert_eq!(requests, ["get deployments web -n default: 404", "create deployments web -n default: 201"]);
    }

    #[test]
    fn discovery_is_left_out() {
        let discovery = ApiRequest { verb: "get".to_owned(), code: 200, ..ApiRequest::default() };
        let masks = Masks::default();
        let mut run = KubectlRun::new("ada", &discovery, 10, &masks);
        assert!(!run.add(&discovery, 10, None, &masks));
        assert_eq!(run.text(), "");
    }

    #[test]
    fn the_order_of_reading_does_not_matter() {
        let masks = Masks::default();
        let requests: Vec<_> = (0..40).map(|n| request("get", "pods", &format!("p{n}"), 200)).collect();
        let mut forwards = KubectlRun::new("ada", &requests[0], 0, &masks);
        let mut backwards = KubectlRun::new("ada", &requests[0], 39, &masks);
        for at in 0..40 {
            forwards.add(&requests[at], at as i64, None, &masks);
            backwards.add(&requests[39 - at], 39 - at as i64, None, &masks);
        }
        assert_eq!(forwards.text(), backwards.text());
        assert!(forwards.text().ends_with(", and more"));
    }

    #[test]
    fn no_choice_of_names_makes_two_runs_one() {
        assert_ne!(KubectlRun::key("a", "b:1:c", "x"), KubectlRun::key("a:5:b", "c", "x"));
        assert_ne!(KubectlRun::key("ada", "prod", "x"), KubectlRun::key("bob", "prod", "x"));
    }
}

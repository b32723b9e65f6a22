//! The requests of one kubectl run, joined.
//!
//! kubectl (from 1.22 on) sends `Kubectl-Session`, a UUID of the run, and `Kubectl-Command` with every request. Both
//! are the client's claim: a run is of one person on one cluster, whatever UUID another person sends.

use std::fmt::Write;

use serde::{Deserialize, Serialize};
use storage::{RecordingId, journal::Request};

/// Different requests of a run that are shown; a run with more shows the first ones.
const MOST: usize = 32;

/// One kubectl run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) user: String,
    pub(crate) cluster: String,
    /// `Kubectl-Session`
    pub(crate) id: String,
    /// `Kubectl-Command`
    pub(crate) command: String,
    /// Time of the first request, microseconds since 1970.
    pub(crate) micros: i64,
    /// The first recording that it opened.
    pub(crate) session: Option<RecordingId>,
    /// Distinct requests in order of time, without discovery.
    pub(crate) lines: Vec<Line>,
    /// Whether there were more than fit.
    pub(crate) more: bool,
}

/// One of its requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) micros: i64,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) text: String,
}

impl Run {
    /// A run of which nothing is known but whose it is.
    pub(crate) fn new(user: &str, request: &Request, micros: i64) -> Self {
        Self {
            user: user.to_owned(),
            cluster: request.target.cluster.clone(),
            id: request.kubectl_session.clone(),
            command: request.kubectl_command.clone(),
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
    pub(crate) fn add(&mut self, request: &Request, micros: i64, session: Option<RecordingId>) -> bool {
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
            self.command.clone_from(&request.kubectl_command);
            changed = true;
        }
        is_of_interest(request) && self.add_line(request, micros) || changed
    }

    /// Lines are kept in order of time and cut at the end, so that it does not matter in which order the journals of
    /// two gateways are read.
    fn add_line(&mut self, request: &Request, micros: i64) -> bool {
        let text = line(request);
        if let Some(known) = self.lines.iter().position(|line| line.text == text) {
            if micros >= self.lines[known].micros {
                return false;
            }
            self.lines.remove(known);
        }
        let at = self.lines.partition_point(|line| (line.micros, &line.text) < (micros, &text));
        let target = &request.target;
        let pod = if target.resource == "pods" { target.name.clone() } else { String::new() };
        let (namespace, container) = (target.namespace.clone(), target.container.clone());
        self.lines.insert(at, Line { micros, namespace, pod, container, text });
        if self.lines.len() > MOST {
            self.lines.truncate(MOST);
            self.more = true;
        }
        true
    }

    /// Whether there is something to find: discovery alone is not, unless it is all that a named command does.
    pub(crate) fn text(&self) -> String {
        let mut text = self.command.clone();
        for (at, line) in self.lines.iter().enumerate() {
            text.push_str(if at == 0 { " " } else { ", " });
            text.push_str(&line.text);
        }
        if self.more {
            text.push_str(", and more");
        }
        text.trim_start().to_owned()
    }
}

/// Whether a request is more than discovery: those of resources are, and those that were refused.
pub(crate) fn is_of_interest(request: &Request) -> bool {
    !request.target.resource.is_empty() || !request.reason.is_empty()
}

/// `pods/exec web -n default (exec 101)`
pub(crate) fn line(request: &Request) -> String {
    let target = &request.target;
    let mut line = if target.resource.is_empty() { "request".to_owned() } else { target.resource.clone() };
    if !target.subresource.is_empty() {
        let _ = write!(line, "/{}", target.subresource);
    }
    if !target.name.is_empty() {
        let _ = write!(line, " {}", target.name);
    }
    if !target.container.is_empty() {
        let _ = write!(line, " -c {}", target.container);
    }
    if !target.namespace.is_empty() {
        let _ = write!(line, " -n {}", target.namespace);
    }
    let _ = write!(line, " ({} {}", request.verb, request.code);
    if !request.reason.is_empty() {
        let _ = write!(line, ": {}", request.reason);
    }
    line.push(')');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, resource: &str, name: &str, code: u16) -> Request {
        let (verb, kubectl_command) = (verb.to_owned(), "kubectl apply".to_owned());
        let mut request = Request { verb, code, kubectl_command, ..Request::default() };
        request.kubectl_session = "u-1".to_owned();
        request.target.cluster = "prod".to_owned();
        request.target.namespace = "default".to_owned();
        request.target.resource = resource.to_owned();
        request.target.name = name.to_owned();
        request
    }

    #[test]
    fn a_run_reads_like_what_was_done() {
        let get = request("get", "deployments", "web", 404);
        let mut run = Run::new("ada", &get, 10);
        run.add(&get, 10, None);
        run.add(&request("create", "deployments", "web", 201), 11, None);
        assert_eq!(
            run.text(),
            "kubectl apply deployments web -n default (get 404), deployments web -n default (create 201)"
        );
    }

    #[test]
    fn discovery_is_left_out() {
        let discovery = Request { verb: "get".to_owned(), code: 200, ..Request::default() };
        let mut run = Run::new("ada", &discovery, 10);
        assert!(!run.add(&discovery, 10, None));
        assert_eq!(run.text(), "");
    }

    #[test]
    fn the_order_of_reading_does_not_matter() {
        let requests: Vec<_> = (0..40).map(|n| request("get", "pods", &format!("p{n}"), 200)).collect();
        let mut forwards = Run::new("ada", &requests[0], 0);
        let mut backwards = Run::new("ada", &requests[0], 39);
        for at in 0..40 {
            forwards.add(&requests[at], at as i64, None);
            backwards.add(&requests[39 - at], 39 - at as i64, None);
        }
        assert_eq!(forwards.text(), backwards.text());
        assert!(forwards.text().ends_with(", and more"));
    }

    #[test]
    fn no_choice_of_names_makes_two_runs_one() {
        assert_ne!(Run::key("a", "b:1:c", "x"), Run::key("a:5:b", "c", "x"));
        assert_ne!(Run::key("ada", "prod", "x"), Run::key("bob", "prod", "x"));
    }
}

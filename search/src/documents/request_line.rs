//! One API request, as it is searched and shown.

use std::{collections::BTreeMap, fmt::Write};

use recording::{UnixMicros, journal::ApiRequest};
use serde::{Deserialize, Serialize};

use super::mask::Masks;

/// One API request, as it is searched and shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RequestLine {
    /// When it came.
    #[serde(rename = "micros")]
    pub(crate) time: UnixMicros,
    /// `Kubectl-Command`; empty if the client sent none.
    pub(crate) command: String,
    pub(crate) verb: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) container: String,
    /// What the journal keeps of query and headers: see [`ApiRequest::options`].
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) code: u16,
    /// Why the gateway refused it; empty if it did not.
    pub(crate) reason: String,
}

impl RequestLine {
    pub(crate) fn new(request: &ApiRequest, time: UnixMicros, masks: &Masks) -> Self {
        let target = &request.target;
        let options = request.options.iter().map(|(name, value)| (name.clone(), masks.masked(value)));
        Self {
            time,
            command: masks.masked(&request.kubectl_command),
            verb: request.verb.clone(),
            resource: target.resource.clone(),
            subresource: target.subresource.clone(),
            name: target.name.clone(),
            namespace: target.namespace.clone(),
            container: target.container.clone(),
            options: options.collect(),
            code: request.code,
            reason: masks.masked(&request.reason),
        }
    }

    /// Whether both differ in nothing but their time.
    pub(crate) fn is_same_request(&self, other: &Self) -> bool {
        let of = |line: &Self| (line.what(), line.code, line.reason.clone(), line.options.clone());
        of(self) == of(other)
    }

    /// Whether this request comes before the other; of one moment, in an order that stays.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        (self.time, self.with_code()) < (other.time, other.with_code())
    }

    /// The value of an option; empty if it is not set.
    pub(crate) fn option(&self, name: &str) -> &str {
        self.options.get(name).map_or("", String::as_str)
    }

    /// `create pods/eviction web-0 -n default`
    pub(crate) fn what(&self) -> String {
        format!("{} {}", self.verb, self.raw())
    }

    /// `pods/exec web -c app -n default`
    pub(crate) fn raw(&self) -> String {
        let mut line = if self.resource.is_empty() { "request".to_owned() } else { self.resource.clone() };
        for (before, value) in
            [("/", &self.subresource), (" ", &self.name), (" -c ", &self.container), (" -n ", &self.namespace)]
        {
            if !value.is_empty() {
                let _ = write!(line, "{before}{value}");
            }
        }
        line
    }

    /// `get pods web-0 -n default: 404`, and the reason if it was refused.
    pub(crate) fn with_code(&self) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!(" {}", self.reason) };
        format!("{}: {}{reason}", self.what(), self.code)
    }
}

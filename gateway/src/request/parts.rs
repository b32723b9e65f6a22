use std::net::SocketAddr;

use access::Target;
use http::{HeaderMap, Method, header};
use recording::journal::ApiRequest;

use super::{headers, options};

/// A request without its body. The URL is not a `http::Uri`, which ends at 65,534 bytes.
#[derive(Debug)]
pub(crate) struct RequestParts {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// What follows the `?`; empty if there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

impl RequestParts {
    /// Takes the target of a request line apart.
    pub(crate) fn new(method: Method, target: &str, headers: HeaderMap) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method, path: path.to_owned(), query: query.to_owned(), headers }
    }

    /// The request as the journal keeps it. `code` is zero as long as it has no answer.
    pub(crate) fn journalled(&self, client: SocketAddr, target: Target, verb: &str, code: u16) -> ApiRequest {
        let headers = &self.headers;
        ApiRequest {
            options: options::journalled(&self.query, headers),
            target,
            verb: verb.to_owned(),
            code,
            reason: String::new(),
            kubectl_command: headers::text(headers, "kubectl-command"),
            kubectl_session: headers::text(headers, "kubectl-session"),
            user_agent: headers::text(headers, "user-agent"),
            client: client.to_string(),
        }
    }

    /// Whether it has at most one `Host` line.
    pub(crate) fn names_one_host(&self) -> bool {
        self.headers.get_all(header::HOST).iter().nth(1).is_none()
    }
}

impl From<http::request::Parts> for RequestParts {
    fn from(parts: http::request::Parts) -> Self {
        let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
        Self { method: parts.method, path, query, headers: parts.headers }
    }
}

//! What a request is about: Kubernetes' own reading of a path (`RequestInfo`), as far as policy needs it.

use std::borrow::Cow;

use access::{Action, BypassPath, Target};
use http::Method;
use wire::Subresource;

/// A request, classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) target: Target,
    /// Kubernetes' verb; `exec`, `attach`, `portforward` for those.
    pub(crate) verb: &'static str,
    pub(crate) action: Action,
    /// Set for `pods/exec`, `pods/attach`, `pods/portforward`, whatever the method.
    pub(crate) streaming: Option<Subresource>,
}

/// Path below the cluster, taken apart.
#[derive(Default)]
struct Parts<'a> {
    /// Empty for the core group and for what is no resource.
    group: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
    /// `/api/v1/watch/…`
    watch: bool,
    /// `/api/v1/proxy/…`, gone since Kubernetes 1.10.
    proxy: bool,
}

/// Reads a request. `upgrade` says whether it asks for another protocol.
pub(crate) fn classify(
    cluster: &str,
    method: &Method,
    segments: &[Cow<'_, str>],
    query: &str,
    upgrade: bool,
) -> Resource {
    let parts = take_apart(segments);
    let streaming = streaming(&parts);
    let watch = parts.watch || asks_to_watch(query);
    let mut target = Target {
        cluster: cluster.to_owned(),
        namespace: parts.namespace.to_owned(),
        resource: parts.resource.to_owned(),
        name: parts.name.to_owned(),
        subresource: parts.subresource.to_owned(),
        container: String::new(),
    };
    if parts.resource.is_empty() {
        target.name = format!("/{}", segments.join("/"));
    }
    let verb = match streaming {
        Some(Subresource::Exec) => "exec",
        Some(Subresource::Attach) => "attach",
        Some(Subresource::PortForward) => "portforward",
        None => verb(method, &parts, watch),
    };
    let action = action(method, &parts, streaming, watch, upgrade);
    Resource { target, verb, action, streaming }
}

fn action(method: &Method, parts: &Parts<'_>, streaming: Option<Subresource>, watch: bool, upgrade: bool) -> Action {
    if let Some(subresource) = streaming {
        return match subresource {
            Subresource::Exec => Action::Exec,
            Subresource::Attach => Action::Attach,
            Subresource::PortForward => Action::PortForward,
        };
    }
    let reads = reads(method);
    match (parts.group, parts.resource, parts.subresource) {
        ("", "nodes", "proxy") => Action::Bypass(BypassPath::NodeProxy),
        ("", "pods" | "services", "proxy") => Action::Bypass(BypassPath::WorkloadProxy),
        ("", "pods" | "services", _) if parts.proxy => Action::Bypass(BypassPath::WorkloadProxy),
        _ if parts.proxy => Action::Bypass(BypassPath::NodeProxy),
        (_, _, "log") if upgrade => Action::Bypass(BypassPath::WebSocket),
        _ if upgrade && watch => Action::Bypass(BypassPath::WebSocket),
        _ if upgrade => Action::Bypass(BypassPath::Upgrade),
        ("", "pods", "ephemeralcontainers") if !reads => Action::EphemeralContainers,
        _ if reads => Action::Read,
        _ => Action::Write,
    }
}

/// Whether a method changes nothing.
pub(crate) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn streaming(parts: &Parts<'_>) -> Option<Subresource> {
    match (parts.group, parts.resource, parts.subresource) {
        ("", "pods", "exec") => Some(Subresource::Exec),
        ("", "pods", "attach") => Some(Subresource::Attach),
        ("", "pods", "portforward") => Some(Subresource::PortForward),
        _ => None,
    }
}

fn verb(method: &Method, parts: &Parts<'_>, watch: bool) -> &'static str {
    let collection = parts.name.is_empty() && !parts.resource.is_empty();
    match *method {
        Method::GET | Method::HEAD if watch && !parts.resource.is_empty() => "watch",
        Method::GET | Method::HEAD if collection => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => "get",
    }
}

/// `watch=`, by the API server's rule for booleans: absent, `0` and `false` are false, everything else true.
fn asks_to_watch(query: &str) -> bool {
    let value = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some(("watch", value)) => Some(value),
        None if pair == "watch" => Some(""),
        _ => None,
    });
    value.is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

fn take_apart<'a>(segments: &'a [Cow<'_, str>]) -> Parts<'a> {
    let segments: Vec<&str> = segments.iter().map(|s| &**s).collect();
    let mut parts = Parts::default();
    let mut rest = match segments.as_slice() {
        ["api", _, rest @ ..] => rest,
        ["apis", group, _, rest @ ..] => {
            parts.group = group;
            rest
        }
        _ => return parts,
    };
    match rest {
        ["watch", below @ ..] if !below.is_empty() => (parts.watch, rest) = (true, below),
        ["proxy", below @ ..] if !below.is_empty() => (parts.proxy, rest) = (true, below),
        _ => {}
    }
    match rest {
        // A namespace itself, and its two subresources.
        ["namespaces", name] | ["namespaces", name, "status" | "finalize", ..] => {
            (parts.namespace, parts.resource, parts.name) = (name, "namespaces", name);
            parts.subresource = rest.get(2).unwrap_or(&"");
        }
        ["namespaces", namespace, below @ ..] => {
            parts.namespace = namespace;
            of(&mut parts, below);
        }
        below => of(&mut parts, below),
    }
    parts
}

fn of<'a>(parts: &mut Parts<'a>, below: &[&'a str]) {
    let at = |index: usize| below.get(index).copied().unwrap_or("");
    (parts.resource, parts.name, parts.subresource) = (at(0), at(1), at(2));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::path::Path;

    fn read(method: &Method, target: &str, upgrade: bool) -> Resource {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        classify("c", method, Path::parse(path).unwrap().segments(), query, upgrade)
    }

    #[test]
    fn verbs_and_targets_are_kubernetes_own() {
        for (method, target, verb, namespace, resource, name, subresource) in [
            (Method::GET, "/api/v1/namespaces/a/pods", "list", "a", "pods", "", ""),
            (Method::GET, "/api/v1/namespaces/a/pods?watch=1", "watch", "a", "pods", "", ""),
            (Method::GET, "/api/v1/namespaces/a/pods?watch=false", "list", "a", "pods", "", ""),
            (Method::GET, "/api/v1/watch/namespaces/a/pods/w", "watch", "a", "pods", "w", ""),
            (Method::GET, "/api/v1/namespaces/a", "get", "a", "namespaces", "a", ""),
            (Method::PUT, "/api/v1/namespaces/a/finalize", "update", "a", "namespaces", "a", "finalize"),
            (Method::GET, "/api/v1/nodes/n", "get", "", "nodes", "n", ""),
            (
                Method::PATCH,
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                "patch",
                "a",
                "deployments",
                "d",
                "scale",
            ),
            (Method::DELETE, "/api/v1/namespaces/a/pods", "deletecollection", "a", "pods", "", ""),
            (Method::DELETE, "/api/v1/namespaces/a/pods/w", "delete", "a", "pods", "w", ""),
            (Method::GET, "/api/v1/namespaces/a/pods/w/log?follow=true", "get", "a", "pods", "w", "log"),
            (Method::POST, "/api/v1/namespaces/a/pods/w/exec?command=sh", "exec", "a", "pods", "w", "exec"),
            (Method::GET, "/version", "get", "", "", "/version", ""),
            (Method::GET, "/apis", "get", "", "", "/apis", ""),
        ] {
            let found = read(&method, target, false);
            let t = &found.target;
            let seen = (found.verb, &*t.namespace, &*t.resource, &*t.name, &*t.subresource);
            assert_eq!(seen, (verb, namespace, resource, name, subresource), "{target}");
        }
    }

    #[test]
    fn doors_and_side_doors_are_told_apart() {
        let pod = "/api/v1/namespaces/a/pods/w";
        for (method, target, upgrade, action) in [
            (Method::GET, format!("{pod}/exec"), true, Action::Exec),
            (Method::POST, format!("{pod}/exec"), false, Action::Exec),
            (Method::GET, format!("{pod}/attach"), true, Action::Attach),
            (Method::GET, format!("{pod}/portforward"), true, Action::PortForward),
            (Method::PATCH, format!("{pod}/ephemeralcontainers"), false, Action::EphemeralContainers),
            (Method::GET, format!("{pod}/ephemeralcontainers"), false, Action::Read),
            (Method::GET, format!("{pod}/log"), false, Action::Read),
            (Method::GET, format!("{pod}/log?follow=true"), true, Action::Bypass(BypassPath::WebSocket)),
            (Method::GET, "/api/v1/pods?watch=1".to_owned(), true, Action::Bypass(BypassPath::WebSocket)),
            (Method::GET, "/api/v1/pods".to_owned(), true, Action::Bypass(BypassPath::Upgrade)),
            (Method::POST, format!("{pod}/proxy/run"), false, Action::Bypass(BypassPath::WorkloadProxy)),
            (
                Method::GET,
                "/api/v1/namespaces/a/services/s:80/proxy".to_owned(),
                true,
                Action::Bypass(BypassPath::WorkloadProxy),
            ),
            (Method::POST, "/api/v1/nodes/n/proxy/run/a/w/c".to_owned(), false, Action::Bypass(BypassPath::NodeProxy)),
            (
                Method::GET,
                "/api/v1/nodes/n:10250/proxy/exec/a/w/c".to_owned(),
                true,
                Action::Bypass(BypassPath::NodeProxy),
            ),
            (Method::GET, "/api/v1/proxy/nodes/n/exec/a/w/c".to_owned(), false, Action::Bypass(BypassPath::NodeProxy)),
            (
                Method::GET,
                "/apis/subresources.kubevirt.io/v1/namespaces/a/virtualmachineinstances/v/console".to_owned(),
                true,
                Action::Bypass(BypassPath::Upgrade),
            ),
            (
                Method::GET,
                "/apis/x.example/v1/namespaces/a/pods/w/exec".to_owned(),
                true,
                Action::Bypass(BypassPath::Upgrade),
            ),
            (Method::POST, "/api/v1/namespaces/a/pods".to_owned(), false, Action::Write),
        ] {
            assert_eq!(read(&method, &target, upgrade).action, action, "{method} {target}");
        }
    }
}

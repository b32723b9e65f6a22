//! What a request is about: a path as Kubernetes reads it (`RequestInfo`), as far as policy needs it.

use std::borrow::Cow;

use access::{Action, BypassPath, Target};
use http::Method;
use wire::Subresource;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) target: Target,
    /// Kubernetes' verb, or `exec`, `attach`, `portforward`.
    pub(crate) verb: &'static str,
    pub(crate) action: Action,
    /// Set for `pods/exec`, `pods/attach`, `pods/portforward`, whatever the method.
    pub(crate) streaming: Option<Subresource>,
    /// Whether its answer may stay open for hours: a watch, a log that is followed, a connection through a proxy.
    pub(crate) stays_open: bool,
}

/// The path below the cluster, taken apart as in Kubernetes' `RequestInfo`.
#[derive(Default)]
struct RequestInfo<'a> {
    /// Empty for the core group, and if the path names no resource.
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

/// Classifies a request. `upgrade` says whether it asks for another protocol.
pub(crate) fn classify(
    cluster: &str,
    method: &Method,
    segments: &[Cow<'_, str>],
    query: &str,
    upgrade: bool,
) -> Resource {
    let info = take_apart(segments);
    let streaming = streaming(&info);
    let watch = info.watch || wire::boolean_parameter(query, "watch");
    let mut target = Target {
        cluster: cluster.to_owned(),
        namespace: info.namespace.to_owned(),
        resource: info.resource.to_owned(),
        name: info.name.to_owned(),
        subresource: info.subresource.to_owned(),
        container: String::new(),
    };
    if info.resource.is_empty() {
        target.name = format!("/{}", segments.join("/"));
    }
    let verb = match streaming {
        Some(Subresource::Exec) => "exec",
        Some(Subresource::Attach) => "attach",
        Some(Subresource::PortForward) => "portforward",
        None => verb(method, &info, watch),
    };
    let action = action(method, &info, streaming, watch, upgrade);
    let followed = info.subresource == "log" && wire::boolean_parameter(query, "follow");
    let stays_open = watch || followed || matches!(action, Action::Bypass(_));
    Resource { target, verb, action, streaming, stays_open }
}

fn action(
    method: &Method,
    info: &RequestInfo<'_>,
    streaming: Option<Subresource>,
    watch: bool,
    upgrade: bool,
) -> Action {
    if let Some(subresource) = streaming {
        return match subresource {
            Subresource::Exec => Action::Exec,
            Subresource::Attach => Action::Attach,
            Subresource::PortForward => Action::PortForward,
        };
    }
    let reads = reads(method);
    match (info.group, info.resource, info.subresource) {
        ("", "nodes", "proxy") => Action::Bypass(BypassPath::NodeProxy),
        ("", "pods" | "services", "proxy") => Action::Bypass(BypassPath::WorkloadProxy),
        ("", "pods" | "services", _) if info.proxy => Action::Bypass(BypassPath::WorkloadProxy),
        _ if info.proxy => Action::Bypass(BypassPath::NodeProxy),
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

fn streaming(info: &RequestInfo<'_>) -> Option<Subresource> {
    match (info.group, info.resource, info.subresource) {
        ("", "pods", "exec") => Some(Subresource::Exec),
        ("", "pods", "attach") => Some(Subresource::Attach),
        ("", "pods", "portforward") => Some(Subresource::PortForward),
        _ => None,
    }
}

fn verb(method: &Method, info: &RequestInfo<'_>, watch: bool) -> &'static str {
    let collection = info.name.is_empty() && !info.resource.is_empty();
    match *method {
        Method::GET | Method::HEAD if watch && !info.resource.is_empty() => "watch",
        Method::GET | Method::HEAD if collection => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if collection => "deletecollection",
        Method::DELETE => "delete",
        _ => "get",
    }
}

fn take_apart<'a>(segments: &'a [Cow<'_, str>]) -> RequestInfo<'a> {
    let segments: Vec<&str> = segments.iter().map(|s| &**s).collect();
    let mut info = RequestInfo::default();
    let mut rest = match segments.as_slice() {
        ["api", _, rest @ ..] => rest,
        ["apis", group, _, rest @ ..] => {
            info.group = group;
            rest
        }
        _ => return info,
    };
    match rest {
        ["watch", below @ ..] if !below.is_empty() => (info.watch, rest) = (true, below),
        ["proxy", below @ ..] if !below.is_empty() => (info.proxy, rest) = (true, below),
        _ => {}
    }
    match rest {
        // A namespace itself, or one of its two subresources.
        ["namespaces", name] | ["namespaces", name, "status" | "finalize", ..] => {
            (info.namespace, info.resource, info.name) = (name, "namespaces", name);
            info.subresource = rest.get(2).unwrap_or(&"");
        }
        ["namespaces", namespace, below @ ..] => {
            info.namespace = namespace;
            below_namespace(&mut info, below);
        }
        below => below_namespace(&mut info, below),
    }
    info
}

fn below_namespace<'a>(info: &mut RequestInfo<'a>, below: &[&'a str]) {
    let at = |index: usize| below.get(index).copied().unwrap_or("");
    (info.resource, info.name, info.subresource) = (at(0), at(1), at(2));
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
            (Method::GET, "/api/v1/namespaces/a/pods?%77atch=true", "watch", "a", "pods", "", ""),
            (Method::GET, "/api/v1/namespaces/a/pods?watch=%66alse&watch=1", "list", "a", "pods", "", ""),
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
    fn sessions_and_unrecorded_paths_are_told_apart() {
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

    #[test]
    fn answers_that_may_stay_open_are_known() {
        for (target, stays_open) in [
            ("/api/v1/pods?watch=1", true),
            ("/api/v1/namespaces/a/pods/w/log?follow=true", true),
            ("/api/v1/namespaces/a/pods/w/log?%66ollow", true),
            ("/api/v1/namespaces/a/pods/w/log", false),
            ("/api/v1/nodes/n/proxy/logs/", true),
            ("/api/v1/pods", false),
        ] {
            assert_eq!(read(&Method::GET, target, false).stays_open, stays_open, "{target}");
        }
    }
}

//! The JSON documents that the stub serves: enough for kubectl's discovery and for a proxy's plain requests.

use serde_json::json;

/// A `Status` of `Failure`.
pub(super) fn failure(code: u16, reason: &str, message: &str) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
           "message": message, "reason": reason, "code": code})
    .to_string()
}

/// The document at a path, given by its segments. `None` if there is none.
pub(super) fn document(parts: &[&str]) -> Option<String> {
    let pod = |ns: &str, name: &str| {
        json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": ns, "uid": "5f1c2d0e-7a64-4b6e-9d0c-2f3b1a9c8e77",
                "resourceVersion": "104233", "creationTimestamp": "2026-03-14T09:26:53Z", "labels": {"app": name}},
            "spec": {"nodeName": "node-1", "restartPolicy": "Always", "containers": [{"name": "app",
                "image": "registry.example/app:1.4.2", "imagePullPolicy": "IfNotPresent",
                "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}}]},
            "status": {"phase": "Running", "podIP": "10.1.2.3", "hostIP": "10.0.0.4",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "image": "registry.example/app:1.4.2",
                    "imageID": "", "state": {"running": {"startedAt": "2026-03-14T09:26:55Z"}}}]}})
    };
    Some(
        match parts {
            ["version"] => json!({"major": "1", "minor": "33", "gitVersion": "v1.33.1", "gitCommit": "0",
                "gitTreeState": "clean", "buildDate": "2026-03-14T09:26:53Z", "goVersion": "go1.24",
                "compiler": "gc", "platform": "linux/amd64"}),
            ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
            ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": []}),
            ["api", "v1"] => {
                let resource = |name: &str, kind: &str, verbs: &[&str]| {
                    json!({"name": name, "singularName": "", "namespaced": true, "kind": kind, "verbs": verbs})
                };
                json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
                    resource("pods", "Pod", &["get", "list"]),
                    resource("pods/exec", "PodExecOptions", &["create", "get"])]})
            }
            ["api", "v1", "namespaces", ns, "pods"] => json!({"kind": "PodList", "apiVersion": "v1",
                "metadata": {"resourceVersion": "104240"}, "items": [pod(ns, "web")]}),
            ["api", "v1", "namespaces", ns, "pods", name] => pod(ns, name),
            _ => return None,
        }
        .to_string(),
    )
}

//! Who is let in, what is refused, and how objects change.

use demo::{DemoCluster, StartError};
use serde_json::json;

use crate::client::TestCluster;

const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn only_loopback() {
    let folder = tempfile::tempdir().unwrap();
    let refused = DemoCluster::start("0.0.0.0:0".parse().unwrap(), folder.path()).await;
    assert!(matches!(refused, Err(StartError::NotLoopback(_))));
}

#[tokio::test]
async fn without_the_token_nothing() {
    let cluster = TestCluster::start().await;
    for authorization in ["", "Authorization: Bearer wrong\r\n", "Authorization: Basic wrong\r\n"] {
        let mut connection = cluster.connect().await;
        let request = format!("GET {PODS} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n{authorization}\r\n");
        connection.send(request.as_bytes()).await;
        let (code, status) = connection.answer().await;
        assert_eq!((code, &status["reason"]), (401, &json!("Unauthorized")));
    }
}

#[tokio::test]
async fn impersonation_says_who_arrives() {
    let cluster = TestCluster::start().await;
    let who = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let as_jane =
        "Impersonate-User: jane\r\nImpersonate-Group: dev\r\nImpersonate-Group: ops\r\nImpersonate-Extra-Team: a\r\n";
    let (code, review) = cluster.json(&format!("POST {who}"), as_jane, "{}").await;
    let wanted =
        json!({"username": "jane", "groups": ["dev", "ops", "system:authenticated"], "extra": {"team": ["a"]}});
    assert_eq!((code, &review["status"]["userInfo"]), (201, &wanted));
    let (code, _) = cluster.json(&format!("POST {who}"), "Impersonate-Group: dev\r\n", "{}").await;
    assert_eq!(code, 400);
}

#[tokio::test]
async fn refusals_are_statuses() {
    let cluster = TestCluster::start().await;
    let (code, status) = cluster.json("GET /api/v1/namespaces/forbidden/pods/x", "", "").await;
    let wanted = "pods \"x\" is forbidden: User \"kubetape-demo\" cannot get resource \"pods\" in API group \"\" in the namespace \"forbidden\"";
    assert_eq!((code, &status["message"]), (403, &json!(wanted)));
    let exec = format!("GET {PODS}/shell/exec?command=true&stdout=true");
    let (code, _) = cluster.json(&exec, "Impersonate-User: v\r\nImpersonate-Group: viewers\r\n", "").await;
    assert_eq!(code, 403);
    for (line, code) in [
        ("GET /api/v1/nothing", 404),
        ("GET /api/v1/namespaces/default/pods/nosuch", 404),
        ("GET /api/v1/namespaces/default/pods/nosuch/exec?command=x&stdout=1", 404),
        ("GET /api/v1/namespaces/default/pods/shell/exec?command=x", 400),
        ("GET /api/v1/namespaces/default/pods/shell/exec?stdout=1", 400),
        ("GET /api/v1/namespaces/default/pods/shell/exec?command=x&stdout=1", 400),
        ("GET /api/v1/namespaces/default/pods/web/exec?command=x&stdout=1&container=nosuch", 400),
        ("GET /api/v1/namespaces/default/pods/web/log", 400),
        ("POST /api/v1/namespaces/nosuch/configmaps", 404),
        ("POST /api/v1/namespaces/..%2f/configmaps", 404),
        ("DELETE /version", 405),
    ] {
        let (got, status) = cluster.json(line, "", r#"{"metadata":{"name":"x"}}"#).await;
        assert_eq!((got, &status["kind"]), (code, &json!("Status")), "{line}");
    }
    let (code, status) = cluster.json(&format!("POST {MAPS}"), "", r#"{"metadata":{"name":"../x"}}"#).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
}

#[tokio::test]
async fn a_watch_sees_what_happens() {
    let cluster = TestCluster::start().await;
    let (_, list) = cluster.json(&format!("GET {MAPS}"), "", "").await;
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let line = format!("GET {MAPS}?watch=true&resourceVersion={revision}&fieldSelector=metadata.name%3Dx");
    let mut watch = cluster.request(&line, "", "").await;
    let initial = format!("GET {MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    let mut with_initial = cluster.request(&initial, "", "").await;
    with_initial.until("\"k8s.io/initial-events-end\":\"true\"").await;

    for name in ["other", "x"] {
        let body = json!({"metadata": {"name": name}, "data": {"a": "1"}}).to_string();
        assert_eq!(cluster.json(&format!("POST {MAPS}"), "", &body).await.0, 201);
    }
    assert_eq!(cluster.json(&format!("POST {MAPS}"), "", r#"{"metadata":{"name":"x"}}"#).await.0, 409);
    let merge = "Content-Type: application/merge-patch+json\r\n";
    let (_, patched) = cluster.json(&format!("PATCH {MAPS}/x"), merge, r#"{"data":{"a":null,"b":"2"}}"#).await;
    assert_eq!(patched["data"], json!({"b": "2"}));
    assert_eq!(cluster.json(&format!("DELETE {MAPS}/x"), "", "").await.0, 200);

    let seen = watch.until("DELETED").await;
    let order = ["ADDED", "MODIFIED", "DELETED"].map(|kind| seen.find(kind).unwrap());
    assert!(order.is_sorted() && !seen.contains("\"other\""), "{seen}");
    with_initial.until("\"other\"").await;
}

#[tokio::test]
async fn a_pod_runs_and_leaves_its_log_and_code() {
    let cluster = TestCluster::start().await;
    let pod = json!({
        "metadata": {"name": "once"},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "command": ["sh", "-c", "echo one; echo two; exit 3"]}]},
    });
    assert_eq!(cluster.json(&format!("POST {PODS}"), "", &pod.to_string()).await.0, 201);
    let line = format!("GET {PODS}?watch=true&fieldSelector=metadata.name%3Donce");
    cluster.request(&line, "", "").await.until("\"phase\":\"Failed\"").await;
    let (_, pod) = cluster.json(&format!("GET {PODS}/once"), "", "").await;
    assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"], 3);
    let mut log =
        cluster.request(&format!("GET {PODS}/once/log?follow=true&tailLines=1"), "Connection: close\r\n", "").await;
    log.head().await;
    let log = String::from_utf8(log.rest().await).unwrap();
    assert!(log.contains("two\n") && !log.contains("one\n"), "{log}");
}

#[tokio::test]
async fn openapi_has_what_kubectl_looks_for() {
    let cluster = TestCluster::start().await;
    let (_, document) = cluster.json("GET /openapi/v3/api/v1", "", "").await;
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "ConfigMap");
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation"));
    let spec = &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"];
    assert_eq!(spec["containers"]["items"]["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Container");
}

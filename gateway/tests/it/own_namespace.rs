//! The namespace that the gateway itself runs in: nobody enters or changes it through the gateway.

use access::BypassPath;

use crate::{
    upgrades::{spdy, websocket},
    world::World,
};

/// A world whose gateway runs in the namespace `kubetape` of cluster `c`, and whose Jane may do everything.
async fn world() -> World {
    World::with(|settings| {
        settings.clusters[0].own_namespace = Some("kubetape".to_owned());
        let mut policy = (*settings.policy).clone();
        policy.rules[0].side_doors =
            vec![BypassPath::NodeProxy, BypassPath::WorkloadProxy, BypassPath::WebSocket, BypassPath::Upgrade];
        settings.policy = policy.into();
    })
    .await
}

fn plain(method: &str, target: &str, token: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
}

/// Wants a refusal in the gateway's own words, and nothing forwarded.
async fn refused(world: &mut World, request: String) {
    let line = request.lines().next().unwrap_or_default().to_owned();
    let mut client = world.client().await;
    client.send(request).await;
    let message = client.answer().await.status(403);
    assert!(message.contains("kubetape itself runs there"), "{line}: {message}");
    world.upstream.assert_untouched().await;
}

#[tokio::test]
async fn nobody_gets_a_session_into_it_however_it_is_spelled() {
    let mut world = world().await;
    let jane = world.jane.clone();
    let mut asked = 0;
    for namespace in ["kubetape", "%6bubetape", "kube%74ape", "%6B%75%62%65%74%61%70%65"] {
        let pod = format!("/clusters/c/api/v1/namespaces/{namespace}/pods/kubetape-0");
        for session in ["exec?command=sh&stdout=1", "attach?stdout=1", "portforward?ports=8443"] {
            refused(&mut world, websocket(&format!("{pod}/{session}"), &jane)).await;
            refused(&mut world, spdy(&format!("{pod}/{session}"), &jane)).await;
            asked += 2;
        }
        refused(&mut world, plain("PATCH", &format!("{pod}/ephemeralcontainers"), &jane)).await;
        asked += 1;
    }
    let stored = world.stop().await;
    assert!(stored.headers.is_empty());
    assert_eq!(stored.refusals_of("jane").len(), asked);
    assert!(stored.refusals().iter().all(|request| request.target.namespace == "kubetape"));
}

#[tokio::test]
async fn no_unrecorded_path_leads_into_it() {
    let mut world = world().await;
    let jane = world.jane.clone();
    let below = "/clusters/c/api/v1/namespaces/kubetape";
    for target in ["pods/kubetape-0/proxy/", "pods/https:kubetape-0:8443/proxy/x", "services/kubetape/proxy/"] {
        refused(&mut world, plain("GET", &format!("{below}/{target}"), &jane)).await;
    }
    refused(&mut world, plain("GET", "/clusters/c/api/v1/proxy/namespaces/kubetape/pods/kubetape-0/x", &jane)).await;
    for target in ["pods/kubetape-0/log?follow=true", "pods?watch=1", "pods/kubetape-0"] {
        refused(&mut world, websocket(&format!("{below}/{target}"), &jane)).await;
    }
    let watch = "/clusters/c/api/v1/watch/namespaces/kubetape/pods";
    refused(&mut world, websocket(watch, &jane)).await;
}

#[tokio::test]
async fn nothing_is_written_into_it() {
    let mut world = world().await;
    let jane = world.jane.clone();
    for (method, below) in [
        // A pod or a token of the gateway's service account is the gateway.
        ("POST", "/api/v1/namespaces/kubetape/pods"),
        ("POST", "/api/v1/namespaces/kubetape/serviceaccounts/kubetape-gateway/token"),
        ("POST", "/api/v1/namespaces/kubetape/secrets"),
        ("PUT", "/api/v1/namespaces/kubetape/configmaps/policy"),
        ("PATCH", "/apis/apps/v1/namespaces/kubetape/deployments/kubetape"),
        ("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/kubetape/rolebindings"),
        ("DELETE", "/api/v1/namespaces/kubetape/pods"),
        ("DELETE", "/api/v1/namespaces/kubetape"),
        ("PUT", "/api/v1/namespaces/kubetape/finalize"),
    ] {
        refused(&mut world, plain(method, &format!("/clusters/c{below}"), &jane)).await;
    }
}

#[tokio::test]
async fn the_same_cluster_by_another_name_is_no_way_round() {
    let mut world = World::with(|settings| {
        settings.clusters[0].own_namespace = Some("kubetape".to_owned());
        // A second context of a kubeconfig, say: the same API server, and nothing about a namespace.
        settings.clusters[1].name = "alias".to_owned();
        settings.clusters[1].server = settings.clusters[0].server.clone();
    })
    .await;
    let jane = world.jane.clone();
    let pod = "/clusters/alias/api/v1/namespaces/kubetape/pods/kubetape-0";
    refused(&mut world, websocket(&format!("{pod}/exec?command=sh&stdout=1"), &jane)).await;
    refused(&mut world, plain("POST", "/clusters/alias/api/v1/namespaces/kubetape/pods", &jane)).await;
}

#[tokio::test]
async fn reading_and_other_namespaces_and_clusters_are_as_they_were() {
    let mut world = world().await;
    let jane = world.jane.clone();
    for (method, below) in [
        ("GET", "/api/v1/namespaces/kubetape/pods"),
        ("GET", "/api/v1/namespaces/kubetape/pods/kubetape-0/log"),
        ("POST", "/api/v1/namespaces/kubetape-staging/pods"),
        ("POST", "/api/v1/namespaces/default/pods"),
    ] {
        let mut client = world.client().await;
        client.send(plain(method, &format!("/clusters/c{below}"), &jane)).await;
        let mut upstream = world.upstream.next().await;
        assert!(upstream.request_line().contains(below), "{}", upstream.request_line());
        upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await;
        assert_eq!(client.answer().await.code(), 200, "{method} {below}");
    }
    // The cluster `gone` cannot be reached; it is tried, since the gateway runs in the other one.
    let mut client = world.client().await;
    client.send(plain("POST", "/clusters/gone/api/v1/namespaces/kubetape/pods", &jane)).await;
    client.answer().await.status(503);
}

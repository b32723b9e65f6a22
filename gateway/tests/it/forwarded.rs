//! Requests that are no upgrades.

use recording::journal::JournalEvent;

use crate::world::World;

fn get(target: &str, token: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{lines}\r\n")
}

#[tokio::test]
async fn a_request_leaves_with_the_gateways_credential_and_is_journalled() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    let lines = "X-Remote-User: admin\r\nX-Forwarded-For: 1.2.3.4\r\nAccept: application/json\r\n\
                 Kubectl-Command: kubectl get\r\nKubectl-Session: s-1\r\n";
    client.send(get("/clusters/c/api/v1/namespaces/default/p%6fds?limit=500", &world.jane, lines)).await;
    let mut upstream = world.upstream.next().await;
    assert_eq!(upstream.request_line(), "GET /base/api/v1/namespaces/default/pods?limit=500 HTTP/1.1");
    assert_eq!(upstream.header("authorization"), ["Bearer the-gateway"]);
    assert_eq!(upstream.header("impersonate-user"), ["jane"]);
    assert_eq!(upstream.header("impersonate-group"), ["dev", "ops"]);
    assert_eq!(upstream.header("impersonate-extra-kubetape.dev%2fgateway"), ["gw"]);
    assert_eq!(upstream.header("accept"), ["application/json"]);
    assert!(upstream.header("x-remote-user").is_empty() && upstream.header("audit-id").is_empty());
    assert_eq!(upstream.header("x-forwarded-for"), ["127.0.0.1"]);
    upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: 5\r\nWarning: 299 - \"old\"\r\n\r\n{}").await;
    let answer = client.answer().await;
    assert_eq!((answer.code(), answer.body.as_str()), (200, "{}"));
    assert!(answer.head.contains("warning: 299") && !answer.head.contains("keep-alive"), "{}", answer.head);
    let stored = world.stop().await;
    let [entry] = stored.journal.as_slice() else { panic!("{:?}", stored.journal) };
    let JournalEvent::Request(request) = &entry.what else { panic!("{entry:?}") };
    assert_eq!((entry.user.as_str(), request.verb.as_str(), request.code), ("jane", "list", 200));
    assert_eq!((request.target.resource.as_str(), request.target.namespace.as_str()), ("pods", "default"));
    assert_eq!((request.kubectl_command.as_str(), request.kubectl_session.as_str()), ("kubectl get", "s-1"));
}

#[tokio::test]
async fn reads_that_were_answered_are_left_out_of_the_journal_where_a_rule_says_so() {
    let quiet = |settings: &mut gateway::Settings| {
        let mut policy = (*settings.policy).clone();
        policy.rules[0].journal_reads = false;
        settings.policy = std::sync::Arc::new(policy);
    };
    let mut world = World::with(quiet).await;
    for (method, answer) in [("GET", "200 OK"), ("GET", "404 Not Found"), ("DELETE", "200 OK")] {
        let mut client = world.client().await;
        let request = get("/clusters/c/api/v1/namespaces/default/pods/web", &world.jane, "");
        client.send(request.replacen("GET", method, 1)).await;
        let mut upstream = world.upstream.next().await;
        upstream.write(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")).await;
        client.answer().await;
    }
    let stored = world.stop().await;
    let noted = |entry: &recording::journal::JournalEntry| match &entry.what {
        JournalEvent::Request(request) => (request.verb.clone(), request.code),
        other => panic!("{other:?}"),
    };
    let noted: Vec<_> = stored.journal.iter().map(noted).collect();
    assert_eq!(noted, [("get".to_owned(), 404), ("delete".to_owned(), 200)]);
}

#[tokio::test]
async fn log_lines_arrive_when_they_are_written() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(get("/clusters/c/api/v1/namespaces/default/pods/web/log?follow=true", &world.jane, "")).await;
    let mut upstream = world.upstream.next().await;
    upstream.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    for line in ["one\n", "two\n"] {
        // The upstream writes the next line only when this one has arrived.
        let chunk = format!("4\r\n{line}\r\n");
        upstream.write(&chunk).await;
        assert_eq!(client.read(chunk.len()).await, chunk.as_bytes());
    }
}

#[tokio::test]
async fn a_body_is_streamed_up_and_framed_anew() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    let head = get("/clusters/c/api/v1/namespaces/default/pods", &world.jane, "Transfer-Encoding: chunked\r\n");
    client.send(head.replacen("GET", "POST", 1)).await;
    client.send("3\r\nabc\r\n").await;
    let mut upstream = world.upstream.next().await;
    assert_eq!(upstream.header("transfer-encoding"), ["chunked"]);
    assert_eq!(upstream.read(8).await, b"3\r\nabc\r\n");
    client.send("0\r\n\r\n").await;
    assert_eq!(upstream.read(5).await, b"0\r\n\r\n");
}

#[tokio::test]
async fn as_the_same_user_with_fewer_groups_is_narrowed() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(get("/clusters/c/api", &world.jane, "Impersonate-User: jane\r\nImpersonate-Group: ops\r\n")).await;
    let upstream = world.upstream.next().await;
    assert_eq!(upstream.header("impersonate-user"), ["jane"]);
    assert_eq!(upstream.header("impersonate-group"), ["ops"]);
}

#[tokio::test]
async fn a_client_certificate_is_enough() {
    let mut world = World::new().await;
    let hour = std::time::Duration::from_secs(3600);
    let (certificate, key) = world.authority.issue_client("jane", &["dev".to_owned()], hour).unwrap();
    let mut client = world.client_with(&certificate, &key).await;
    client.send("GET /clusters/c/api HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(world.upstream.next().await.header("impersonate-user"), ["jane"]);
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_a_502() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(get("/clusters/c/api", &world.jane, "")).await;
    drop(world.upstream.next().await);
    assert!(client.answer().await.status(502).contains("broke off"));
}

#[tokio::test]
async fn a_request_whose_sender_hangs_up_is_journalled() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    let delete = get("/clusters/c/api/v1/namespaces/default/pods/web", &world.jane, "").replacen("GET", "DELETE", 1);
    client.send(delete).await;
    let mut upstream = world.upstream.next().await;
    client.shutdown().await;
    drop(client);
    // The gateway has given the request up.
    upstream.read_to_end().await;
    let stored = world.stop().await;
    let [entry] = stored.journal.as_slice() else { panic!("{:?}", stored.journal) };
    let JournalEvent::Request(request) = &entry.what else { panic!("{entry:?}") };
    assert_eq!((entry.user.as_str(), request.verb.as_str(), request.code), ("jane", "delete", 499));
    assert_eq!((request.target.name.as_str(), request.reason.contains("client went")), ("web", true));
}

#[tokio::test]
async fn health_needs_no_credential() {
    let world = World::new().await;
    let mut client = world.client().await;
    for path in ["/healthz", "/livez", "/readyz"] {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let answer = client.answer().await;
        assert_eq!((answer.code(), answer.body.as_str()), (200, "ok"));
    }
}

/// A token among the WebSocket protocols of a request that asks for no WebSocket.
fn with_protocol_token(token: &str, others: &str) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let token = BASE64_URL_SAFE_NO_PAD.encode(token);
    format!(
        "GET /clusters/c/api HTTP/1.1\r\nHost: x\r\n\
         Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.{token}{others}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_token_among_the_protocols_of_a_request_without_an_upgrade_goes_no_further() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(with_protocol_token(&world.jane, ", v4.channel.k8s.io")).await;
    let upstream = world.upstream.next().await;
    assert_eq!(upstream.header("sec-websocket-protocol"), ["v4.channel.k8s.io"]);
    assert_eq!(upstream.header("impersonate-user"), ["jane"]);
    drop(upstream);
    for (request, code) in [
        (with_protocol_token(&world.jane, ""), 400),
        (with_protocol_token("kt_0_x", ", v4.channel.k8s.io"), 401),
        // Beside another credential too.
        (
            get("/clusters/c/api", &world.jane, "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.!\r\n"),
            400,
        ),
    ] {
        let mut client = world.client().await;
        client.send(request).await;
        client.answer().await.status(code);
        world.upstream.assert_untouched().await;
    }
}

#[tokio::test]
async fn a_token_in_a_spelling_that_only_others_could_read_goes_nowhere() {
    let mut world = World::new().await;
    let token = "bm90LWZvci1vdGhlcnM";
    let jane = world.jane.clone();
    let exec = crate::upgrades::websocket(crate::upgrades::EXEC, &jane);
    for target in ["/clusters/c/api", "/clusters/c/api/v1/namespaces/default/pods/web/log?follow=1"] {
        for spelling in ["BASE64URL.bearer.authorization.k8s.io.", "base64url.Bearer.Authorization.K8s.Io."] {
            for lines in [
                format!("Sec-WebSocket-Protocol: {spelling}{token}, v4.channel.k8s.io\r\n"),
                format!("sec-websocket-protocol: v4.channel.k8s.io\r\nSEC-WEBSOCKET-PROTOCOL: {spelling}{token}\r\n"),
            ] {
                for request in [get(target, &jane, &lines), exec.replacen("\r\n", &format!("\r\n{lines}"), 1)] {
                    let mut client = world.client().await;
                    client.send(request).await;
                    assert!(client.answer().await.status(400).contains("bearer token"));
                    world.upstream.assert_untouched().await;
                }
            }
        }
    }
    let stored = world.stop().await;
    assert!(!format!("{:?}", stored.journal).contains(token));
    assert!(stored.headers.is_empty());
}

#[tokio::test]
async fn streams_of_reads_end_with_their_permit() {
    let mut world = World::new().await;
    let pod = "/clusters/c/api/v1/namespaces/default/pods/web";
    let mut streams = Vec::new();
    for (target, token) in [
        (format!("{pod}/log?follow=true"), &world.jane),
        ("/clusters/c/api/v1/pods?watch=1".to_owned(), &world.jane),
        (format!("{pod}/log?follow=true"), &world.joe),
    ] {
        let mut client = world.client().await;
        client.send(get(&target, token, "")).await;
        let mut upstream = world.upstream.next().await;
        upstream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n").await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(client.read(9).await, b"4\r\none\n\r\n");
        streams.push((client, upstream));
    }
    assert!(world.gateway.live().is_empty(), "they are no sessions");
    let reason = gateway::Reason::parse("locked out").unwrap();
    let ended = world.gateway.end_where(|permit| permit.principal().name == "jane", "ann", &reason).await;
    assert_eq!((ended.sessions, ended.streams), (0, 2));
    let (mut of_joe, mut joes_upstream) = streams.pop().unwrap();
    for (client, upstream) in &mut streams {
        // Without the last chunk: it is seen that the answer is not whole.
        client.abandoned().await;
        upstream.read_to_end().await;
    }
    joes_upstream.write("4\r\ntwo\n\r\n").await;
    assert_eq!(of_joe.read(9).await, b"4\r\ntwo\n\r\n");
    drop((of_joe, joes_upstream, streams));
    let stored = world.stop().await;
    let ended: Vec<_> =
        stored.refusals_of("jane").iter().map(|r| (r.verb.as_str(), r.code, r.reason.as_str())).collect();
    assert_eq!(ended.len(), 2, "{ended:?}");
    assert!(ended.contains(&("watch", 403, "ended by ann: locked out")), "{ended:?}");
    assert!(ended.contains(&("get", 403, "ended by ann: locked out")), "{ended:?}");
    assert!(stored.refusals_of("joe").is_empty());
}

#[tokio::test]
async fn a_stream_that_was_not_answered_yet_ends_with_its_permit_too() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(get("/clusters/c/api/v1/pods?watch=1", &world.jane, "")).await;
    let mut upstream = world.upstream.next().await;
    let reason = gateway::Reason::parse("locked out").unwrap();
    let ended = world.gateway.end_where(|permit| permit.target().cluster == "c", "ann", &reason).await;
    assert_eq!(ended.streams, 1);
    assert!(client.answer().await.status(403).contains("locked out"));
    upstream.read_to_end().await;
}

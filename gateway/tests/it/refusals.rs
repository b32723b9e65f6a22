//! What is refused, in which words, and that nothing of it reaches the upstream.

use std::time::Duration;

use crate::{
    upgrades::{EXEC, spdy, websocket},
    world::World,
};

/// Sends a request on a connection of its own, and wants a Status back and nothing forwarded.
async fn refused(world: &mut World, request: impl AsRef<[u8]>, code: u16) -> String {
    let mut client = world.client().await;
    client.send(request).await;
    let message = client.answer().await.status(code);
    world.upstream.assert_untouched().await;
    message
}

fn get(target: &str, token: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[tokio::test]
async fn people_without_a_good_credential() {
    let mut world = World::new().await;
    let message = refused(&mut world, get("/clusters/c/api", "kt_0_x"), 401).await;
    assert!(message.contains("not known"), "{message}");
    let message = refused(&mut world, websocket(EXEC, "kt_0_x"), 401).await;
    assert!(message.contains("not known"), "{message}");
    let none = "GET /clusters/c/api HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert!(refused(&mut world, none, 401).await.contains("no credential"));
    let stored = world.stop().await;
    // A credential that was refused is in the journal; a request without one is not.
    assert_eq!(stored.refusals().len(), 2);
    assert!(stored.headers.is_empty());
}

#[tokio::test]
async fn certificates_that_are_no_longer_or_never_were_good() {
    let mut world = World::new().await;
    let jane = || format!("GET {EXEC} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let (expired, expired_key) = world.expired_certificate("jane");
    let folder = tempfile::tempdir().unwrap();
    let other = identity::Authority::load_or_create(&folder.path().join("ca")).unwrap();
    let (foreign, foreign_key) = other.issue_client("jane", &[], Duration::from_secs(3600)).unwrap();
    let (server, server_key) = world.authority.issue_server(&["jane".to_owned()]).unwrap();
    for (certificate, key, part) in [
        (expired, expired_key, "has expired"),
        (foreign, foreign_key, "not issued by this gateway's CA"),
        (server, server_key, "cannot be used"),
    ] {
        let mut client = world.client_with(&certificate, &key).await;
        client.send(jane()).await;
        let message = client.answer().await.status(401);
        assert!(message.contains(part), "{message}");
        let mut client = world.client_with(&certificate, &key).await;
        client.send("GET /clusters/c/api HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(client.answer().await.status(401).contains(part));
    }
    world.upstream.assert_untouched().await;
}

#[tokio::test]
async fn denials_by_every_transport_leave_no_recording() {
    let mut world = World::new().await;
    let joe = world.joe.clone();
    for request in [websocket(EXEC, &joe), spdy(EXEC, &joe), spdy(&EXEC.replace("/exec", "/attach"), &joe)] {
        assert!(refused(&mut world, request, 403).await.contains("rule joe refuses"));
    }
    let patch = format!(
        "PATCH /clusters/c/api/v1/namespaces/default/pods/web/ephemeralcontainers HTTP/1.1\r\nHost: x\r\n\
         Authorization: Bearer {joe}\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    assert!(refused(&mut world, patch, 403).await.contains("refuses ephemeral_containers"));
    let stored = world.stop().await;
    assert!(stored.headers.is_empty());
    assert_eq!(stored.refusals().len(), 4);
    assert_eq!(stored.refusals()[0].target.container, "app");
}

#[tokio::test]
async fn unrecorded_paths() {
    let mut world = World::new().await;
    let jane = world.jane.clone();
    for target in [
        "/clusters/c/api/v1/nodes/n/proxy/run/default/web/app?cmd=id",
        "/clusters/c/api/v1/nodes/n:10250/proxy/exec/default/web/app",
        "/clusters/c/api/v1/namespaces/default/pods/web/proxy/",
        "/clusters/c/api/v1/namespaces/default/services/https:s:443/proxy/x",
        "/clusters/c/api/v1/proxy/nodes/n/exec",
    ] {
        assert!(refused(&mut world, get(target, &jane), 403).await.contains("refuses the unrecorded path"), "{target}");
        refused(&mut world, websocket(target, &jane), 403).await;
    }
    for target in [
        "/clusters/c/api/v1/namespaces/default/pods/web/log?follow=true",
        "/clusters/c/api/v1/pods?watch=1",
        "/clusters/c/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachineinstances/v/console",
        "/clusters/c/version",
    ] {
        assert!(
            refused(&mut world, websocket(target, &jane), 403).await.contains("refuses the unrecorded path"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn unrecorded_paths_that_policy_opens_carry_no_upgrade() {
    let mut world = World::with(|settings| {
        let mut policy = (*settings.policy).clone();
        policy.rules[0].side_doors = vec![access::BypassPath::NodeProxy, access::BypassPath::WebSocket];
        settings.policy = policy.into();
    })
    .await;
    let jane = world.jane.clone();
    for target in ["/clusters/c/api/v1/nodes/n/proxy/exec/a/b/c", "/clusters/c/api/v1/pods?watch=1"] {
        assert!(refused(&mut world, websocket(target, &jane), 403).await.contains("cannot record"));
    }
    let run = get("/clusters/c/api/v1/nodes/n/proxy/run/default/web/app?cmd=id", &jane).replacen("GET", "POST", 1);
    assert!(refused(&mut world, run, 403).await.contains("nodes/proxy is for reading"));
}

#[tokio::test]
async fn ambiguous_paths() {
    let mut world = World::new().await;
    let jane = world.jane.clone();
    let pod = "/clusters/c/api/v1/namespaces/default/pods/web";
    for target in [
        format!("{pod}//exec"),
        format!("{pod}/./exec"),
        format!("{pod}/../web/exec"),
        format!("{pod}/%2e%2e/web/exec"),
        format!("{pod}%2fexec"),
        format!("{pod}/%2565xec"),
        format!("{pod}/exec%00"),
        format!("{pod}/exec/"),
        format!("{pod}/exec/x"),
        "/clusters/c/api/v1/pods/web/exec".to_owned(),
        "/clusters/c//api/v1/namespaces/default/pods/web/exec".to_owned(),
        "/clusters//api".to_owned(),
    ] {
        for request in [websocket(&target, &jane), spdy(&target, &jane), get(&target, &jane)] {
            let message = refused(&mut world, request, 400).await;
            assert!(message.contains("ambiguous URL"), "{target}: {message}");
        }
    }
    assert!(world.stop().await.headers.is_empty());
}

#[tokio::test]
async fn malformed_upgrades() {
    let mut world = World::new().await;
    let jane = world.jane.clone();
    let good = websocket(EXEC, &jane);
    for (from, to) in [
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: SPDY/3.1"),
        ("Upgrade: websocket", "Upgrade: spdy/3.1x"),
        ("Connection: Upgrade", "Connection: close"),
        ("Upgrade: websocket", "Content-Length: 5\r\nUpgrade: websocket"),
        ("Upgrade: websocket", "Content-Length: 0\r\nContent-Length: 0\r\nUpgrade: websocket"),
        ("Upgrade: websocket", "Transfer-Encoding: chunked\r\nUpgrade: websocket"),
        ("Upgrade: websocket", "Upgrade : websocket"),
        ("Upgrade: websocket", "X: a\r\n folded\r\nUpgrade: websocket"),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: short"),
        ("Sec-WebSocket-Key: ", "X: "),
        ("Host: localhost", "Host: localhost\r\nHost: other"),
        (" HTTP/1.1", " HTTP/1.0"),
        ("command=sh", "command=%zz"),
        ("command=sh", "command=sh#x"),
        ("Authorization: Bearer", "Authorization: Bearer x\r\nAuthorization: Bearer"),
    ] {
        refused(&mut world, good.replacen(from, to, 1), 400).await;
    }
    let h2c = get("/clusters/c/api", &jane)
        .replace("\r\n\r\n", "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n");
    refused(&mut world, h2c, 400).await;
    let lengths = get("/clusters/c/api", &jane)
        .replace("\r\n\r\n", "\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(refused(&mut world, lengths, 400).await.contains("read in two ways"));
    let plain = get(EXEC, &jane);
    assert_eq!(refused(&mut world, plain, 400).await, "Upgrade request required");
    refused(&mut world, good.replacen("GET", "PUT", 1), 405).await;
    let stored = world.stop().await;
    // Everything that could be read, with what is known of sender and target.
    let (of_jane, of_nobody) = (stored.refusals_of("jane"), stored.refusals_of(""));
    assert_eq!((of_jane.len(), of_nobody.len()), (19, 1));
    assert!(of_nobody[0].reason.contains("more than one Authorization"), "{of_nobody:?}");
    let of_exec = of_jane.iter().filter(|request| (request.verb.as_str(), &*request.target.name) == ("exec", "web"));
    assert_eq!(of_exec.count(), 17);
    assert!(of_jane.iter().any(|request| request.reason.contains("only websocket and SPDY/3.1")));
    assert!(stored.headers.is_empty());
}

#[tokio::test]
async fn a_body_with_two_lengths_is_refused_on_every_request_of_a_connection() {
    let mut world = World::new().await;
    let jane = world.jane.clone();
    let good = get("/clusters/x/api", &jane);
    let bad = |target: &str, lines: &str| {
        let head = get(target, &jane).replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
        // A server that reads the other length finds this request in the body.
        format!("{}0\r\n\r\n{}", head.replacen("GET", "POST", 1), get("/clusters/c/api/v1/smuggled", &jane))
    };
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
    ] {
        for before in 0..3 {
            for target in ["/clusters/c/api/v1/namespaces", "/healthz"] {
                if before == 0 && target == "/healthz" {
                    // The first request of a connection has no health to ask for, with two lengths.
                    continue;
                }
                let mut client = world.client().await;
                for _ in 0..before {
                    client.send(&good).await;
                    client.answer().await.status(404);
                }
                client.send(bad(target, lines)).await;
                let head = client.head().await;
                assert!(head.starts_with("HTTP/1.1 400 "), "{lines:?} behind {before}: {head}");
                assert!(head.to_ascii_lowercase().contains("connection: close"), "{head}");
                let closed = tokio::time::timeout(Duration::from_secs(20), client.abandoned()).await;
                closed.expect("the connection is closed");
                world.upstream.assert_untouched().await;
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_request_is_journalled_where_a_certificate_says_whose_it_is() {
    let mut world = World::new().await;
    let (certificate, key) = world.authority.issue_client("ann", &[], Duration::from_secs(3600)).unwrap();
    for request in ["GET / HTTP/1.1\r\nUpgrade : websocket\r\n\r\n", "no HTTP at all\r\n\r\n"] {
        let mut client = world.client_with(&certificate, &key).await;
        client.send(request).await;
        client.answer().await.status(400);
        refused(&mut world, request, 400).await;
    }
    let stored = world.stop().await;
    let codes: Vec<u16> = stored.refusals_of("ann").iter().map(|request| request.code).collect();
    assert_eq!((codes, stored.refusals().len()), (vec![400, 400], 2));
}

#[tokio::test]
async fn more_unauthenticated_requests_than_get_an_entry_are_summed_up() {
    let world = World::new().await;
    let mut client = world.client().await;
    // All at once, so that they take less than the six seconds in which each could get an entry.
    client.send(get("/clusters/c/api", "kt_0_x").repeat(300)).await;
    for _ in 0..300 {
        client.answer().await.status(401);
    }
    drop(client);
    let stored = world.stop().await;
    let more = |reason: &str| reason.split_once(" more without a good credential")?.0.parse::<usize>().ok();
    let (sums, told): (Vec<_>, Vec<_>) =
        stored.refusals_of("").into_iter().map(|request| more(&request.reason)).partition(Option::is_some);
    assert!(!sums.is_empty() && told.len() < 300, "{}", told.len());
    assert_eq!(told.len() + sums.into_iter().flatten().sum::<usize>(), 300);
}

#[tokio::test]
async fn heads_without_an_end() {
    let mut world = World::new().await;
    let endless = format!("GET /{} ", "x".repeat((1 << 20) + 4096));
    refused(&mut world, endless, 431).await;
    let lines = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(3000));
    refused(&mut world, lines, 431).await;
    let long = get(&format!("/clusters/c/api/v1/pods?labelSelector={}", "x".repeat(70_000)), &world.jane);
    refused(&mut world, long, 414).await;
    let stored = world.stop().await;
    let [request] = stored.refusals_of("jane")[..] else { panic!("{:?}", stored.journal) };
    assert_eq!((request.code, &*request.verb, &*request.target.resource), (414, "list", "pods"));
}

#[tokio::test]
async fn other_peoples_names() {
    let mut world = World::new().await;
    let jane = world.jane.clone();
    for line in ["Impersonate-User: system:admin", "Impersonate-Group: dev", "Impersonate-Uid: 7"] {
        for good in [get("/clusters/c/api", &jane), websocket(EXEC, &jane)] {
            let request = good.replacen("Host: localhost", &format!("Host: localhost\r\n{line}"), 1);
            assert!(refused(&mut world, request, 403).await.contains("remove --as"), "{line}");
        }
    }
}

#[tokio::test]
async fn clusters_and_places_that_are_not_there() {
    let mut world = World::new().await;
    let jane = world.jane.clone();
    assert!(refused(&mut world, get("/clusters/x/api", &jane), 404).await.contains("no cluster \"x\""));
    assert!(refused(&mut world, get("/api/v1/pods", &jane), 404).await.contains("/clusters/<name>"));
    let message = refused(&mut world, get("/clusters/gone/api", &jane), 503).await;
    assert!(message.contains("cluster \"gone\" is unreachable: cannot connect"), "{message}");
    let message = refused(&mut world, spdy(&EXEC.replace("/c/", "/gone/"), &jane), 503).await;
    assert!(message.contains("cluster \"gone\" is unreachable: cannot connect"), "{message}");
    world.stop().await.only();
}

#[tokio::test]
async fn a_store_that_cannot_be_written() {
    let mut world = World::new().await;
    world.store.fail();
    let jane = world.jane.clone();
    let message = refused(&mut world, websocket(EXEC, &jane), 503).await;
    assert!(message.contains("no session without a recording"), "{message}");
}

#[tokio::test]
async fn people_without_a_credential_do_not_hold_h2_connections() {
    let world = World::with(|settings| settings.limits.head = Duration::from_secs(3)).await;
    let mut client = world.client().await;
    // The preface and empty SETTINGS, and nothing after them.
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    tokio::time::timeout(Duration::from_secs(20), client.abandoned()).await.expect("the connection is closed");
}

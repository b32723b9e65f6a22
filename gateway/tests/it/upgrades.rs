//! The handshake: what the upstream sees of an upgrade request, and the client of its answer.

use recording::Outcome;

use crate::{client::Client, upstream::Connection, world::World};

pub const EXEC: &str = "/clusters/c/api/v1/namespaces/default/pods/web/exec?command=sh&container=app&stdout=true";

/// kubectl's WebSocket request.
pub fn websocket(target: &str, token: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kubectl/v1.33.1\r\nAuthorization: Bearer {token}\r\n\
         Connection: Upgrade\r\nKubectl-Command: kubectl exec\r\nKubectl-Session: s-1\r\n\
         Sec-WebSocket-Key: 0ah0bBkU1NfCxDVVqpOofg==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\
         Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
    )
}

/// kubectl's SPDY request.
pub fn spdy(target: &str, token: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nAuthorization: Bearer {token}\r\n\
         Connection: Upgrade\r\nKubectl-Session: s-1\r\nUpgrade: SPDY/3.1\r\n\
         X-Stream-Protocol-Version: v5.channel.k8s.io\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\
         X-Stream-Protocol-Version: v3.channel.k8s.io\r\nX-Stream-Protocol-Version: v2.channel.k8s.io\r\n\
         X-Stream-Protocol-Version: channel.k8s.io\r\n\r\n"
    )
}

pub const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";
pub const SWITCHED_SPDY: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nDate: now\r\n\r\n";

/// Sends a request, answers it, and gives both ends of the session.
pub async fn session(request: String, world: &mut World, answer: &str) -> (Client, Connection) {
    let mut client = world.client().await;
    client.send(request).await;
    let mut upstream = world.upstream.next().await;
    upstream.write(answer).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    (client, upstream)
}

#[tokio::test]
async fn the_request_is_rebuilt_and_the_person_impersonated() {
    let mut world = World::new().await;
    let (client, upstream) = session(spdy(EXEC, &world.jane), &mut world, SWITCHED_SPDY).await;
    assert_eq!(
        upstream.request_line(),
        "POST /base/api/v1/namespaces/default/pods/web/exec?command=sh&container=app&stdout=true HTTP/1.1"
    );
    assert_eq!(upstream.header("authorization"), ["Bearer the-gateway"]);
    assert_eq!(upstream.header("impersonate-user"), ["jane"]);
    assert_eq!(upstream.header("impersonate-group"), ["dev", "ops"]);
    assert_eq!(upstream.header("impersonate-extra-kubetape.dev%2fgateway"), ["gw"]);
    assert_eq!(upstream.header("connection"), ["Upgrade"]);
    assert_eq!(upstream.header("upgrade"), ["SPDY/3.1"]);
    let lines = "X-Stream-Protocol-Version: v5.channel.k8s.io\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\
                 X-Stream-Protocol-Version: v3.channel.k8s.io\r\nX-Stream-Protocol-Version: v2.channel.k8s.io\r\n\
                 X-Stream-Protocol-Version: channel.k8s.io\r\n";
    assert!(upstream.head.contains(lines), "{}", upstream.head);
    drop((client, upstream));
}

#[tokio::test]
async fn a_narrowed_session_is_recorded_as_what_it_was() {
    let mut world = World::new().await;
    let narrow = "Connection: Upgrade\r\nImpersonate-User: jane\r\nImpersonate-Group: ops\r\n";
    let request = websocket(EXEC, &world.jane).replace("Connection: Upgrade\r\n", narrow);
    let (client, upstream) = session(request, &mut world, SWITCHED).await;
    assert_eq!(upstream.header("impersonate-group"), ["ops"]);
    drop((client, upstream));
    let stored = world.stop().await;
    assert_eq!(stored.headers[0].kubetape.impersonation.groups, ["ops"]);
    assert_eq!(stored.only().session.impersonation.groups, ["ops"]);
}

/// What a client could say of its address and of the id under which the API server's audit log has its request.
const CLAIMS: &str = "Audit-ID: 00000000-0000-7000-8000-000000000000\r\nAUDIT-ID: mine\r\naudit_id: mine\r\nX-Real-Ip: 192.0.2.1\r\n\
    x_real_ip: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-FORWARDED-FOR: 192.0.2.2\r\nForwarded: for=192.0.2.1\r\n\
    X-Client-IP: 192.0.2.1\r\nTrue-Client-Ip: 192.0.2.1\r\n";

#[tokio::test]
async fn the_audit_log_of_the_api_server_gets_the_recordings_id_and_the_address_that_was_seen() {
    for (head, answer) in [(websocket(EXEC, "TOKEN"), SWITCHED), (spdy(EXEC, "TOKEN"), SWITCHED_SPDY)] {
        let mut world = World::new().await;
        let head =
            head.replace("TOKEN", &world.jane).replace("Host: localhost\r\n", &format!("Host: localhost\r\n{CLAIMS}"));
        let (client, upstream) = session(head, &mut world, answer).await;
        let audit_id: Vec<String> = upstream.header("audit-id").into_iter().map(str::to_owned).collect();
        assert_eq!(upstream.header("x-forwarded-for"), ["127.0.0.1"]);
        assert!(!upstream.head.contains("192.0.2.") && !upstream.head.contains("mine"), "{}", upstream.head);
        drop((client, upstream));
        let stored = world.stop().await;
        assert_eq!(audit_id, [stored.only().session.id.to_string()]);
    }
}

#[tokio::test]
async fn a_101_is_rebuilt_for_strict_clients() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(spdy(EXEC, &world.jane)).await;
    let mut upstream = world.upstream.next().await;
    upstream.write(SWITCHED_SPDY).await;
    let head = client.head().await;
    // kube-rs takes no list here.
    assert!(head.contains("\r\nConnection: Upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nUpgrade: SPDY/3.1\r\n"), "{head}");
    assert!(head.contains("\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"), "{head}");
}

#[tokio::test]
async fn websocket_lines_cross_untouched_and_without_extensions() {
    let mut world = World::new().await;
    let request = websocket(EXEC, &world.jane)
        .replace("Upgrade: websocket", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: websocket");
    let (_client, upstream) = session(request, &mut world, SWITCHED).await;
    assert_eq!(upstream.header("sec-websocket-key"), ["0ah0bBkU1NfCxDVVqpOofg=="]);
    assert_eq!(upstream.header("sec-websocket-protocol"), ["v5.channel.k8s.io"]);
    assert!(upstream.header("sec-websocket-extensions").is_empty());
}

#[tokio::test]
async fn an_empty_protocol_crosses_as_an_empty_protocol() {
    let mut world = World::new().await;
    let request = websocket(EXEC, &world.jane).replace("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n", "");
    let mut client = world.client().await;
    client.send(request).await;
    let mut upstream = world.upstream.next().await;
    upstream.write(SWITCHED.replace("v5.channel.k8s.io", "")).await;
    assert!(client.head().await.contains("Sec-Websocket-Protocol: \r\n"));
}

#[tokio::test]
async fn a_token_among_the_protocols_logs_in_and_goes_no_further() {
    let mut world = World::new().await;
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let offered = format!(
        "base64url.bearer.authorization.k8s.io.{}, v4.channel.k8s.io",
        BASE64_URL_SAFE_NO_PAD.encode(&world.jane)
    );
    let request = websocket(EXEC, "-")
        .replace("Authorization: Bearer -\r\n", "")
        .replace("Protocol: v5.channel.k8s.io", &format!("Protocol: {offered}"));
    let (_client, upstream) = session(request, &mut world, &SWITCHED.replace("v5.", "v4.")).await;
    assert_eq!(upstream.header("sec-websocket-protocol"), ["v4.channel.k8s.io"]);
    assert_eq!(upstream.header("authorization"), ["Bearer the-gateway"]);
}

#[tokio::test]
async fn headers_named_by_connection_cannot_strip_the_gateways() {
    let mut world = World::new().await;
    let request = websocket(EXEC, &world.jane)
        .replace("Connection: Upgrade", "Connection: Upgrade, Impersonate-User, Authorization");
    // The client's own Authorization is what its list names: it is read first, then gone.
    let (_client, upstream) = session(request, &mut world, SWITCHED).await;
    assert_eq!(upstream.header("connection"), ["Upgrade"]);
    assert_eq!(upstream.header("impersonate-user"), ["jane"]);
    assert_eq!(upstream.header("authorization"), ["Bearer the-gateway"]);
}

#[tokio::test]
async fn connection_values_that_servers_accept_are_recorded() {
    for connection in ["x-upgrade-y", "UPGRADE", "keep-alive, Upgrade", "keep-alive\r\nConnection: upgrade"] {
        let mut world = World::new().await;
        let request = websocket(EXEC, &world.jane).replace("Connection: Upgrade", &format!("Connection: {connection}"));
        let (client, upstream) = session(request, &mut world, SWITCHED).await;
        assert_eq!(upstream.header("connection"), ["Upgrade"], "{connection}");
        drop((client, upstream));
        world.stop().await.only();
    }
}

#[tokio::test]
async fn a_url_of_100_kb_works() {
    let mut world = World::new().await;
    let long = format!("{EXEC}&command={}", "x".repeat(100_000));
    let (_client, upstream) = session(spdy(&long, &world.jane), &mut world, SWITCHED_SPDY).await;
    assert!(upstream.request_line().len() > 100_000);
}

#[tokio::test]
async fn hundreds_of_headers_are_no_obstacle() {
    let mut world = World::new().await;
    let many = (0..500).map(|n| format!("X-Many-{n}: 1\r\n")).collect::<String>();
    let request = websocket(EXEC, &world.jane).replace("Host: localhost\r\n", &format!("Host: localhost\r\n{many}"));
    let (_client, upstream) = session(request, &mut world, SWITCHED).await;
    assert_eq!(upstream.header("x-many-499"), ["1"]);
}

#[tokio::test]
async fn an_upgrade_on_a_used_connection_works_too() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "ok");
    client.send(websocket(EXEC, &world.jane)).await;
    let mut upstream = world.upstream.next().await;
    upstream.write([SWITCHED.as_bytes(), b"\x82\x01\x01"].concat()).await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(client.read(3).await, b"\x82\x01\x01");
    drop((client, upstream));
    world.stop().await.only();
}

#[tokio::test]
async fn the_upstreams_refusal_passes_unchanged_and_its_recording_says_so() {
    let body =
        r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods \"web\" not found","code":404}"#;
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for answer in [
        format!("HTTP/1.1 404 Not Found\r\nAudit-Id: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        format!("HTTP/1.1 404 Not Found\r\nAudit-Id: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
    ] {
        let mut world = World::new().await;
        let mut client = world.client().await;
        client.send(spdy(EXEC, &world.jane)).await;
        world.upstream.next().await.write(answer).await;
        let seen = client.answer().await;
        assert_eq!((seen.code(), seen.body.as_str()), (404, body));
        assert!(seen.head.contains("\r\nAudit-Id: a\r\n"));
        let message = "pods \"web\" not found".to_owned();
        assert_eq!(world.stop().await.only().outcome, Outcome::FailedToStart { message });
    }
}

#[tokio::test]
async fn a_refusal_without_a_word_is_given_some() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(spdy(EXEC, &world.jane)).await;
    world.upstream.next().await.write("HTTP/1.1 414 URI Too Long\r\nContent-Length: 0\r\n\r\n").await;
    assert!(client.answer().await.status(414).contains("its API server answered 414 URI Too Long"));
}

#[tokio::test]
async fn a_refused_websocket_and_its_spdy_retry_are_one_recording() {
    let mut world = World::new().await;
    let mut first = world.client().await;
    first.send(websocket(EXEC, &world.jane)).await;
    world.upstream.next().await.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(first.answer().await.code(), 403);
    let (client, upstream) = session(spdy(EXEC, &world.jane), &mut world, SWITCHED_SPDY).await;
    drop((client, upstream));
    world.stop().await.only();
}

#[tokio::test]
async fn another_persons_retry_is_another_recording() {
    let mut world = World::new().await;
    let target = EXEC.replace("exec?command=sh&container=app&stdout=true", "portforward");
    let mut first = world.client().await;
    first.send(websocket(&target, &world.jane).replace("v5.channel", "v4.channel")).await;
    world.upstream.next().await.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(first.answer().await.code(), 403);
    let mut second = world.client().await;
    second.send(spdy(&target, &world.joe)).await;
    world.upstream.next().await.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(second.answer().await.code(), 403);
    assert_eq!(world.stop().await.manifests.len(), 2);
}

#[tokio::test]
async fn a_101_that_cannot_be_decoded_is_refused() {
    for answer in [
        SWITCHED.replace("v5.channel.k8s.io", "v9.channel.k8s.io"),
        SWITCHED.replace("Sec-WebSocket-Accept: x", "Sec-WebSocket-Extensions: permessage-deflate"),
        SWITCHED.replace("Upgrade: websocket", "Upgrade: h2c"),
        SWITCHED.replace("Connection: Upgrade", "Connection: close"),
    ] {
        let mut world = World::new().await;
        let mut client = world.client().await;
        client.send(websocket(EXEC, &world.jane)).await;
        world.upstream.next().await.write(answer).await;
        assert!(client.answer().await.status(502).contains("cluster \"c\""));
        assert!(matches!(world.stop().await.only().outcome, Outcome::FailedToStart { .. }));
    }
}

#[tokio::test]
async fn more_sessions_than_a_person_may_have_are_refused_until_one_ends() {
    let mut world = World::with(|settings| settings.limits.sessions_per_person = 1).await;
    let (first, upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let live = world.gateway.live_of("jane")[0];
    let mut second = world.client().await;
    second.send(websocket(EXEC, &world.jane)).await;
    let refused = second.answer().await.status(429);
    assert_eq!(refused, "you have 1 sessions at this gateway, and more are not allowed: end one first");
    drop((first, upstream));
    world.gateway.left(live).await;
    session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let stored = world.stop().await;
    let [request] = stored.refusals_of("jane")[..] else { panic!("{:?}", stored.journal) };
    assert_eq!((request.code, &*request.verb, &*request.target.name), (429, "exec", "web"));
    assert_eq!((&request.reason, &*request.kubectl_session), (&refused, "s-1"));
}

#[tokio::test]
async fn more_sessions_than_a_gateway_records_are_refused() {
    let mut world = World::with(|settings| settings.limits.sessions = 1).await;
    let _first = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let mut second = world.client().await;
    second.send(spdy(EXEC, &world.jane)).await;
    assert_eq!(second.answer().await.status(429), "the gateway records all sessions it can: 1");
}

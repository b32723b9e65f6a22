//! What connections may take before a credential is seen on them.

use std::time::Duration;

use listener::{HeadBudget, TrustedProxies};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{self, Client},
    upgrades::{EXEC, spdy},
    world::World,
};

fn get(target: &str, token: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

/// Header lines of a kilobyte each.
fn lines(count: usize) -> String {
    format!("X-Long: {}\r\n", "x".repeat(1014)).repeat(count)
}

#[tokio::test]
async fn a_head_without_a_credential_is_short() {
    let world = World::new().await;
    let mut client = world.client().await;
    // No end: what is more than 64 KiB is not waited for.
    client.send(format!("GET /clusters/c/api HTTP/1.1\r\n{}", lines(70))).await;
    assert!(client.answer().await.status(431).contains("65536 bytes"));
}

#[tokio::test]
async fn a_head_with_a_credential_may_be_long() {
    let world = World::new().await;
    let rest = format!("Host: x\r\n{}\r\n", lines(200));
    let mut client = world.client().await;
    client.send(format!("GET /clusters/x/api HTTP/1.1\r\nAuthorization: Bearer {}\r\n{rest}", world.jane)).await;
    client.answer().await.status(404);
    // On the same connection, whose sender is known by now.
    client
        .send(format!("GET /clusters/x/api HTTP/1.1\r\n{}Authorization: Bearer {}\r\n{rest}", lines(70), world.jane))
        .await;
    client.answer().await.status(404);
    let (certificate, key) = world.authority.issue_client("jane", &[], Duration::from_secs(3600)).unwrap();
    let mut client = world.client_with(&certificate, &key).await;
    client.send(format!("GET /clusters/x/api HTTP/1.1\r\n{rest}")).await;
    client.answer().await.status(404);
}

#[tokio::test]
async fn a_connection_without_a_credential_has_no_long_head_later_either() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.code(), 200);
    client.send(format!("GET /clusters/c/api HTTP/1.1\r\n{}", lines(70))).await;
    assert!(client.head().await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn unfinished_heads_have_a_budget_in_common() {
    // An eighth of it, 32 KiB, is what one address may take.
    let world = World::with(|settings| settings.heads = HeadBudget::new(256 << 10)).await;
    let mut first = world.client().await;
    first.send(format!("GET /{}", "x".repeat(34 << 10))).await;
    // Ordinary requests need none of it: the gateway has read the first head as far as it goes when this is answered 503.
    let refused = async {
        loop {
            let mut second = world.client().await;
            second.send(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(30 << 10))).await;
            if second.answer().await.code() == 503 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused).await.expect("the budget is taken");
    let mut jane = world.client().await;
    jane.send(format!("GET /clusters/x/api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", world.jane)).await;
    jane.answer().await.status(404);
    drop(first);
}

#[tokio::test]
async fn an_address_has_few_connections_without_a_credential() {
    let mut world = World::with(|settings| settings.limits.unauthenticated_per_address = 1).await;
    let (certificate, key) = world.authority.issue_client("jane", &[], Duration::from_secs(3600)).unwrap();
    // Connections with a credential do not count.
    let mut known = Vec::new();
    for _ in 0..3 {
        let mut client = world.client_with(&certificate, &key).await;
        client.send("GET /clusters/c/api HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut upstream = world.upstream.next().await;
        upstream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!(client.answer().await.code(), 200);
        known.push(client);
    }
    let mut silent = world.client().await;
    // The one that came first has to go; the newcomer is served.
    let mut second = world.client().await;
    tokio::time::timeout(Duration::from_secs(20), silent.abandoned()).await.expect("it is closed at once");
    second.send(get("/clusters/x/api", &world.jane)).await;
    second.answer().await.status(404);
}

#[tokio::test]
async fn when_all_places_are_taken_strangers_go_and_people_stay() {
    let world = World::with(|settings| {
        (settings.limits.connections, settings.limits.unauthenticated_per_address) = (3, 3);
    })
    .await;
    let mut jane = world.client().await;
    jane.send(get("/clusters/x/api", &world.jane)).await;
    jane.answer().await.status(404);
    let (mut oldest, mut later) = (world.client().await, world.client().await);
    let mut joe = world.client().await;
    tokio::time::timeout(Duration::from_secs(20), oldest.abandoned()).await.expect("it is closed at once");
    for (client, token) in [(&mut joe, &world.joe), (&mut later, &world.joe), (&mut jane, &world.jane)] {
        client.send(get("/clusters/x/api", token)).await;
        client.answer().await.status(404);
    }
    // All three are people's now: one more waits until one of them goes.
    let (tls, address) = (client::tls(world.authority.ca_pem(), None), world.address);
    let waiting = tokio::spawn(async move { Client::connect(tls, address).await });
    joe.send(get("/clusters/x/api", &world.joe)).await;
    joe.answer().await.status(404);
    assert!(!waiting.is_finished());
    drop(later);
    let mut next = waiting.await.unwrap();
    next.send(get("/clusters/x/api", &world.jane)).await;
    next.answer().await.status(404);
}

#[tokio::test]
async fn one_person_has_few_connections_and_is_told_so() {
    let world = World::with(|settings| settings.limits.connections_per_person = 2).await;
    let mut known = Vec::new();
    for _ in 0..2 {
        let mut client = world.client().await;
        client.send(get("/clusters/x/api", &world.jane)).await;
        client.answer().await.status(404);
        known.push(client);
    }
    let mut third = world.client().await;
    third.send(get("/clusters/x/api", &world.jane)).await;
    assert!(third.answer().await.status(429).contains("2 connections of yours"));
    let mut joe = world.client().await;
    joe.send(get("/clusters/x/api", &world.joe)).await;
    joe.answer().await.status(404);
    drop((known, third, joe));
    let stored = world.stop().await;
    let codes: Vec<u16> = stored.refusals_of("jane").iter().map(|request| request.code).collect();
    assert_eq!(codes, [404, 404, 429]);
}

#[tokio::test]
async fn an_h2_connection_without_requests_is_closed_whoevers_it_is() {
    let world = World::with(|settings| settings.limits.idle = Duration::from_millis(200)).await;
    let (certificate, key) = world.authority.issue_client("jane", &[], Duration::from_secs(3600)).unwrap();
    let mut client = world.client_with(&certificate, &key).await;
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    tokio::time::timeout(Duration::from_secs(20), client.abandoned()).await.expect("the connection is closed");
}

/// A balancer's connection: its PROXY header, and then TLS.
async fn through_balancer(world: &World, header: &[u8]) -> Client {
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(header).await.unwrap();
    Client::over(client::tls(world.authority.ca_pem(), None), tcp).await
}

#[tokio::test]
async fn a_trusted_balancer_says_whose_the_connection_is() {
    let world = World::with(|settings| {
        settings.trusted_proxies = TrustedProxies::parse(&["127.0.0.0/8"]).unwrap();
        settings.limits.unauthenticated_per_address = 1;
    })
    .await;
    let v2 =
        [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[198, 51, 100, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb]].concat();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec();
    let v1 = b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n".to_vec();
    // All at once: it is the address behind the balancer that may have one.
    let mut clients = Vec::new();
    for header in [v1, v2.clone(), local] {
        clients.push(through_balancer(&world, &header).await);
    }
    for client in &mut clients {
        client.send(get("/clusters/x/api", &world.jane)).await;
        client.answer().await.status(404);
    }
    // A recording, of a session that cannot be dialled.
    let mut exec = through_balancer(&world, &v2).await;
    exec.send(spdy(&EXEC.replace("/c/", "/gone/"), &world.jane)).await;
    exec.answer().await.status(503);
    let (mut stranger, _next) = (through_balancer(&world, &v2).await, through_balancer(&world, &v2).await);
    tokio::time::timeout(Duration::from_secs(20), stranger.abandoned()).await.expect("two of one address");
    drop((clients, exec, stranger, _next));
    let stored = world.stop().await;
    let [header] = &stored.headers[..] else { panic!("{:?}", stored.headers) };
    assert_eq!(header.kubetape.client, "198.51.100.7:56324");
    let from: Vec<_> = stored.refusals_of("jane").iter().map(|request| request.client.clone()).collect();
    assert_eq!(from[..2], ["[2001:db8::7]:4711", "198.51.100.7:56324"]);
    assert!(from[2].starts_with("127.0.0.1:"), "{from:?}");
}

#[tokio::test]
async fn a_trusted_balancers_connection_without_a_header_is_closed() {
    let world = World::with(|settings| settings.trusted_proxies = TrustedProxies::parse(&["127.0.0.1"]).unwrap()).await;
    for start in [&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 a TLS hello"[..], b"PROXY TCP4 nonsense\r\n"] {
        let mut tcp = TcpStream::connect(world.address).await.unwrap();
        tcp.write_all(start).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(20), tcp.read(&mut [0; 1])).await;
        assert!(matches!(closed.expect("it is closed at once"), Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let world =
        World::with(|settings| settings.trusted_proxies = TrustedProxies::parse(&["10.0.0.0/8"]).unwrap()).await;
    let mut tcp = TcpStream::connect(world.address).await.unwrap();
    tcp.write_all(b"PROXY TCP4 198.51.100.7 10.0.0.1 56324 443\r\n").await.unwrap();
    // It is taken for a TLS record, and is none.
    let closed = tokio::time::timeout(Duration::from_secs(20), tcp.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "the connection is closed");
    let mut client = world.client().await;
    client.send(get("/clusters/x/api", &world.jane)).await;
    client.answer().await.status(404);
    drop(client);
    let stored = world.stop().await;
    let [refusal] = stored.refusals_of("jane")[..] else { panic!("{:?}", stored.journal) };
    assert!(refusal.client.starts_with("127.0.0.1:"), "{refusal:?}");
}

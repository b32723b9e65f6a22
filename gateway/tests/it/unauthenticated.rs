//! What connections may take before a credential is seen on them.

use std::time::Duration;

use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::world::World;

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
    let world = World::with(|settings| settings.limits.unfinished_heads = 32 << 10).await;
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
    let _silent = world.client().await;
    let mut second = TcpStream::connect(world.address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(20), second.read(&mut [0; 1])).await;
    assert!(matches!(closed.expect("it is closed at once"), Ok(0) | Err(_)));
}

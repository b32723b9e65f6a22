//! The policy is exchanged while the gateway serves.

use gateway::PolicyExchangeError;
use recording::journal::JournalEvent;

use crate::{
    upgrades::{EXEC, SWITCHED, session, websocket},
    world::{World, policy},
};

fn get(target: &str, token: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

#[tokio::test]
async fn the_next_request_is_decided_by_the_new_policy_and_sessions_keep_their_permit() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    // One connection, so that it is seen that it does not keep an old policy either.
    let mut joe = world.client().await;
    joe.send(get("/clusters/c/api", &world.joe)).await;
    world.upstream.next().await.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(joe.answer().await.code(), 200);

    let mut other = policy();
    other.rules.remove(1);
    other.rules[0].deny = vec![access::Action::Exec];
    world.gateway.exchange_policy(other, vec!["policy.rules.1".to_owned()]).await.unwrap();

    joe.send(get("/clusters/c/api", &world.joe)).await;
    assert!(joe.answer().await.status(403).contains("no rule of the policy allows it"));
    let mut second = world.client().await;
    second.send(websocket(EXEC, &world.jane)).await;
    assert!(second.answer().await.status(403).contains("rule jane refuses exec"));
    upstream.write(b"\x82\x06\x01hello").await;
    assert_eq!(client.read(8).await, b"\x82\x06\x01hello");

    world.gateway.exchange_policy(policy(), vec!["policy.rules.1".to_owned()]).await.unwrap();
    joe.send(get("/clusters/c/api", &world.joe)).await;
    drop(world.upstream.next().await);
    joe.answer().await.status(502);
    drop((client, upstream, joe, second));
    let stored = world.stop().await;
    assert_eq!(stored.only().session.rule, "jane");
    let configured = JournalEvent::Configured { changed: vec!["policy.rules.1".to_owned()] };
    assert_eq!(stored.journal.iter().filter(|entry| entry.what == configured).count(), 2);
}

#[tokio::test]
async fn a_policy_that_cannot_be_used_changes_nothing() {
    let mut world = World::new().await;
    let mut bad = policy();
    bad.rules[0].name = "joe".to_owned();
    let refused = world.gateway.exchange_policy(bad, vec!["policy".to_owned()]).await;
    assert!(matches!(refused, Err(PolicyExchangeError::Policy(access::PolicyError::Duplicate { .. }))));
    let (client, upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    drop((client, upstream));
    let stored = world.stop().await;
    assert_eq!(stored.only().session.rule, "jane");
    assert!(!stored.journal.iter().any(|entry| matches!(entry.what, JournalEvent::Configured { .. })));
}

#[tokio::test]
async fn an_exchange_that_the_journal_does_not_take_changes_nothing() {
    let world = World::new().await;
    world.store.fail();
    let refused = world.gateway.exchange_policy(access::Policy::default(), vec!["policy".to_owned()]).await;
    assert!(matches!(refused, Err(PolicyExchangeError::Journal(_))));
    let mut client = world.client().await;
    client.send(get("/clusters/x/api", &world.jane)).await;
    client.answer().await.status(404);
}

//! Bytes after the 101.

use gateway::Reason;
use recording::{Outcome, journal::JournalEvent};

use crate::{
    upgrades::{EXEC, SWITCHED, SWITCHED_SPDY, session, spdy, websocket},
    world::World,
};

const HELLO: &[u8] = b"\x82\x01\x01";
const OUTPUT: &[u8] = b"\x82\x06\x01hello";
const SUCCESS: &[u8] = b"\x82\x23\x03{\"metadata\":{},\"status\":\"Success\"}";
const CLOSE: &[u8] = b"\x88\x02\x03\xe8";
/// Input `ls`, masked with zeros.
const INPUT: &[u8] = b"\x82\x83\0\0\0\0\0ls";

fn stdin(target: &str) -> String {
    format!("{target}&stdin=true")
}

#[tokio::test]
async fn everything_in_one_segment_with_the_101_arrives_and_is_recorded() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send(websocket(EXEC, &world.jane)).await;
    let mut upstream = world.upstream.next().await;
    let whole = [HELLO, OUTPUT, SUCCESS, CLOSE].concat();
    upstream.write([SWITCHED.as_bytes(), &whole].concat()).await;
    upstream.shutdown().await;
    client.head().await;
    assert_eq!(client.read_to_end().await, whole);
    drop(client);
    let stored = world.stop().await;
    assert_eq!(stored.only().outcome, Outcome::Exited { exit_code: 0 });
    assert!(stored.text.contains("hello"), "{}", stored.text);
}

#[tokio::test]
async fn client_bytes_wait_for_the_101() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send([websocket(&stdin(EXEC), &world.jane).as_bytes(), INPUT].concat()).await;
    let mut upstream = world.upstream.next().await;
    // Nothing but the head has come: a refusal now would have forwarded nothing.
    assert!(upstream.head.ends_with("\r\n\r\n"));
    upstream.write(SWITCHED).await;
    assert_eq!(upstream.read(INPUT.len()).await, INPUT);
    client.head().await;
    drop((client, upstream));
    assert!(world.stop().await.text.contains("ls"));
}

#[tokio::test]
async fn client_bytes_behind_a_refused_upgrade_go_nowhere() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send([websocket(&stdin(EXEC), &world.jane).as_bytes(), INPUT].concat()).await;
    let mut upstream = world.upstream.next().await;
    upstream.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.code(), 403);
    assert!(upstream.read_to_end().await.is_empty());
}

#[tokio::test]
async fn bytes_cross_one_by_one_both_ways() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(&stdin(EXEC), &world.jane), &mut world, SWITCHED).await;
    for byte in OUTPUT {
        upstream.write([*byte]).await;
        assert_eq!(client.read(1).await, [*byte]);
    }
    for byte in INPUT {
        client.send([*byte]).await;
        assert_eq!(upstream.read(1).await, [*byte]);
    }
    drop((client, upstream));
    assert!(world.stop().await.text.contains("hello"));
}

#[tokio::test]
async fn half_close_is_not_close() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(&stdin(EXEC), &world.jane), &mut world, SWITCHED).await;
    client.send(INPUT).await;
    client.shutdown().await;
    assert_eq!(upstream.read_to_end().await, INPUT);
    let rest = [OUTPUT, SUCCESS, CLOSE].concat();
    upstream.write(&rest).await;
    upstream.shutdown().await;
    assert_eq!(client.read_to_end().await, rest);
    assert_eq!(world.stop().await.only().outcome, Outcome::Exited { exit_code: 0 });
}

#[tokio::test]
async fn a_large_output_is_whole_to_the_last_byte() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let mut message = vec![0x82, 127, 0, 0, 0, 0, 0, 0x40, 0, 0, 1];
    message.resize(10 + (4 << 20), b'x');
    let whole = [&message, SUCCESS, CLOSE].concat();
    let sent = whole.clone();
    let server = tokio::spawn(async move {
        upstream.write(&sent).await;
        upstream.shutdown().await;
    });
    assert!(client.read_to_end().await == whole);
    drop(client);
    server.await.unwrap();
    let stored = world.stop().await;
    assert_eq!(stored.only().totals.stdout, (4 << 20) - 1);
    assert_eq!(stored.only().outcome, Outcome::Exited { exit_code: 0 });
}

#[tokio::test]
async fn an_end_without_a_status_is_no_success() {
    let mut world = World::new().await;
    let (mut client, upstream) = session(spdy(EXEC, &world.jane), &mut world, SWITCHED_SPDY).await;
    drop(upstream);
    assert!(client.read_to_end().await.is_empty());
    drop(client);
    assert_eq!(world.stop().await.only().outcome, Outcome::UpstreamGone);
}

#[tokio::test]
async fn the_gateway_ends_a_session_visibly_at_a_frame_boundary() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    upstream.write(&OUTPUT[..4]).await;
    assert_eq!(client.read(4).await, &OUTPUT[..4]);
    let [id] = world.gateway.live()[..] else { panic!("one session") };
    assert_eq!((world.gateway.live_of("jane"), world.gateway.live_of("joe")), (vec![id], vec![]));
    assert!(world.gateway.end(id, "ann", &Reason::parse("locked out").unwrap()).await);
    // The frame that had begun is completed first.
    upstream.write(&OUTPUT[4..]).await;
    assert_eq!(client.read(OUTPUT.len() - 4).await, &OUTPUT[4..]);
    let end = client.read_to_end().await;
    let text = String::from_utf8_lossy(&end);
    assert!(
        text.contains(r#""message":"session ended by an administrator: locked out""#) && text.contains("403"),
        "{text}"
    );
    assert!(end.ends_with(CLOSE));
    drop(client);
    world.gateway.left(id).await;
    assert!(world.gateway.live().is_empty() && !world.gateway.end(id, "ann", &Reason::parse("again").unwrap()).await);
    let stored = world.stop().await;
    let (reason, by) = ("session ended by an administrator: locked out".to_owned(), "ann".to_owned());
    assert_eq!(stored.only().outcome, Outcome::EndedByGateway { reason, by });
    let ended: Vec<_> = stored.journal.iter().filter(|entry| entry.user == "ann").map(|entry| &entry.what).collect();
    assert_eq!(ended, [&JournalEvent::Terminated { session: id, reason: "locked out".to_owned() }]);
}

#[tokio::test]
async fn nothing_is_written_right_behind_a_spdy_101() {
    let mut world = World::new().await;
    let (mut client, _upstream) = session(spdy(EXEC, &world.jane), &mut world, SWITCHED_SPDY).await;
    world.begin_stop();
    assert!(client.read_to_end().await.is_empty());
}

#[tokio::test]
async fn shutdown_ends_sessions_and_finishes_their_recordings() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    upstream.write(OUTPUT).await;
    client.read(OUTPUT.len()).await;
    world.begin_stop();
    let end = client.read_to_end().await;
    assert!(String::from_utf8_lossy(&end).contains("gateway is shutting down"));
    drop(client);
    assert_eq!(world.stop().await.only().outcome, Outcome::Interrupted);
}

#[tokio::test]
async fn an_exit_code_that_was_seen_outweighs_a_shutdown() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let end = [SUCCESS, CLOSE].concat();
    upstream.write(&end).await;
    assert_eq!(client.read(end.len()).await, end);
    // Neither end has hung up yet.
    world.begin_stop();
    client.abandoned().await;
    drop(client);
    assert_eq!(world.stop().await.only().outcome, Outcome::Exited { exit_code: 0 });
}

#[tokio::test]
async fn a_session_that_has_no_room_ends_visibly_and_forwards_nothing_more() {
    let bounds = spool::SpoolLimits { disk_floor: 0, session_bytes: 3_000, ..Default::default() };
    let mut world = World::bounded(bounds, |_| {}).await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    upstream.write(OUTPUT).await;
    client.read(OUTPUT.len()).await;
    world.store.fail();
    // More than the bound, however the frames are read together.
    upstream.write([&b"\x82\x7e\x10\x01\x01"[..], &[b'x'; 4096]].concat()).await;
    let rest = client.read_to_end().await;
    let text = String::from_utf8_lossy(&rest);
    assert!(text.contains("the session was ended: it cannot be recorded: this session has as much"), "{text}");
    assert!(rest.ends_with(CLOSE));
}

/// There is no room, and a long wait for it. The end of the session does not wait as long.
#[tokio::test]
async fn a_session_that_waits_for_room_is_ended_visibly_too() {
    let bounds = spool::SpoolLimits { disk_floor: 0, session_bytes: 3_000, ..Default::default() };
    let mut world = World::waiting(std::time::Duration::from_secs(600), bounds, |_| {}).await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    world.store.fail();
    let mut frame = vec![0x82, 126, 0x4e, 0x20, 1];
    frame.resize(4 + 20_000, b'x');
    upstream.write(&frame[..100]).await;
    assert_eq!(client.read(100).await, &frame[..100]);
    upstream.write(&frame[100..]).await;
    let [id] = world.gateway.live()[..] else { panic!("one session") };
    assert!(world.gateway.end(id, "ann", &Reason::parse("enough").unwrap()).await);
    // The frame is filled up: what there was no room for is not shown.
    assert_eq!(client.read(frame.len() - 100).await, vec![0; frame.len() - 100]);
    let end = client.read_to_end().await;
    assert!(String::from_utf8_lossy(&end).contains("session ended by an administrator: enough"));
    assert!(end.ends_with(CLOSE));
}

/// A frame of the client's that the server would read otherwise than RFC 6455 has it: with a reserved bit.
const ODD_INPUT: &[u8] = b"\xc2\x83\0\0\0\0\0id";
/// A text of the server's, where kubectl takes bytes only.
const ODD_OUTPUT: &[u8] = b"\x81\x06\x01HELLO";

#[tokio::test]
async fn what_no_client_sends_ends_the_session_and_goes_nowhere() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(&stdin(EXEC), &world.jane), &mut world, SWITCHED).await;
    client.send(INPUT).await;
    assert_eq!(upstream.read(INPUT.len()).await, INPUT);
    // In the middle of a frame of the server's, which is filled up.
    upstream.write(&OUTPUT[..4]).await;
    assert_eq!(client.read(4).await, &OUTPUT[..4]);
    client.send(ODD_INPUT).await;
    assert_eq!(client.read(OUTPUT.len() - 4).await, vec![0; OUTPUT.len() - 4]);
    ended_for(client, world, "the client sent a reserved bit without an extension at byte 9").await;
    assert!(upstream.read_to_end().await.is_empty());
}

#[tokio::test]
async fn what_no_server_sends_ends_the_session_and_is_not_shown() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    upstream.write(OUTPUT).await;
    assert_eq!(client.read(OUTPUT.len()).await, OUTPUT);
    upstream.write(ODD_OUTPUT).await;
    ended_for(client, world, "the server sent a TEXT message of the server at byte 8").await;
}

/// The client is told at once, at a frame boundary; so are the recording and the journal.
async fn ended_for(mut client: crate::client::Client, world: World, what: &str) {
    let reason = format!("the session was ended: {what}");
    let end = client.read_to_end().await;
    assert_eq!(end[0], 0x82, "a message begins");
    let text = String::from_utf8_lossy(&end);
    assert!(text.contains(&format!(r#""message":"{reason}""#)) && text.contains(r#""code":403"#), "{text}");
    assert!(!text.contains("HELLO") && end.ends_with(CLOSE), "{text}");
    drop(client);
    let stored = world.stop().await;
    let outcome = Outcome::EndedByGateway { reason, by: String::new() };
    assert_eq!(stored.only().outcome, outcome);
    assert_eq!(stored.only().anomalies, [format!("anomaly: {what}")]);
    let ended = JournalEvent::SessionEnded { session: stored.only().session.id, outcome };
    assert!(stored.journal.iter().any(|entry| entry.user == "jane" && entry.what == ended), "{:?}", stored.journal);
}

#[tokio::test]
async fn short_sessions_in_parallel_have_one_recording_each() {
    let mut world = World::new().await;
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = world.client().await;
        client.send(websocket(EXEC, &world.jane)).await;
        clients.push(client);
    }
    for _ in 0..50 {
        let mut upstream = world.upstream.next().await;
        upstream.write([SWITCHED.as_bytes(), HELLO, SUCCESS, CLOSE].concat()).await;
        upstream.shutdown().await;
    }
    for client in &mut clients {
        client.head().await;
        assert!(client.read_to_end().await.ends_with(CLOSE));
    }
    drop(clients);
    let stored = world.stop().await;
    assert_eq!((stored.headers.len(), stored.manifests.len()), (50, 50));
    assert!(stored.manifests.iter().all(|m| m.outcome == Outcome::Exited { exit_code: 0 }));
}

#[tokio::test]
async fn a_client_that_goes_before_the_101_on_a_connection_that_was_used_leaves_a_finished_recording() {
    let mut world = World::new().await;
    let mut client = world.client().await;
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.code(), 200);
    client.send(websocket(EXEC, &world.jane)).await;
    let mut upstream = world.upstream.next().await;
    client.shutdown().await;
    client.abandoned().await;
    upstream.write(SWITCHED).await;
    upstream.read_to_end().await;
    let stored = world.stop().await;
    assert_eq!(stored.only().outcome, recording::Outcome::ClientGone);
    assert!(
        stored.journal.iter().any(|entry| matches!(entry.what, recording::journal::JournalEvent::SessionEnded { .. }))
    );
}

/// The bound on connections without a request has passed: it closed one that came later than the session.
async fn outwaited(world: &World) {
    world.client().await.abandoned().await;
}

#[tokio::test]
async fn no_bound_on_answers_ends_a_session_that_is_silent() {
    // As short as a busy machine allows: a handshake must end within it.
    let short = std::time::Duration::from_secs(2);
    let mut world = World::with(|settings| {
        (settings.limits.head, settings.limits.answer, settings.limits.linger) = (short, short, short);
    })
    .await;
    let (mut client, mut upstream) = session(websocket(&stdin(EXEC), &world.jane), &mut world, SWITCHED).await;
    outwaited(&world).await;
    client.send(INPUT).await;
    assert_eq!(upstream.read(INPUT.len()).await, INPUT);
    // Only keep-alives: they cross, and end nothing either.
    upstream.write(b"\x89\x00").await;
    assert_eq!(client.read(2).await, b"\x89\x00");
    outwaited(&world).await;
    let end = [OUTPUT, SUCCESS, CLOSE].concat();
    upstream.write(&end).await;
    upstream.shutdown().await;
    assert_eq!(client.read_to_end().await, end);
    drop(client);
    assert_eq!(world.stop().await.only().outcome, Outcome::Exited { exit_code: 0 });
}

#[tokio::test]
async fn a_close_without_a_status_says_nothing_about_the_process() {
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let end = [OUTPUT, CLOSE].concat();
    upstream.write(&end).await;
    upstream.shutdown().await;
    assert_eq!(client.read_to_end().await, end);
    drop(client);
    assert_eq!(world.stop().await.only().outcome, Outcome::Unknown);
}

#[tokio::test]
async fn an_exit_code_of_windows_fits() {
    let status = r#"{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3221225786"}]}}"#;
    let mut message = vec![0x82, 126];
    message.extend(u16::try_from(1 + status.len()).unwrap().to_be_bytes());
    message.push(3);
    message.extend_from_slice(status.as_bytes());
    let mut world = World::new().await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    upstream.write([&message, CLOSE].concat()).await;
    upstream.shutdown().await;
    client.read_to_end().await;
    drop(client);
    assert_eq!(world.stop().await.only().outcome, Outcome::Exited { exit_code: 3_221_225_786 });
}

#[tokio::test]
async fn the_image_is_asked_for_as_the_person_and_holds_nothing_up() {
    let mut world = World::with(|settings| settings.limits.image = std::time::Duration::from_secs(20)).await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    let mut asked = world.upstream.next().await;
    assert_eq!(asked.request_line(), "GET /base/api/v1/namespaces/default/pods/web HTTP/1.1");
    assert_eq!(asked.header("impersonate-user"), ["jane"]);
    assert_eq!(asked.header("authorization"), ["Bearer the-gateway"]);
    // Bytes cross while nobody has answered.
    upstream.write(OUTPUT).await;
    assert_eq!(client.read(OUTPUT.len()).await, OUTPUT);
    let pod = r#"{"spec":{"containers":[{"name":"app","image":"registry/app:1"}]}}"#;
    asked.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{pod}", pod.len())).await;
    drop((client, upstream));
    assert_eq!(world.stop().await.only().image, "registry/app:1");
}

#[tokio::test]
async fn an_image_that_is_not_told_is_not_named() {
    let mut world = World::with(|settings| settings.limits.image = std::time::Duration::from_secs(20)).await;
    let (client, upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    world.upstream.next().await.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
    drop((client, upstream));
    assert_eq!(world.stop().await.only().image, "");
}

#[tokio::test]
async fn a_session_that_is_over_holds_no_place_while_its_image_is_asked_for() {
    let mut world = World::with(|settings| {
        settings.limits.sessions_per_person = 1;
        settings.limits.image = std::time::Duration::from_secs(3600);
    })
    .await;
    let (mut client, mut upstream) = session(websocket(EXEC, &world.jane), &mut world, SWITCHED).await;
    // Not answered before the end of the test.
    let mut image = world.upstream.next().await;
    let [id] = world.gateway.live()[..] else { panic!("one session") };
    upstream.write([SUCCESS, CLOSE].concat()).await;
    upstream.shutdown().await;
    client.read_to_end().await;
    drop((client, upstream));
    // As soon as the gateway has seen both ends go.
    let next = async {
        loop {
            let mut client = world.client().await;
            client.send(websocket(EXEC, &world.jane)).await;
            tokio::select! {
                upstream = world.upstream.next() => break (client, upstream),
                head = client.head() => assert!(head.starts_with("HTTP/1.1 429 "), "{head}"),
            }
        }
    };
    let second = tokio::time::timeout(std::time::Duration::from_secs(60), next).await.expect("the place is free");
    assert!(!world.gateway.live().contains(&id));
    let pod = r#"{"spec":{"containers":[{"name":"app","image":"registry/app:1"}]}}"#;
    image.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{pod}", pod.len())).await;
    world.gateway.left(id).await;
    drop(second);
    let stored = world.stop().await;
    let first = stored.manifests.iter().find(|manifest| manifest.session.id == id).unwrap();
    assert_eq!((&first.outcome, &*first.image), (&Outcome::Exited { exit_code: 0 }, "registry/app:1"));
}

#[tokio::test]
async fn an_image_that_comes_after_the_client_has_gone_precedes_the_end() {
    let mut world = World::with(|settings| settings.limits.image = std::time::Duration::from_secs(3600)).await;
    let mut client = world.client().await;
    // On a used connection hyper hands over, and here it cannot: the client has gone before the 101.
    client.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.code(), 200);
    client.send(websocket(EXEC, &world.jane)).await;
    let mut upstream = world.upstream.next().await;
    client.shutdown().await;
    client.abandoned().await;
    upstream.write(SWITCHED).await;
    let mut image = world.upstream.next().await;
    upstream.read_to_end().await;
    let pod = r#"{"spec":{"containers":[{"name":"app","image":"registry/app:1"}]}}"#;
    image.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{pod}", pod.len())).await;
    let stored = world.stop().await;
    assert_eq!((&stored.only().outcome, &*stored.only().image), (&Outcome::ClientGone, "registry/app:1"));
}

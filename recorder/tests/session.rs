//! Sessions from the permit to the manifest.

mod support;

use std::{sync::Arc, time::Duration};

use access::InputRecording;
use recorder::{Ending, RecordError, Recorder};
use recording::{
    CommandSource, Micros, Outcome,
    cast::{Code, SessionKind},
};
use storage::{Memory, RecordingReader};
use support::*;

#[tokio::test]
async fn an_exec_without_a_terminal() {
    let stage = Stage::exec(&["sh", "-c", "cat; exit 42"], false).await;
    stage.client(STDIN, b"secret\n").await;
    stage.server(STDOUT, "caf\u{e9}\n".as_bytes()).await;
    stage.server(STDERR, b"\xff\n").await;
    stage.server(ERROR, &exit_code(42)).await;
    let close = close(Server);
    stage.recording.accept(Server, &close).await.expect("accepted");
    let manifest = stage.finish(Ending::Closed(Server)).await;

    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 42 });
    assert_eq!((manifest.totals.stdin, manifest.totals.stdout, manifest.totals.stderr), (7, 6, 2));
    assert_eq!(manifest.transport, "websocket v5.channel.k8s.io");
    assert_eq!(manifest.commands[0].text, "sh -c 'cat; exit 42'");
    assert_eq!((manifest.commands[0].source, manifest.commands[0].time), (CommandSource::Argv, Micros::ZERO));
    let recordings = RecordingReader::new(stage.store.clone());
    assert_eq!(recordings.manifest(stage.recording.id()).await.expect("stored"), Some(manifest));
    let (header, events) = recordings.events(stage.recording.id()).await.expect("stored");
    assert_eq!(header.kubetape.argv, ["sh", "-c", "cat; exit 42"]);
    assert_eq!((header.width, header.height, header.title.as_str()), (80, 24, "ada@demo default/web/app"));
    assert_eq!(
        said(&events),
        [(Code::Output, "caf\u{e9}\n"), (Code::Bytes, "e /wo="), (Code::Exit, "42")],
        "stdin is counted, not stored"
    );
}

#[tokio::test]
async fn the_manifest_chains_the_chunks() {
    let stage = Stage::exec(&["true"], false).await;
    for _ in 0..30 {
        stage.server(STDOUT, &[b'x'; 100_000]).await;
    }
    let manifest = stage.finish(Ending::Closed(Client)).await;
    assert!(manifest.chunks.len() > 2, "{:?}", manifest.chunks);
    let (reader, mut digest) = (RecordingReader::new(stage.store.clone()), [0; 32]);
    for (number, chunk) in manifest.chunks.iter().enumerate() {
        let object = reader.chunk_object(stage.recording.id(), chunk.number).await.expect("the chunk");
        let stored = object.stored(object.lines().expect("a chunk").len() as u64, digest);
        assert_eq!(*chunk, stored.listed(chunk.first, chunk.last));
        assert_eq!(chunk.number as usize, number);
        assert!(chunk.first <= chunk.last);
        digest = stored.digest;
    }
    assert_eq!(restored(&stage.events().await, Code::Output), [b'x'; 3_000_000]);
}

#[tokio::test]
async fn a_terminal_session_with_a_typed_command() {
    let stage = Stage::exec(&["sh"], true).await;
    stage.client(RESIZE, br#"{"Width":120,"Height":40}"#).await;
    stage.server(STDOUT, b"/ # ").await;
    stage.client(STDIN, b"ls \xc3\xa9\r").await;
    stage.server(STDOUT, b"ls \xc3").await;
    stage.server(STDOUT, b"\xa9\r\n/ # ").await;
    stage.server(ERROR, &exit_code(3)).await;
    let manifest = stage.finish(Ending::Closed(Server)).await;
    assert_eq!((manifest.width, manifest.height), (120, 40));
    let typed: Vec<_> = manifest.commands.iter().filter(|command| command.source == CommandSource::Typed).collect();
    assert_eq!(typed.len(), 1);
    assert_eq!(typed[0].text, "ls \u{e9}");
    let events = stage.events().await;
    let markers: Vec<_> = events.iter().filter(|event| event.code == Code::Marker).collect();
    assert_eq!(markers[0].data, "ls \u{e9}");
    // Output that comes within a millisecond has one time.
    let (told, listed) = (markers[0].time, typed[0].time);
    assert!(told.max(listed).since(told.min(listed)) <= Duration::from_millis(1), "{told:?} {listed:?}");
    assert_eq!(said(&events)[0], (Code::Resize, "120x40"));
    assert_eq!(restored(&events, Code::Output), "/ # ls \u{e9}\r\n/ # ".as_bytes());
}

/// The sizes and bytes that `kubectl attach -it` sends, and the answer of a real kubelet.
#[tokio::test]
async fn attachs_fake_size_is_not_in_the_recording() {
    let memory = Arc::new(Memory::new());
    let stage = Stage::with(settings(), memory, SessionKind::Attach, &[], true, InputRecording::Never).await;
    stage.server(STDOUT, b"/ # ").await;
    stage.client(RESIZE, b"{\"Width\":101,\"Height\":31}\n").await;
    stage.client(RESIZE, b"{\"Width\":100,\"Height\":30}\n").await;
    stage.client(STDIN, b"exit\r").await;
    stage.server(STDOUT, b"exit\r\n").await;
    stage.server(ERROR, SUCCESS).await;
    let manifest = stage.finish(Ending::Closed(Server)).await;
    assert_eq!(manifest.outcome, Outcome::Ended, "success says nothing about the process");
    assert_eq!((manifest.width, manifest.height), (100, 30));
    let events = stage.events().await;
    let sizes: Vec<_> = events.iter().filter_map(recording::cast::Event::size).collect();
    assert_eq!(sizes, [(100, 30)]);
}

/// A killed kubectl closes nothing: its connection ends, and then the API server ends its own side (the capture
/// `kubectl-1.37-ws-k8s1.35-exec-client-killed`).
#[tokio::test]
async fn what_a_server_says_to_a_client_that_is_gone_is_not_how_it_ended() {
    let failure = br#"{"metadata":{},"status":"Failure","message":"websocket: close 1006"}"#;
    for last in [&b""[..], failure] {
        let stage = Stage::exec(&["sleep", "9"], false).await;
        stage.server(STDOUT, b"begun\n").await;
        stage.recording.ended(Client).await;
        if !last.is_empty() {
            stage.server(ERROR, last).await;
        }
        stage.recording.accept(Server, &close(Server)).await.expect("accepted");
        let manifest = stage.recording.clone().finish(Ending::Closed(Client)).await.expect("a manifest");
        assert_eq!(manifest.outcome, Outcome::ClientGone);
    }
}

#[tokio::test]
async fn input_is_stored_as_the_permit_says() {
    for (input, tty, stored) in [
        (InputRecording::Never, false, ""),
        (InputRecording::Piped, false, "typed"),
        (InputRecording::Piped, true, ""),
        (InputRecording::Always, true, "typed"),
    ] {
        let memory = Arc::new(Memory::new());
        let stage = Stage::with(settings(), memory, SessionKind::Exec, &["cat"], tty, input).await;
        stage.client(STDIN, b"typed").await;
        let manifest = stage.finish(Ending::Closed(Client)).await;
        assert_eq!(manifest.totals.stdin, 5);
        let events = stage.events().await;
        assert_eq!(restored(&events, Code::Input), stored.as_bytes(), "{input:?}, tty {tty}");
    }
}

#[tokio::test]
async fn an_upgrade_that_was_refused() {
    let memory = Arc::new(Memory::new());
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(spool(folder.path()), memory.clone(), settings());
    let opened = recorder
        .open(&permit(InputRecording::Never), opening(SessionKind::Exec, &["ls"], false))
        .await
        .expect("opened");
    let id = opened.id();
    let manifest = opened.refused("pods \"web\" not found").await.expect("a manifest");
    assert_eq!(manifest.outcome, Outcome::FailedToStart { message: "pods \"web\" not found".to_owned() });
    recorder.drained().await;
    let stored = RecordingReader::new(memory).manifest(id).await.expect("readable").expect("stored");
    assert_eq!((stored.chunks.len(), stored.outcome), (1, manifest.outcome));
}

#[tokio::test]
async fn a_101_is_not_a_start() {
    let stage = Stage::exec(&["nosuch"], false).await;
    let status = br#"{"metadata":{},"status":"Failure","message":"no such file","reason":"InternalError","code":500}"#;
    stage.server(ERROR, status).await;
    let manifest = stage.finish(Ending::Closed(Server)).await;
    assert_eq!(manifest.outcome, Outcome::FailedToStart { message: "no such file".to_owned() });
}

#[tokio::test]
async fn what_the_server_may_read_otherwise_ends_the_session() {
    let stage = Stage::exec(&["sh"], false).await;
    stage.server(STDOUT, b"ok").await;
    // FIN=0: a message in several frames, which no client sends and the server reads in its own way.
    let odd = frame(Client, 0x02, b"\0rm -rf /");
    let error = stage.recording.accept(Client, &odd).await.expect_err("an anomaly");
    assert!(matches!(&error, RecordError::Anomaly(said) if said.starts_with("the client sent ")), "{error}");
    let ending = Ending::ByGateway { reason: error.to_string(), by: String::new() };
    let manifest = stage.finish(ending).await;
    assert!(matches!(manifest.outcome, Outcome::EndedByGateway { .. }));
    assert_eq!(manifest.anomalies.len(), 1);
    let events = stage.events().await;
    assert!(events.iter().any(|event| event.code == Code::Gap && event.data.starts_with("anomaly: ")));
}

#[tokio::test]
async fn lenient_settings_note_it_and_go_on() {
    let lenient = recorder::Settings { strict: false, ..settings() };
    let memory = Arc::new(Memory::new());
    let stage = Stage::with(lenient, memory, SessionKind::Exec, &["cat"], false, InputRecording::Always).await;
    stage.recording.accept(Client, &frame(Client, 0x02, b"\0ab")).await.expect("accepted");
    stage.client(STDIN, b"cd").await;
    let manifest = stage.finish(Ending::Closed(Client)).await;
    assert!(!manifest.anomalies.is_empty());
    assert_eq!(restored(&stage.events().await, Code::Input), b"abcd", "as the server reads it");
}

/// The server reads such a frame as an empty one, and what follows as frames: nothing can be recorded behind it.
#[tokio::test]
async fn a_length_that_has_two_readings_ends_the_session_in_lenient_settings_too() {
    let lenient = recorder::Settings { strict: false, ..settings() };
    let memory = Arc::new(Memory::new());
    let stage = Stage::with(lenient, memory, SessionKind::Exec, &["sh"], false, InputRecording::Always).await;
    stage.client(STDIN, b"id\n").await;
    let hidden = [&[0x82, 0xff, 0x80][..], &[0; 11], &frame(Client, 0x82, b"\0rm -rf /\n")].concat();
    let error = stage.recording.accept(Client, &hidden).await.expect_err("an anomaly");
    assert!(error.to_string().ends_with("the client sent a frame length of more than 63 bits at byte 10"), "{error}");
    let manifest = stage.finish(Ending::ByGateway { reason: error.to_string(), by: String::new() }).await;
    assert_eq!(manifest.anomalies, [format!("anomaly: {}", error.to_string().replace("the session was ended: ", ""))]);
    assert_eq!(restored(&stage.events().await, Code::Input), b"id\n");
}

#[tokio::test]
async fn forwarded_connections_are_told_but_not_stored() {
    let memory = Arc::new(Memory::new());
    let stage = Stage::with(settings(), memory, SessionKind::PortForward, &[], false, InputRecording::Always).await;
    // Each channel of the legacy protocol begins with its port, little endian.
    stage.server(0, &8080_u16.to_le_bytes()).await;
    stage.server(1, &8080_u16.to_le_bytes()).await;
    stage.client(0, b"GET /").await;
    stage.server(0, b"secret page").await;
    let manifest = stage.finish(Ending::Closed(Client)).await;
    assert_eq!(manifest.outcome, Outcome::Ended);
    assert_eq!((manifest.totals.stdin, manifest.totals.stdout), (5, 11), "sent and received");
    let events = stage.events().await;
    assert!(events.iter().all(|event| event.code == Code::Port), "{events:?}");
    let last = serde_json::from_str::<recording::cast::PortConnection>(&events.last().expect("an event").data);
    let last = last.expect("a connection");
    assert_eq!((last.port, last.sent, last.received), (8080, 5, 11));
}

#[tokio::test]
async fn the_same_bytes_one_by_one_are_the_same_recording() {
    let mut server = message(Server, STDOUT, "h\u{e9}llo \u{1f600}\n".as_bytes());
    server.extend(message(Server, STDERR, b"\xff\xfe"));
    server.extend(message(Server, ERROR, &exit_code(1)));
    server.extend(close(Server));
    let stage = Stage::exec(&["sh"], false).await;
    for byte in &server {
        stage.recording.accept(Server, &[*byte]).await.expect("accepted");
    }
    let manifest = stage.finish(Ending::Closed(Server)).await;
    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 1 });
    let events = stage.events().await;
    assert_eq!(restored(&events, Code::Output), "h\u{e9}llo \u{1f600}\n".as_bytes());
    assert_eq!(restored(&events, Code::Stderr), b"\xff\xfe");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_short_sessions_at_once_each_have_an_exit_code() {
    let memory: Arc<Memory> = Arc::new(Memory::new());
    let sessions: Vec<_> = (0..200)
        .map(|code| {
            let store = memory.clone();
            tokio::spawn(async move {
                let stage =
                    Stage::with(settings(), store, SessionKind::Exec, &["true"], false, InputRecording::Never).await;
                stage.server(ERROR, &exit_code(code)).await;
                let manifest = stage.finish(Ending::Closed(Server)).await;
                (code, manifest)
            })
        })
        .collect();
    for session in sessions {
        let (code, manifest) = session.await.expect("a session");
        assert_eq!(manifest.outcome, Outcome::Exited { exit_code: code });
        let stored = RecordingReader::new(memory.clone()).manifest(manifest.session.id).await.expect("stored");
        assert_eq!(stored, Some(manifest));
    }
}

#[tokio::test]
async fn a_recording_is_finished_once() {
    let stage = Stage::exec(&["true"], false).await;
    stage.recording.clone().finish(Ending::Interrupted).await.expect("a manifest");
    let again = stage.recording.clone().finish(Ending::Interrupted).await;
    assert!(matches!(again, Err(RecordError::Finished)));
    assert!(matches!(stage.recording.accept(Server, b"\x82").await, Err(RecordError::Finished)));
    assert!(matches!(stage.recording.failed().await, RecordError::Finished));
}

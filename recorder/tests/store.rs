//! What happens when the store or the spool fails, lags or holds something else, and when the process dies.

mod support;

use std::{
    future::Future,
    path::Path,
    sync::{Arc, atomic::Ordering},
    task::{Context, Waker},
    time::Duration,
};

use access::InputRecording;
use recorder::{Ending, RecordError, Recorder, Settings, Weather};
use storage::{
    Key, Manifest, Memory, Outcome, RecordingId, Recordings, Spool, Store,
    cast::{Code, Event, SessionKind},
    spool::{Bound, Bounds, SpoolError},
};
use support::*;

async fn stage(store: &Arc<Moody>, settings: Settings) -> Stage {
    Stage::with(settings, store.clone(), SessionKind::Exec, &["sh"], false, InputRecording::Never).await
}

fn slow() -> Settings {
    Settings { chunk_age: Duration::from_secs(3600), ..settings() }
}

fn by_gateway(error: &RecordError) -> Ending {
    Ending::ByGateway { reason: error.to_string(), by: String::new() }
}

#[tokio::test]
async fn nothing_is_opened_that_cannot_be_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool::open(folder.path(), Bounds { disk_floor: u64::MAX, ..Bounds::default() }).expect("a spool");
    let recorder = Recorder::start(spool, Arc::new(Memory::new()), settings());
    let opened = recorder.open(&permit(InputRecording::Never), opening(SessionKind::Exec, &["ls"], false)).await;
    let error = opened.err().expect("the disk is full");
    assert_eq!(error.to_string(), "it cannot be recorded: the gateway's disk is full (spool.disk_floor)");
}

#[tokio::test]
async fn the_header_reaches_the_store_by_itself() {
    let store = Moody::new(1);
    let stage = stage(&store, settings()).await;
    store.written.notified().await;
    let recordings = Recordings::new(store.clone());
    let (header, events) = recordings.events(stage.recording.id()).await.expect("a recording");
    assert_eq!((header.kubetape.principal.name.as_str(), events.len()), ("ada", 0));
}

#[tokio::test]
async fn a_chunk_is_stored_when_its_time_has_come() {
    let store = Moody::new(9);
    let stage = stage(&store, settings()).await;
    store.written.notified().await;
    stage.server(STDOUT, b"hello").await;
    store.written.notified().await;
    assert_eq!(restored(&stage.events().await, Code::Output), b"hello");
    stage.server(STDOUT, b" again").await;
    store.written.notified().await;
    assert_eq!(restored(&stage.events().await, Code::Output), b"hello again");
}

#[tokio::test]
async fn a_store_that_is_away_costs_a_session_nothing() {
    let store = Moody::new(1_000);
    store.failing.store(true, Ordering::SeqCst);
    let stage = stage(&store, Settings { chunk_bytes: 10_000, ..slow() }).await;
    for _ in 0..100 {
        stage.server(STDOUT, &[b'x'; 5_000]).await;
    }
    stage.server(ERROR, &exit_code(0)).await;
    stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    let mut weather = stage.recorder.weather();
    weather.wait_for(|weather| *weather != Weather::Fair).await.expect("weather");
    assert_eq!(store.list("", None, 9).await.expect("a list"), []);
    store.failing.store(false, Ordering::SeqCst);
    stage.recorder.drained().await;
    assert_eq!(*weather.borrow(), Weather::Fair);
    assert_eq!(restored(&stage.events().await, Code::Output).len(), 500_000);
    let manifest = Recordings::new(store).manifest(stage.recording.id()).await.expect("readable");
    assert_eq!(manifest.expect("stored").outcome, Outcome::Exited { exit_code: 0 });
    assert_eq!(stage.recorder.spool().gauge().bytes, 0);
}

/// A session that may have 50,000 bytes here, and a store that takes nothing.
async fn crowded(store: &Arc<Moody>, patience: Duration) -> (Stage, usize) {
    let bounds = Bounds { session_bytes: 50_000, ..bounds() };
    let settings = Settings { chunk_bytes: 10_000, patience, ..slow() };
    let never = InputRecording::Never;
    let stage = Stage::bounded(bounds, settings, store.clone(), SessionKind::Exec, &["sh"], false, never).await;
    let piece = message(Server, STDOUT, &[b'x'; 5_000]);
    let mut accepted = 0;
    let mut waiting = Box::pin(stage.recording.accept(Server, &piece));
    // Nothing else runs between these polls: what does not finish at once waits for room.
    while waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        accepted += 5_000;
        assert!(accepted <= 50_000, "no bound");
        waiting = Box::pin(stage.recording.accept(Server, &piece));
    }
    assert!(accepted >= 40_000, "waits too early: {accepted}");
    drop(waiting);
    (stage, accepted)
}

#[tokio::test]
async fn accept_waits_while_there_is_no_room_and_goes_on_when_there_is() {
    let store = Moody::new(1);
    let (stage, accepted) = crowded(&store, Duration::from_secs(60)).await;
    store.gate.add_permits(1_000);
    stage.server(STDOUT, b"the end").await;
    stage.finish(Ending::Closed(Server)).await;
    // The piece whose wait was dropped is on the tape too.
    let bytes = restored(&stage.events().await, Code::Output);
    assert_eq!(bytes.len(), accepted + 5_000 + 7);
}

#[tokio::test]
async fn a_session_without_room_ends_visibly_and_loses_nothing_that_was_accepted() {
    let store = Moody::new(1);
    let (stage, accepted) = crowded(&store, Duration::from_millis(50)).await;
    let refused = stage.recording.accept(Server, &message(Server, STDOUT, b"more")).await.expect_err("no room");
    assert!(matches!(refused, RecordError::Spool(SpoolError::Full(Bound::Session))), "{refused}");
    assert_eq!(stage.recording.to_border(), Some(0), "where the client is: it got none of the last bytes");
    assert!(matches!(stage.recording.failed().await, RecordError::Spool(_)));
    stage.recording.clone().finish(by_gateway(&refused)).await.expect("an end");
    store.gate.add_permits(1_000);
    stage.recorder.drained().await;
    let manifest = Recordings::new(store.clone()).manifest(stage.recording.id()).await.expect("readable");
    let Outcome::EndedByGateway { reason, .. } = manifest.expect("stored").outcome else { panic!("another outcome") };
    assert!(reason.contains("spool.session_bytes"), "{reason}");
    assert!(restored(&stage.events().await, Code::Output).len() >= accepted);
}

#[tokio::test]
async fn an_object_that_is_not_ours_is_never_taken_for_one() {
    let store = Moody::new(9);
    let stage = stage(&store, settings()).await;
    let id = stage.recording.id();
    store.put_new(&Key::chunk(id, 1), bytes::Bytes::from_static(b"forged")).await.expect("written");
    stage.server(STDOUT, b"hello").await;
    stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    stage.recorder.drained().await;
    assert_eq!(Recordings::new(store).manifest(id).await.expect("readable"), None);
    let aside = stage.folder.path().join("aside").join(id.to_string());
    assert!(aside.join("000001").exists(), "what was said is kept for a person");
}

#[tokio::test]
async fn a_recording_that_is_dropped_keeps_its_bytes_and_says_interrupted() {
    let store = Moody::new(9);
    let Stage { recording, recorder, folder: _folder, .. } = stage(&store, slow()).await;
    recording.accept(Server, &message(Server, STDOUT, b"last words\xe2\x82")).await.expect("accepted");
    let id = recording.id();
    drop(recording);
    recorder.drained().await;
    let (manifest, events) = read(&store, id).await;
    assert_eq!(restored(&events, Code::Output), b"last words\xe2\x82");
    assert_eq!((manifest.outcome, manifest.totals.stdout), (Outcome::Interrupted, 12));
}

/// What `kill -9` leaves: the folder as it is at this moment, in another place.
fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for session in std::fs::read_dir(folder).expect("the spool") {
        let session = session.expect("an entry");
        if session.file_type().expect("a type").is_dir() {
            let to = copy.path().join(session.file_name());
            std::fs::create_dir(&to).expect("a folder");
            for file in std::fs::read_dir(session.path()).expect("a session") {
                let file = file.expect("a file");
                std::fs::copy(file.path(), to.join(file.file_name())).expect("a copy");
            }
        }
    }
    copy
}

async fn recovered(folder: &Path, store: Arc<dyn Store>) {
    Recorder::start(spool(folder), store, settings()).drained().await;
    assert_eq!(spool(folder).sessions(), []);
}

async fn read(store: &Arc<Moody>, id: RecordingId) -> (Manifest, Vec<Event>) {
    let recordings = Recordings::new(store.clone());
    let manifest = recordings.manifest(id).await.expect("readable").expect("a manifest");
    (manifest, recordings.events(id).await.expect("a recording").1)
}

#[tokio::test]
async fn everything_accepted_is_in_the_recording_after_kill_9_and_nothing_twice() {
    // How many chunks reach the store before: none, some, all of the closed ones.
    for stored in 0..5 {
        let store = Moody::new(stored);
        let stage = stage(&store, Settings { chunk_bytes: 1_000, ..slow() }).await;
        let mut accepted = Vec::new();
        for number in 0..40 {
            let said = format!("line {number} caf\u{e9} {}\r\n", "x".repeat(number * 3));
            let (one, two) = said.as_bytes().split_at(said.find('\u{e9}').expect("it") + 1);
            for part in [one, two] {
                stage.server(STDOUT, part).await;
                accepted.extend_from_slice(part);
            }
        }
        stage.server(STDOUT, b"\xe2\x82").await;
        accepted.extend_from_slice(b"\xe2\x82");
        while store.list("", None, 1_000).await.expect("a list").len() < stored {
            store.written.notified().await;
        }
        let folder = killed(stage.folder.path());
        let id = stage.recording.id();
        store.gate.add_permits(1_000);
        // The process is gone; its copy of the session here may do what it wants in a store of its own.
        let elsewhere = Moody::new(1_000);
        for entry in store.list("", None, 1_000).await.expect("a list").iter().take(stored) {
            elsewhere.put_new(&entry.key, store.read(&entry.key).await.expect("it")).await.expect("put");
        }
        recovered(folder.path(), elsewhere.clone()).await;
        let (manifest, events) = read(&elsewhere, id).await;
        assert_eq!(restored(&events, Code::Output), accepted, "{stored} stored");
        assert_eq!(manifest.outcome, Outcome::Interrupted);
        assert_eq!(manifest.totals.stdout, accepted.len() as u64);
        let last = events.last().expect("events").micros;
        assert!(manifest.duration_micros >= last, "the last time seen");
        let listed: Vec<_> = manifest.chunks.iter().map(|chunk| chunk.number).collect();
        assert_eq!(listed, (0..listed.len() as u32).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_status_that_was_seen_before_kill_9_is_the_outcome() {
    let store = Moody::new(1_000);
    let stage = stage(&store, slow()).await;
    stage.client(RESIZE, br#"{"Width":120,"Height":40}"#).await;
    stage.server(STDOUT, b"done").await;
    stage.server(ERROR, &exit_code(7)).await;
    stage.recording.accept(Server, &close(Server)).await.expect("accepted");
    let folder = killed(stage.folder.path());
    let elsewhere = Moody::new(1_000);
    recovered(folder.path(), elsewhere.clone()).await;
    let (manifest, _) = read(&elsewhere, stage.recording.id()).await;
    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 7 });
    assert_eq!((manifest.width, manifest.height), (120, 40));
    assert_eq!(manifest.transport, "websocket v5.channel.k8s.io");
    assert_eq!(manifest.commands[0].text, "sh");
}

#[tokio::test]
async fn an_end_that_was_not_stored_yet_is_stored_as_it_was() {
    let store = Moody::new(0);
    let stage = stage(&store, slow()).await;
    stage.server(STDOUT, b"done").await;
    stage.server(ERROR, &exit_code(0)).await;
    let said = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    let folder = killed(stage.folder.path());
    let elsewhere = Moody::new(1_000);
    recovered(folder.path(), elsewhere.clone()).await;
    let (manifest, _) = read(&elsewhere, stage.recording.id()).await;
    assert_eq!(Manifest { chunks: Vec::new(), ..manifest }, said);
    // A second process that died before the spool let go of it.
    recovered(killed(stage.folder.path()).path(), elsewhere).await;
}

#[tokio::test]
async fn a_session_that_was_completed_by_another_is_set_aside() {
    let store = Moody::new(0);
    let stage = stage(&store, slow()).await;
    stage.server(STDOUT, b"more than the completer saw").await;
    let folder = killed(stage.folder.path());
    let (id, elsewhere) = (stage.recording.id(), Moody::new(1_000));
    elsewhere.put_new(&Key::manifest(id), bytes::Bytes::from_static(b"{}")).await.expect("written");
    recovered(folder.path(), elsewhere.clone()).await;
    assert!(folder.path().join("aside").join(id.to_string()).join("000001").exists());
    let keys: Vec<_> = elsewhere.list("", None, 9).await.expect("a list").into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [Key::manifest(id)], "nothing was put beside it");
}

#[tokio::test]
async fn a_gateway_that_never_comes_back_has_its_sessions_completed_once_its_lease_ran_out() {
    let store = Moody::new(1_000);
    let stage = stage(&store, settings()).await;
    stage.server(STDOUT, b"stored").await;
    let id = stage.recording.id();
    while store.list("recordings/", None, 9).await.expect("a list").len() < 2 {
        store.written.notified().await;
    }
    let signer = storage::signing::Signer::generate().expect("a key");
    let now = std::time::SystemTime::now();
    let seconds = i64::try_from(now.duration_since(std::time::UNIX_EPOCH).expect("after").as_secs()).expect("fits");
    let complete = async |at: std::time::SystemTime| {
        let mut completer = recorder::Completer::new(store.clone(), &signer, "other");
        completer.complete(id, at).await.expect("a store")
    };
    use recorder::{Completion, LeftAlone};
    assert!(matches!(complete(now).await, Some(Completion::LeftAlone(LeftAlone::NoLease))));
    // Two processes of one name: the last of them counts.
    for until in [seconds + 1_000, seconds - 5_000] {
        let lease = storage::lease::Lease { gateway: "kubetape".to_owned(), instance: uuid::Uuid::now_v7(), until };
        storage::lease::take(&*store, &lease).await.expect("a lease");
    }
    assert!(matches!(complete(now).await, Some(Completion::LeftAlone(LeftAlone::Alive))));
    let later = now + Duration::from_secs(2_000);
    let Some(Completion::Completed(manifest)) = complete(later).await else { panic!("not completed") };
    assert_eq!(manifest.outcome, Outcome::Interrupted);
    let (stored, events) = read(&store, id).await;
    assert_eq!((&stored, restored(&events, Code::Output).as_slice()), (&*manifest, &b"stored"[..]));
    assert!(stored.anomalies[0].contains("completed by other"), "{:?}", stored.anomalies);
    assert!(complete(later).await.is_none());
    // It comes back all the same: what it has more is kept aside, and nothing is put beside what was completed.
    let folder = killed(stage.folder.path());
    let more = folder.path().join(id.to_string()).join("000002");
    std::fs::copy(folder.path().join(id.to_string()).join("000001"), &more)
        .or_else(|_| std::fs::write(&more, b"x").map(|()| 0))
        .expect("a file");
    let before = store.list("recordings/", None, 9).await.expect("a list").len();
    recovered(folder.path(), store.clone()).await;
    assert_eq!(store.list("recordings/", None, 9).await.expect("a list").len(), before);
    assert!(folder.path().join("aside").join(id.to_string()).exists());
}

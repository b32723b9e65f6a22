//! What a store does to a session: lag, fail, come back.

mod support;

use std::{
    error::Error,
    future::Future,
    sync::{Arc, atomic::Ordering},
    task::{Context, Waker},
    time::Duration,
};

use access::InputRecording;
use recorder::{Ending, RecordError, Recorder, Settings};
use storage::{
    Key, Recordings,
    cast::{Code, SessionKind},
};
use support::*;

async fn stage(store: &Arc<Moody>, settings: Settings) -> Stage {
    Stage::with(settings, store.clone(), SessionKind::Exec, &["sh"], false, InputRecording::Never).await
}

#[tokio::test]
async fn nothing_is_opened_that_cannot_be_stored() {
    let store = Moody::new(9);
    store.failing.store(true, Ordering::SeqCst);
    let recorder = Recorder::new(store.clone(), settings());
    let error = recorder
        .open(&permit(InputRecording::Never), opening(SessionKind::Exec, &["ls"], false))
        .await
        .expect_err("the store fails");
    assert_eq!(error.to_string(), "the recording cannot be stored");
    let cause = error.source().and_then(Error::source).map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("no space left on device"));
}

#[tokio::test]
async fn the_header_is_durable_before_anything_else() {
    let store = Moody::new(1);
    let stage = stage(&store, settings()).await;
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
async fn a_session_whose_store_is_gone_ends() {
    let store = Moody::new(1);
    let stage = stage(&store, settings()).await;
    store.failing.store(true, Ordering::SeqCst);
    stage.server(STDOUT, b"accepted while nobody knew").await;
    let error = stage.recording.failed().await;
    assert!(matches!(error, RecordError::Store(_)), "{error}");
    let refused = stage.recording.accept(Server, &message(Server, STDOUT, b"more")).await;
    assert!(matches!(refused, Err(RecordError::Store(_))));
    let manifest =
        stage.recording.clone().finish(Ending::ByGateway { reason: error.to_string(), by: String::new() }).await;
    assert!(matches!(manifest, Err(RecordError::Store(_))), "no manifest claims to be whole");
}

#[tokio::test]
async fn a_store_that_comes_back_in_time_costs_nothing() {
    let store = Moody::new(9);
    let patient = Settings { store_patience: Duration::from_secs(60), ..settings() };
    let stage = stage(&store, patient).await;
    store.written.notified().await;
    store.failing.store(true, Ordering::SeqCst);
    stage.server(STDOUT, b"kept").await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    store.failing.store(false, Ordering::SeqCst);
    store.written.notified().await;
    assert_eq!(restored(&stage.events().await, Code::Output), b"kept");
}

#[tokio::test]
async fn accept_waits_while_the_store_lags() {
    let store = Moody::new(1);
    let small =
        Settings { chunk_bytes: 10_000, max_pending: 50_000, store_patience: Duration::from_secs(60), ..settings() };
    let stage = stage(&store, small).await;
    let piece = message(Server, STDOUT, &[b'x'; 5_000]);
    let mut accepted = 0;
    let mut waiting = Box::pin(stage.recording.accept(Server, &piece));
    // Nothing else runs between these polls: what does not finish at once waits for the store.
    while waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
        accepted += 5_000;
        assert!(accepted <= 50_000 + 20_000, "no bound");
        waiting = Box::pin(stage.recording.accept(Server, &piece));
    }
    assert!(accepted >= 50_000, "waits too early: {accepted}");
    store.gate.add_permits(1_000);
    waiting.await.expect("room again");
    stage.recording.clone().finish(Ending::Closed(Server)).await.expect("a manifest");
    assert_eq!(restored(&stage.events().await, Code::Output).len(), accepted + 5_000);
}

#[tokio::test]
async fn an_object_that_is_not_ours_is_never_taken_for_one() {
    let store = Moody::new(9);
    let stage = stage(&store, settings()).await;
    let key = Key::chunk(stage.recording.id(), 1);
    storage::Store::put_new(&*store, &key, bytes::Bytes::from_static(b"forged")).await.expect("written");
    stage.server(STDOUT, b"hello").await;
    assert!(matches!(stage.recording.failed().await, RecordError::Conflict(at) if at == key));
}

#[tokio::test]
async fn a_recording_that_is_dropped_keeps_its_bytes_and_has_no_end() {
    let store = Moody::new(9);
    let slow = Settings { chunk_age: Duration::from_secs(3600), ..settings() };
    let stage = stage(&store, slow).await;
    store.written.notified().await;
    stage.server(STDOUT, b"last words").await;
    let id = stage.recording.id();
    drop(stage);
    store.written.notified().await;
    let recordings = Recordings::new(store.clone());
    let events = recordings.events(id).await.expect("a recording").1;
    assert_eq!(restored(&events, Code::Output), b"last words");
    assert_eq!(recordings.manifest(id).await.expect("readable"), None);
}

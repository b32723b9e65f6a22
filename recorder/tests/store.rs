//! What happens when the store or the spool fails, lags or holds something else.

mod support;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use access::InputRecording;
use recorder::{Ending, FinalizeOutcome, RecordError, Recorder, Settings, SkipReason, StoreHealth};
use recording::{
    Key, Manifest, Outcome, RecordingId,
    cast::{Code, SessionKind},
};
use spool::{LimitKind, Spool, SpoolError, SpoolLimits};
use storage::{Capabilities, Memory, ObjectMeta, RecordingReader, Store, StoreError};
use support::*;

fn by_gateway(error: &RecordError) -> Ending {
    Ending::ByGateway { reason: error.to_string(), by: String::new() }
}

#[tokio::test]
async fn nothing_is_opened_that_cannot_be_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool =
        Spool::open(folder.path(), SpoolLimits { disk_floor: u64::MAX, ..SpoolLimits::default() }).expect("a spool");
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
    let recordings = RecordingReader::new(store.clone());
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
    let mut health = stage.recorder.store_health();
    health.wait_for(|health| *health != StoreHealth::Healthy).await.expect("health");
    assert_eq!(store.list("", None, 9).await.expect("a list"), []);
    store.failing.store(false, Ordering::SeqCst);
    stage.recorder.drained().await;
    assert_eq!(*health.borrow(), StoreHealth::Healthy);
    assert_eq!(restored(&stage.events().await, Code::Output).len(), 500_000);
    let manifest = RecordingReader::new(store).manifest(stage.recording.id()).await.expect("readable");
    assert_eq!(manifest.expect("stored").outcome, Outcome::Exited { exit_code: 0 });
    assert_eq!(stage.recorder.spool().gauges().usage().bytes, 0);
}

#[tokio::test]
async fn many_sessions_that_wait_for_a_store_are_all_stored_once_it_works() {
    let store = Moody::new(1_000);
    store.failing.store(true, Ordering::SeqCst);
    let first = stage(&store, slow()).await;
    let mut ids = vec![first.recording.id()];
    first.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    for _ in 1..100 {
        let (ls, (negotiated, request)) =
            (opening(SessionKind::Exec, &["ls"], false), negotiated(SessionKind::Exec, false));
        let opened = first.recorder.open(&permit(InputRecording::Never), ls).await.expect("opened");
        let recording = Arc::new(opened.begin(negotiated, &request));
        ids.push(recording.id());
        recording.finish(Ending::Closed(Server)).await.expect("an end");
    }
    while store.refused.load(Ordering::SeqCst) <= 100 {
        store.written.notified().await;
    }
    store.failing.store(false, Ordering::SeqCst);
    first.recorder.drained().await;
    for id in ids {
        assert!(RecordingReader::new(store.clone()).manifest(id).await.expect("readable").is_some(), "{id}");
    }
}

#[tokio::test]
async fn a_recording_that_was_not_opened_in_time_never_was() {
    // A fast disk may have the header synced before the clock's first tick: then the next attempt is looked at.
    let (folder, store) = loop {
        let (folder, store) = (tempfile::tempdir().expect("a folder"), Moody::new(9));
        let hurry = Settings { open_patience: Duration::ZERO, ..settings() };
        let recorder = Recorder::start(spool(folder.path()), store.clone(), hurry);
        match recorder.open(&permit(InputRecording::Never), opening(SessionKind::Exec, &["ls"], false)).await {
            Ok(_) => {}
            Err(error) => {
                assert!(matches!(error, RecordError::Slow), "{error}");
                break (folder, store);
            }
        }
    };
    // The next process would store it, and journal an end that contradicts the refusal.
    recovered(folder.path(), store.clone()).await;
    assert_eq!(store.list("", None, 9).await.expect("a list"), []);
}

/// A store that panics at its first write.
#[derive(Debug, Default)]
struct Panicking {
    inner: Memory,
    is_over: AtomicBool,
}

#[async_trait::async_trait]
impl Store for Panicking {
    async fn put_new(&self, key: &Key, bytes: bytes::Bytes) -> Result<(), StoreError> {
        assert!(self.is_over.swap(true, Ordering::SeqCst), "a test's panic");
        self.inner.put_new(key, bytes).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<bytes::Bytes, StoreError> {
        self.inner.read(key, max).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.inner.probe().await
    }
}

#[tokio::test]
async fn an_upload_that_panics_is_counted_and_goes_on() {
    let store = Arc::new(Panicking::default());
    // The header, a chunk in the middle of the session, and its manifest.
    for after in 0..3 {
        store.is_over.store(after > 0, Ordering::SeqCst);
        let (kind, never) = (SessionKind::Exec, InputRecording::Never);
        let settings = Settings { chunk_bytes: 1, ..slow() };
        let stage = Stage::with(settings, store.clone(), kind, &["sh"], false, never).await;
        let file =
            |number: u32| stage.folder.path().join(stage.recording.id().to_string()).join(format!("{number:06}"));
        if after > 0 {
            stage.server(STDOUT, b"one").await;
            gone(&[file(1)]).await;
            store.is_over.store(after > 1, Ordering::SeqCst);
            stage.server(STDOUT, b"two").await;
            gone(&[file(2)]).await;
        }
        if after > 1 {
            store.is_over.store(false, Ordering::SeqCst);
        }
        let manifest = stage.finish(Ending::Closed(Server)).await;
        let said: &[u8] = if after > 0 { b"onetwo" } else { b"" };
        assert_eq!(restored(&stage.events().await, Code::Output), said);
        let listed: Vec<_> = manifest.chunks.iter().map(|chunk| chunk.number).collect();
        assert_eq!(listed, if after > 0 { vec![0, 1, 2] } else { vec![0] }, "after {after}");
        assert_eq!((stage.recorder.task_panics(), stage.recorder.spool().gauges().usage().bytes), (1, 0));
    }
}

/// A session that may have 50,000 bytes here, and a store that takes nothing.
async fn crowded(store: &Arc<Moody>, patience: Duration) -> (Stage, usize) {
    let bounds = SpoolLimits { session_bytes: 50_000, ..bounds() };
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
    // The piece whose wait was dropped is recorded too.
    let bytes = restored(&stage.events().await, Code::Output);
    assert_eq!(bytes.len(), accepted + 5_000 + 7);
}

#[tokio::test]
async fn a_session_without_room_ends_visibly_and_loses_nothing_that_was_accepted() {
    let store = Moody::new(1);
    let (stage, accepted) = crowded(&store, Duration::from_millis(50)).await;
    let refused = stage.recording.accept(Server, &message(Server, STDOUT, b"more")).await.expect_err("no room");
    assert!(matches!(refused, RecordError::Spool(SpoolError::Full(LimitKind::Session))), "{refused}");
    assert_eq!(
        stage.recording.bytes_to_frame_boundary(),
        Some(0),
        "where the client is: it got none of the last bytes"
    );
    assert!(matches!(stage.recording.failed().await, RecordError::Spool(_)));
    stage.recording.clone().finish(by_gateway(&refused)).await.expect("an end");
    store.gate.add_permits(1_000);
    stage.recorder.drained().await;
    let manifest = RecordingReader::new(store.clone()).manifest(stage.recording.id()).await.expect("readable");
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
    assert_eq!(RecordingReader::new(store).manifest(id).await.expect("readable"), None);
    let aside = stage.folder.path().join("aside").join(id.to_string());
    assert!(aside.join("000001").exists(), "what was said is kept for a person");
}

/// Who can write the store can put objects of any size there, and every gateway would read them at every look.
#[tokio::test]
async fn an_object_that_is_too_large_is_not_read() {
    let huge = || bytes::Bytes::from(vec![0; 81 << 20]);
    let store = Moody::new(9);
    let stage = stage(&store, settings()).await;
    let id = stage.recording.id();
    store.put_new(&Key::chunk(id, 1), huge()).await.expect("written");
    stage.server(STDOUT, b"hello").await;
    stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    stage.recorder.drained().await;
    assert!(stage.folder.path().join("aside").join(id.to_string()).join("000001").exists());
    let signer = Arc::new(storage::signing::Signer::generate().expect("a key"));
    let mut finalizer = recorder::OrphanFinalizer::new(store.clone(), signer, "other", NoJournal);
    let done = finalizer.finalize(id, std::time::SystemTime::now()).await.expect("a store");
    assert!(matches!(done, Some(FinalizeOutcome::Skipped(SkipReason::TooLarge(1)))), "{done:?}");
}

struct NoJournal;

impl recorder::JournalLookup for NoJournal {
    async fn opened(&mut self, _: &str, _: RecordingId) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn ended(&mut self, _: &Manifest) {}

    async fn stored(&mut self, _: &storage::StoredManifest) {
        panic!("nothing was finalized");
    }
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

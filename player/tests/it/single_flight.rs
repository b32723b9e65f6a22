//! What happens to a recording's scan when its requests do not wait for it. The store returns a chunk when the test lets
//! it, so that nothing here depends on time.

use std::sync::Arc;

use player::{Player, PlayerSettings};
use recording::{RecordingId, cast::Code::*};
use storage::{Memory, RecordingReader};
use tokio::task::{JoinHandle, yield_now};

use crate::{
    gated_store::GatedStore,
    test_recording::{SessionKind, TestRecording},
};

/// Chunks of a recording whose scan is a long one.
const LONG_CHUNKS: u32 = 20;
/// Long scans at once.
const LONG_SCANS: u32 = 4;
const MANY: usize = 10_000;

/// Stores a finished recording of `chunks` chunks beside others.
async fn recording(memory: &Arc<Memory>, chunks: u32) -> RecordingId {
    let mut recording = TestRecording::start_in(memory.clone(), SessionKind::Tty, "never").await;
    for number in 0..chunks {
        recording.chunk(&[(u64::from(number) * 1_000_000, Output, "some\r\n")]).await;
    }
    recording.finish(60_000_000).await;
    recording.id
}

fn player(memory: &Arc<Memory>) -> (Arc<GatedStore>, Player) {
    let gated_store = Arc::new(GatedStore::new(memory.clone()));
    let player = Player::new(RecordingReader::new(gated_store.clone()), PlayerSettings::default());
    (gated_store, player)
}

/// Opens a recording as a request does.
fn request(player: &Player, id: RecordingId) -> JoinHandle<f64> {
    let player = player.clone();
    tokio::spawn(async move { player.index(id).await.unwrap().duration })
}

/// Cuts the request.
async fn cut(request: JoinHandle<f64>) {
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
}

/// Lets every task run up to where it waits for the store.
async fn settle() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

#[tokio::test]
async fn the_next_request_joins_the_scan_of_one_that_was_cut() {
    let memory = Arc::new(Memory::new());
    let id = recording(&memory, 3).await;
    let (store, player) = player(&memory);
    let first = request(&player, id);
    store.asked(1).await;
    cut(first).await;
    // Without a request the scan continues with the second chunk.
    store.let_go(1);
    store.asked(1).await;
    let second = request(&player, id);
    store.let_go(MANY);
    assert_eq!(second.await.unwrap(), 60.0);
    assert_eq!(player.index(id).await.unwrap().duration, 60.0);
    assert_eq!(store.reads(id), [1, 1, 1]);
}

#[tokio::test]
async fn many_requests_for_a_recording_are_one_scan() {
    let memory = Arc::new(Memory::new());
    let id = recording(&memory, 3).await;
    let (store, player) = player(&memory);
    let requests: Vec<_> = (0..10).map(|_| request(&player, id)).collect();
    store.asked(1).await;
    settle().await;
    store.let_go(MANY);
    for request in requests {
        assert_eq!(request.await.unwrap(), 60.0);
    }
    assert_eq!(store.reads(id), [1, 1, 1]);
}

#[tokio::test]
async fn few_long_scans_run_at_once_and_short_ones_do_not_wait_for_them() {
    let memory = Arc::new(Memory::new());
    let (store, player) = player(&memory);
    let mut ids = Vec::new();
    for _ in 0..LONG_SCANS + 2 {
        ids.push(recording(&memory, LONG_CHUNKS).await);
    }
    let short = recording(&memory, 1).await;
    let requests: Vec<_> = ids.iter().map(|id| request(&player, *id)).collect();
    store.asked(LONG_SCANS).await;
    settle().await;
    assert_eq!(store.most(), LONG_SCANS as usize);

    // First come, first served: the short scan is the last that waits for the store, and the long ones wait behind it.
    let quick = request(&player, short);
    store.asked(1).await;
    assert_eq!(store.most(), LONG_SCANS as usize + 1);
    store.let_go(MANY);
    assert_eq!(quick.await.unwrap(), 60.0);
    for request in requests {
        assert_eq!(request.await.unwrap(), 60.0);
    }
    assert_eq!(store.most(), LONG_SCANS as usize + 1);
}

#[tokio::test]
async fn a_request_that_leaves_before_its_turn_costs_nothing() {
    let memory = Arc::new(Memory::new());
    let (store, player) = player(&memory);
    let mut requests = Vec::new();
    for _ in 0..LONG_SCANS {
        requests.push(request(&player, recording(&memory, LONG_CHUNKS).await));
    }
    store.asked(LONG_SCANS).await;
    let late = recording(&memory, LONG_CHUNKS).await;
    let (one, other) = (request(&player, late), request(&player, late));
    settle().await;
    cut(one).await;
    settle().await;
    cut(other).await;
    store.let_go(MANY);
    for request in requests {
        request.await.unwrap();
    }
    settle().await;
    assert_eq!(store.reads(late), [0; 0]);
    assert_eq!(request(&player, late).await.unwrap(), 60.0, "who comes later finds it as it was");
}

#[tokio::test]
async fn a_failure_reaches_all_requests_and_the_next_one_tries_again() {
    let memory = Arc::new(Memory::new());
    let id = recording(&memory, 1).await;
    let (store, player) = player(&memory);
    let failing = |player: Player| tokio::spawn(async move { player.index(id).await.unwrap_err() });
    let (one, other) = (failing(player.clone()), failing(player.clone()));
    store.asked(1).await;
    settle().await;
    store.go_away(true);
    store.let_go(MANY);
    for error in [one.await.unwrap(), other.await.unwrap()] {
        assert!(!error.is_not_found() && error.to_string() == "cannot read the recording", "{error}");
    }
    store.go_away(false);
    assert_eq!(player.index(id).await.unwrap().duration, 60.0);
    assert_eq!(store.reads(id), [2]);
}

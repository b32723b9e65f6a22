//! What happens to a recording's reading when whoever asked for it does not wait. The store gives a chunk when a test lets
//! it, so nothing here depends on how long anything takes.

use std::sync::Arc;

use player::{Player, PlayerSettings};
use recording::{RecordingId, cast::Code::*};
use storage::{Memory, RecordingReader};
use tokio::task::{JoinHandle, yield_now};

use crate::{
    slow::Slow,
    tape::{Kind, TestRecording},
};

/// Chunks of a recording that takes long.
const LONG: u32 = 20;
/// Long ones that are read at once.
const TURNS: u32 = 4;
const MANY: usize = 10_000;

/// A recording of so many chunks that is over, in a store together with others.
async fn recording(memory: &Arc<Memory>, chunks: u32) -> RecordingId {
    let mut tape = TestRecording::start_in(memory.clone(), Kind::Tty, "never").await;
    for number in 0..chunks {
        tape.chunk(&[(u64::from(number) * 1_000_000, Output, "some\r\n")]).await;
    }
    tape.finish(60_000_000).await;
    tape.id
}

fn player(memory: &Arc<Memory>) -> (Arc<Slow>, Player) {
    let slow = Arc::new(Slow::new(memory.clone()));
    let player = Player::new(RecordingReader::new(slow.clone()), PlayerSettings::default());
    (slow, player)
}

/// Asks for a recording as a request does.
fn request(player: &Player, id: RecordingId) -> JoinHandle<f64> {
    let player = player.clone();
    tokio::spawn(async move { player.index(id).await.unwrap().duration })
}

/// The request is cut.
async fn cut(request: JoinHandle<f64>) {
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
}

/// Lets everything that can go on do so, up to where it waits for the store.
async fn settle() {
    for _ in 0..1000 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_request_that_is_cut_leaves_the_work_to_the_next_one() {
    let memory = Arc::new(Memory::new());
    let id = recording(&memory, 3).await;
    let (store, player) = player(&memory);
    let first = request(&player, id);
    store.asked(1).await;
    cut(first).await;
    // With nobody waiting it goes on to the second chunk.
    store.let_go(1);
    store.asked(1).await;
    let second = request(&player, id);
    store.let_go(MANY);
    assert_eq!(second.await.unwrap(), 60.0);
    assert_eq!(player.index(id).await.unwrap().duration, 60.0);
    assert_eq!(store.reads(id), [1, 1, 1]);
}

#[tokio::test]
async fn many_requests_for_a_recording_are_one_reading() {
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
async fn few_long_ones_are_read_at_once_and_short_ones_do_not_wait_for_them() {
    let memory = Arc::new(Memory::new());
    let (store, player) = player(&memory);
    let mut ids = Vec::new();
    for _ in 0..TURNS + 2 {
        ids.push(recording(&memory, LONG).await);
    }
    let short = recording(&memory, 1).await;
    let requests: Vec<_> = ids.iter().map(|id| request(&player, *id)).collect();
    store.asked(TURNS).await;
    settle().await;
    assert_eq!(store.most(), TURNS as usize);

    // First come, first served: the short one is the last that waits at the gate, the long ones wait for all of it.
    let quick = request(&player, short);
    store.asked(1).await;
    assert_eq!(store.most(), TURNS as usize + 1);
    store.let_go(MANY);
    assert_eq!(quick.await.unwrap(), 60.0);
    for request in requests {
        assert_eq!(request.await.unwrap(), 60.0);
    }
    assert_eq!(store.most(), TURNS as usize + 1);
}

#[tokio::test]
async fn who_goes_away_before_it_is_their_turn_leaves_nothing() {
    let memory = Arc::new(Memory::new());
    let (store, player) = player(&memory);
    let mut requests = Vec::new();
    for _ in 0..TURNS {
        requests.push(request(&player, recording(&memory, LONG).await));
    }
    store.asked(TURNS).await;
    let late = recording(&memory, LONG).await;
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
async fn what_fails_is_told_to_all_and_tried_again_for_the_next_one() {
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

use std::{sync::Arc, time::Duration};

use player::{LiveFrame, Player, PlayerSettings, Viewer};
use recording::{
    Micros,
    cast::{
        Code::{self, *},
        write_event,
    },
};
use spool::{Checkpoint, Spool, SpoolLimits, SpoolWriter};
use storage::RecordingReader;

use crate::{
    gated_store::GatedStore,
    test_recording::{SessionKind, TestRecording},
};

const SECOND: u64 = 1_000_000;

/// The text of a viewer's frames up to the first for which `last` is true; keyframes in angle brackets.
async fn shown(viewer: &mut Viewer, mut last: impl FnMut(&str) -> bool) -> String {
    let mut text = String::new();
    while !last(&text) {
        let frame = tokio::time::timeout(Duration::from_secs(20), viewer.next()).await.expect("a frame in time");
        match frame {
            Some(LiveFrame::Keyframe { cols, rows, init, .. }) => text.push_str(&format!("<{cols}x{rows} {init}>")),
            Some(LiveFrame::Output(_, output)) => text.push_str(&output),
            Some(LiveFrame::Resize(_, cols, rows)) => text.push_str(&format!("[{cols}x{rows}]")),
            Some(LiveFrame::Marker(_, label)) => text.push_str(&format!("[{label}]")),
            Some(LiveFrame::Over) => text.push_str("[over]"),
            None => return text + "[none]",
        }
    }
    text
}

async fn to_end(viewer: &mut Viewer) -> String {
    shown(viewer, |text| text.ends_with("[none]")).await
}

/// A session in a spool, and a player with that spool and a store.
struct Bench {
    _folder: tempfile::TempDir,
    spool: Spool,
    recording: TestRecording,
    session: SpoolWriter,
    player: Player,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), SpoolLimits { disk_floor: 0, ..SpoolLimits::default() }).unwrap();
        let recording = TestRecording::start(SessionKind::Tty, "never").await;
        let header = RecordingReader::new(recording.store.clone()).header(recording.id).await.unwrap();
        let session = spool.begin(recording.id, &header).await.unwrap();
        let player = recording.player(PlayerSettings::default()).with_spool(spool.reader());
        Self { _folder: folder, spool, recording, session, player }
    }

    fn say(&mut self, at: u64, code: Code, data: &str) {
        let mut lines = Vec::new();
        write_event(&mut lines, Micros::new(at), code, data);
        self.session.append(&Checkpoint { time: Micros::new(at), ..Checkpoint::default() }, &lines).unwrap();
    }
}

#[tokio::test]
async fn everything_so_far_and_then_what_comes() {
    let mut bench = Bench::new().await;
    bench.say(SECOND, Resize, "40x5");
    bench.say(2 * SECOND, Output, "before");
    let mut first = bench.player.watch(bench.recording.id).await.unwrap();
    bench.say(3 * SECOND, Output, " then");
    let text = shown(&mut first, |text| text.ends_with("then")).await;
    assert!(text.starts_with("<40x5 ") && text.contains("before"), "{text:?}");
    let mut second = bench.player.watch(bench.recording.id).await.unwrap();
    bench.say(4 * SECOND, Marker, "ls");
    bench.say(5 * SECOND, Output, " last");
    bench.session.end();
    assert_eq!(to_end(&mut first).await, "[ls] last[over][none]");
    let text = to_end(&mut second).await;
    assert!(text.contains("before then") && text.ends_with(">[ls] last[over][none]"), "{text:?}");
    let mut late = bench.player.watch(bench.recording.id).await.unwrap();
    let text = to_end(&mut late).await;
    assert!(text.contains("before then last") && text.ends_with(">[over][none]"), "{text:?}");
}

#[tokio::test]
async fn a_viewer_that_does_not_read_skips_to_the_present_screen_and_delays_nobody() {
    let mut bench = Bench::new().await;
    let mut stalled = bench.player.watch(bench.recording.id).await.unwrap();
    let mut quick = bench.player.watch(bench.recording.id).await.unwrap();
    for number in 0..5000_u64 {
        bench.say(SECOND + number, Output, &format!("line {number}\r\n"));
        if number % 100 == 0 {
            shown(&mut quick, |text| text.contains(&format!("line {number}\r\n"))).await;
        }
    }
    bench.session.end();
    assert!(to_end(&mut quick).await.contains("line 4999"));
    let text = to_end(&mut stalled).await;
    assert!(text.contains("line 4999") && text.ends_with("[over][none]"), "{text:?}");
    assert!(!text.contains("line 2000"), "it was skipped: the ring holds the last 512 events");
}

#[tokio::test]
async fn what_is_in_the_store_already_comes_first() {
    let mut bench = Bench::new().await;
    bench.say(SECOND, Output, "stored");
    bench.session.roll();
    bench.recording.chunk(&[(SECOND, Output, "stored")]).await;
    bench.spool.queue().stored(bench.recording.id, 1).await.unwrap();
    bench.say(2 * SECOND, Output, " spooled");
    let mut viewer = bench.player.watch(bench.recording.id).await.unwrap();
    bench.session.end();
    let text = to_end(&mut viewer).await;
    assert!(text.contains("stored spooled"), "{text:?}");
}

#[tokio::test]
async fn another_gateways_session_is_followed_in_the_store() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(SECOND, Output, "one")]).await;
    let player = recording.player(PlayerSettings::default());
    let mut viewer = player.watch(recording.id).await.unwrap();
    let text = shown(&mut viewer, |text| text.contains("one")).await;
    assert!(text.starts_with("<80x24 "), "{text:?}");
    recording.chunk(&[(2 * SECOND, Output, " two")]).await;
    assert_eq!(shown(&mut viewer, |text| text.ends_with("two")).await, " two");
    recording.finish(3 * SECOND).await;
    assert_eq!(to_end(&mut viewer).await, "[over][none]");
}

/// A session in a spool, and a player whose store can be made unavailable. The store has nothing of the session.
struct Away {
    bench: Bench,
    store: Arc<GatedStore>,
}

impl Away {
    async fn new() -> Self {
        let mut bench = Bench::new().await;
        let store = Arc::new(GatedStore::new(bench.recording.store.clone()));
        store.let_go(1000);
        store.go_away(true);
        let recordings = RecordingReader::new(store.clone());
        bench.player = Player::new(recordings, PlayerSettings::default()).with_spool(bench.spool.reader());
        Self { bench, store }
    }

    async fn labels(&self) -> (Vec<String>, bool) {
        let so_far = self.bench.player.markers(self.bench.recording.id).await.unwrap();
        (so_far.markers.into_iter().map(|(_, label)| label).collect(), so_far.whole)
    }
}

#[tokio::test]
async fn a_session_of_this_process_is_listed_and_watched_while_the_store_is_unavailable() {
    let mut away = Away::new().await;
    let id = away.bench.recording.id;
    away.bench.say(SECOND, Output, "some");
    away.bench.session.roll();
    away.bench.say(2 * SECOND, Marker, "ls");
    away.bench.say(3 * SECOND, Gap, "odd bytes");
    let summary = away.bench.player.summary(id).await.unwrap();
    assert_eq!((summary.header.kubetape.id, summary.manifest), (id, None));
    let expected = ["sh -c 'a b'", "ls", "kubetape: odd bytes"].map(str::to_owned).to_vec();
    assert_eq!(away.labels().await, (expected, true));
    let mut viewer = away.bench.player.watch(id).await.unwrap();
    away.bench.say(4 * SECOND, Output, " more");
    let text = shown(&mut viewer, |text| text.ends_with("more")).await;
    assert!(text.contains("some"), "{text:?}");
    away.bench.session.end();
    // Only the store knows whether the session has a manifest.
    assert!(away.bench.player.summary(id).await.is_err());
}

#[tokio::test]
async fn what_only_the_store_has_is_reported_missing_while_it_is_unavailable() {
    let mut away = Away::new().await;
    let id = away.bench.recording.id;
    away.bench.say(SECOND, Marker, "ls");
    away.bench.session.roll();
    let mut lines = Vec::new();
    write_event(&mut lines, Micros::new(SECOND), Marker, "ls");
    away.bench.recording.chunk_of(&lines).await;
    away.bench.spool.queue().stored(id, 1).await.unwrap();
    away.bench.say(2 * SECOND, Marker, "id");
    away.bench.say(3 * SECOND, Output, "now");
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(away.labels().await, (words(&["sh -c 'a b'", "id"]), false));
    let mut viewer = away.bench.player.watch(id).await.unwrap();
    let text = shown(&mut viewer, |text| text.contains("now")).await;
    assert!(text.contains("cannot be read from storage now: chunks 1 to 1"), "{text:?}");

    away.store.go_away(false);
    assert_eq!(away.labels().await, (words(&["sh -c 'a b'", "ls", "id"]), true));
    // The cache has what was read before, and the spool has the rest.
    away.store.go_away(true);
    assert_eq!(away.labels().await, (words(&["sh -c 'a b'", "ls", "id"]), true));
}

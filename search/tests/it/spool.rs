//! Live sessions of this process's gateway are found while nothing of them is stored.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use recording::{
    Key, Micros, Outcome, RecordingId,
    cast::{Code, write_event},
};
use search::{Clock, Follower, Index};
use spool::{Checkpoint, Spool, SpoolLimits, SpoolWriter as Spooled};

use crate::{
    Bench,
    library::{Session, everything, find, header, texts},
};

/// A follower beside a spool.
struct Desk {
    bench: Bench,
    spool: Spool,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(folder.path(), SpoolLimits { disk_floor: 0, ..SpoolLimits::default() }).unwrap();
        let mut bench = Bench::new();
        bench.follower = bench.follower.with_spool(spool.reader());
        Self { bench, spool, _folder: folder }
    }

    fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let mut desk = Self::new();
        desk.bench.follower = desk.bench.follower.with_clock(clock);
        desk
    }

    async fn begin(&self, session: &Session) -> Spooled {
        let header = header(session);
        self.bench.library.begin(session).await;
        self.spool.begin(header.kubetape.id, &header).await.unwrap()
    }

    /// Puts a segment into the store and removes it from the spool, as the recorder's uploader does.
    async fn store(&self, id: RecordingId, number: u32) {
        let lines = self.spool.queue().segment(id, number).await.unwrap().lines;
        self.bench.library.put(&Key::chunk(id, number), zstd::bulk::compress(&lines, 1).unwrap()).await;
        self.spool.queue().stored(id, number).await.unwrap();
    }

    fn index(&self) -> &Index {
        &self.bench.index
    }

    /// Does turns until a query finds something: one turn takes a bounded time for output.
    async fn until(&mut self, query: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while find(self.index(), query).is_empty() {
            assert!(Instant::now() < deadline, "{query} is not found");
            self.bench.step().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Of the microsecond `at`.
fn say(session: &mut Spooled, at: u64, code: Code, text: &str) {
    let mut line = Vec::new();
    write_event(&mut line, Micros::new(at), code, text);
    session.append(&Checkpoint { time: Micros::new(at), ..Checkpoint::default() }, &line).unwrap();
}

/// A clock that stands still until it is advanced; it begins at the start of [`Session::default`].
struct ManualClock {
    base: Instant,
    elapsed: Mutex<Duration>,
}

impl ManualClock {
    fn new() -> Self {
        Self { base: Instant::now(), elapsed: Mutex::default() }
    }

    fn advance(&self, by: Duration) {
        *self.elapsed.lock().unwrap() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(crate::library::MORNING).unwrap() + *self.elapsed.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        self.base + *self.elapsed.lock().unwrap()
    }
}

#[tokio::test]
async fn a_live_session_is_found_before_anything_of_it_is_stored_and_once_after() {
    let mut desk = Desk::new();
    let session = Session::default();
    let mut live = desk.begin(&session).await;
    let id = live.id();
    say(&mut live, 1_000_000, Code::Output, "$ uptime\r\n");
    say(&mut live, 1_100_000, Code::Marker, "uptime");
    say(&mut live, 1_200_000, Code::Output, " 10:00:01 up 41 days\r\n$ ");
    desk.bench.step().await;
    assert_eq!(texts(desk.index(), "source:typed"), ["uptime"]);
    let hit = find(desk.index(), "kind:output \"41 days\" outcome:live").remove(0);
    assert_eq!((hit.session, hit.offset), (Some(id), Some(Micros::from_millis(1_200))));

    // A segment is stored between two looks, and the next one goes on.
    live.roll();
    desk.store(id, 1).await;
    say(&mut live, 2_000_000, Code::Marker, "df -h");
    say(&mut live, 2_100_000, Code::Output, "/dev/sda1 76%\r\n$ ");
    desk.bench.step().await;
    assert_eq!(texts(desk.index(), "source:typed"), ["df -h", "uptime"]);
    assert_eq!(find(desk.index(), "kind:output").len(), 1, "one passage, which grew");
    assert_eq!(find(desk.index(), "kind:output sda1").remove(0).offset, Some(Micros::from_millis(2_100)));

    // Segments that were stored and removed before they were read here come from the store.
    live.roll();
    desk.store(id, 2).await;
    say(&mut live, 3_000_000, Code::Marker, "exit");
    live.roll();
    desk.store(id, 3).await;
    desk.bench.step().await;
    assert_eq!(texts(desk.index(), "source:typed"), ["exit", "df -h", "uptime"]);

    let commands = ["uptime", "df -h", "exit"];
    desk.bench.library.end(&session, Outcome::Exited { exit_code: 0 }, &commands).await;
    drop(live);
    desk.spool.queue().finished(id).await.unwrap();
    desk.bench.step().await;
    let mut at_once = Bench::of(desk.bench.library.clone());
    at_once.step().await;
    assert_eq!(everything(desk.index()), everything(&at_once.index));
    assert_eq!(find(desk.index(), "outcome:live").len(), 0);
}

#[tokio::test]
async fn output_beyond_the_limit_is_indexed_at_the_end_and_what_comes_after_it_at_once() {
    let mut desk = Desk::new();
    let session = Session::default();
    let mut live = desk.begin(&session).await;
    let id = live.id();
    say(&mut live, 900_000, Code::Resize, "200x50");
    for page in 0..600 {
        let line = |number| format!("page{page} line{number} {}\r\n", "of many words ".repeat(10));
        say(&mut live, 1_000_000 + page, Code::Output, &(0..60).map(line).collect::<String>());
    }
    say(&mut live, 1_100_000, Code::Output, "the-end\r\n");
    // Quiet for a while, then a person goes on.
    say(&mut live, 20_000_000, Code::Marker, "uptime");
    say(&mut live, 20_000_000, Code::Output, &format!("{} wide\r\n", "up ".repeat(40)));
    say(&mut live, 22_000_000, Code::Output, "$ ");
    desk.until("kind:output wide").await;
    let found = |query| find(desk.index(), query).len();
    assert!(found("kind:output page3") > 0, "of its beginning");
    assert_eq!((found("kind:output page599"), found("kind:output the-end")), (0, 0));
    assert_eq!(found("kind:output \"can be searched when the session is over\""), 1);
    assert_eq!(find(desk.index(), "kind:output wide").remove(0).offset, Some(Micros::from_secs(20)));
    assert_eq!(texts(desk.index(), "source:typed"), ["uptime"]);

    live.roll();
    desk.store(id, 1).await;
    desk.bench.library.end(&session, Outcome::Exited { exit_code: 0 }, &["uptime"]).await;
    drop(live);
    desk.spool.queue().finished(id).await.unwrap();
    desk.until("kind:output the-end").await;
    let found = |query| find(desk.index(), query).len();
    assert!(found("kind:output page599") > 0 && found("kind:output the-end") == 1);
    assert_eq!(found("kind:output \"can be searched when the session is over\""), 0);
}

#[tokio::test]
async fn after_a_restart_nothing_is_there_twice() {
    let mut desk = Desk::new();
    let mut live = desk.begin(&Session::default()).await;
    say(&mut live, 1_000_000, Code::Marker, "uptime");
    say(&mut live, 1_200_000, Code::Output, "up 41 days\r\n$ ");
    desk.bench.step().await;
    let Desk { bench, spool, _folder } = desk;
    let mut bench = bench.restart();
    bench.follower = bench.follower.with_spool(spool.reader());
    say(&mut live, 1_300_000, Code::Marker, "id");
    bench.step().await;
    assert_eq!(texts(&bench.index, "source:typed"), ["id", "uptime"]);
    assert_eq!(find(&bench.index, "kind:output").len(), 1);
}

#[tokio::test]
async fn a_session_that_is_stored_and_still_in_the_spool_stays_over() {
    let desk = Desk::new();
    let session = Session::default();
    let live = desk.begin(&session).await;
    desk.bench.library.end(&session, Outcome::Ended, &["ls"]).await;
    // Another look, without the spool, takes the manifest in first.
    let Desk { bench, spool, _folder } = desk;
    let Bench { library, folder, index, follower } = bench;
    drop(follower);
    let mut follower = Follower::new(library.store.clone(), Arc::new(index.clone()), std::time::Duration::ZERO);
    follower.step().await.unwrap();
    assert!(!index.session(live.id()).unwrap().unwrap().is_live());
    let mut follower = follower.with_spool(spool.reader());
    follower.step().await.unwrap();
    assert!(!index.session(live.id()).unwrap().unwrap().is_live());
    drop((folder, live));
}

/// On a busy machine the look after the one that read the lines may come late. What stood on the screen meanwhile is indexed
/// then, and not left until more comes.
#[tokio::test]
async fn what_stands_on_the_screen_is_found_however_late_the_next_look_is() {
    let clock = Arc::new(ManualClock::new());
    let mut desk = Desk::with_clock(clock.clone());
    let mut live = desk.begin(&Session::default()).await;
    say(&mut live, 900_000, Code::Output, "the last line on the screen\r\n$ ");
    desk.bench.step().await;
    assert_eq!(find(desk.index(), "kind:output \"last line\"").len(), 0, "it may still change");
    clock.advance(Duration::from_millis(4500));
    desk.bench.step().await;
    assert_eq!(find(desk.index(), "kind:output \"last line\"").len(), 1);
}

/// Passages are cut where they are at the session's end, whenever the spool is polled: so a secret on two lines is never half
/// seen.
#[tokio::test]
async fn a_secret_that_comes_in_two_pieces_is_never_found() {
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGFhZGFhZGFhZGFhZGFhZGEifQ.c2lnbmF0dXJlc2lnbmF0dXJl";
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let (first, second) = jwt.split_at(40);
    let pieces = [
        first,
        &format!("\r\n{second}\r\n$ cat key.pem\r\n-----BEGIN PRIVATE KEY-----\r\n"),
        &format!("{key}\r\n"),
        &format!("{key}\r\n-----END PRIVATE KEY-----\r\n$ "),
    ];
    // The clock stands still, so that nothing counts as having stood for long when it is read.
    let mut desk = Desk::with_clock(Arc::new(ManualClock::new()));
    let mut live = desk.begin(&Session::default()).await;
    for (number, piece) in (0u64..).zip(&pieces) {
        say(&mut live, number * 400_000, Code::Output, piece);
        desk.bench.step().await;
        let shown = serde_json::to_string(&find(desk.index(), "")).unwrap();
        for secret in [&first[..30], &second[..20], key] {
            assert!(!shown.contains(secret), "{secret} in {shown} after piece {number}");
        }
    }
    say(&mut live, 5_000_000, Code::Output, "ok\r\n$ ");
    say(&mut live, 9_000_000, Code::Output, "exit\r\n");
    desk.bench.step().await;
    assert_eq!(find(desk.index(), "kind:output masked:jwt masked:private-key ok").len(), 1);
}

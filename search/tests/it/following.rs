//! The follower over time: live sessions, ends, restarts, damage.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use recording::{
    Key, Micros, Outcome,
    journal::{ApiRequest, JournalEvent},
};
use search::{Follower, Index, Masks, OutcomeFilter, SearchError, SessionFilter};
use storage::{Capabilities, ObjectMeta, Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{
    Bench,
    library::{Library, Session, entry, everything, find, request, texts},
};

fn live(bench: &Bench) -> usize {
    let filter = SessionFilter { outcome: Some(OutcomeFilter::Live), ..SessionFilter::default() };
    bench.index.sessions(&filter).unwrap().total
}

#[tokio::test]
async fn a_session_is_found_from_its_header_on_and_replaced_at_its_end() {
    let mut bench = Bench::new();
    let session = Session { argv: vec!["bash", "-l"], ..Session::default() };
    let id = bench.library.begin(&session).await;
    bench.step().await;
    assert_eq!(live(&bench), 1);
    assert_eq!(texts(&bench.index, "source:argv"), ["bash -l"]);

    bench.library.types(id, 1, &["whoami", "ls /root"]).await;
    bench.step().await;
    assert_eq!(texts(&bench.index, "source:typed"), ["ls /root", "whoami"]);
    let hit = find(&bench.index, "/root").remove(0);
    assert_eq!((hit.session, hit.offset), (Some(id), Some(Micros::from_secs(2))));

    bench.library.end(&session, Outcome::Exited { exit_code: 0 }, &["whoami", "ls /root", "exit"]).await;
    bench.step().await;
    assert_eq!(live(&bench), 0);
    assert_eq!(texts(&bench.index, "source:typed"), ["exit", "ls /root", "whoami"]);
    assert_eq!(texts(&bench.index, "source:argv"), ["bash -l"]);
    let row = bench.index.session(id).unwrap().unwrap();
    assert_eq!((row.exit_code(), row.duration), (Some(0), Some(Micros::from_secs(60))));
}

#[tokio::test]
async fn a_step_without_news_commits_nothing() {
    let mut bench = Bench::new();
    bench.library.begin(&Session::default()).await;
    let first = bench.follower.step().await.unwrap();
    let second = bench.follower.step().await.unwrap();
    assert_eq!((first.commits, second), (1, first));
}

/// Writes a part of a busy morning; all parts together are the whole.
async fn write(library: &Library, part: i64) {
    let base = part * 10;
    let done = Session { at: base, user: "ada", ..Session::default() };
    library.record(&done, Outcome::Exited { exit_code: 0 }, &["ls", "cat /etc/hosts"]).await;
    let long = |part: i64| Session { at: part * 10 + 1, user: "bob", ..Session::default() };
    let id = library.begin(&long(part)).await;
    library.types(id, 1, &["top"]).await;
    if part > 0 {
        library.end(&long(part - 1), Outcome::ClientGone, &["top", "uptime"]).await;
    }
    let run = format!("run-{}", part / 2);
    let entries = [request("ada", base, &run, &format!("web-{part}")), request("ada", base, "", "single")];
    library.journal("gw-1", part as u64, &entries).await;
}

#[tokio::test]
async fn restarts_on_the_way_lead_to_the_same_index_as_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::of(Library::on_disk(folder.path()).await);
    for part in 0..6 {
        write(&bench.library, part).await;
        bench.step().await;
        bench = bench.restart();
    }
    bench.step().await;
    let at_once = {
        let mut bench = Bench::of(bench.library.clone());
        bench.step().await;
        everything(&bench.index)
    };
    assert_eq!(everything(&bench.index), at_once);
    assert_eq!(find(&bench.index, "kubectl kind:command").len(), 3);
}

#[tokio::test]
async fn a_deleted_index_fills_itself_again() {
    let mut bench = Bench::new();
    write(&bench.library, 0).await;
    bench.step().await;
    let before = everything(&bench.index);
    let Bench { library, folder, index, follower } = bench;
    drop((index, follower));
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let mut bench = Bench::of(library);
    bench.step().await;
    assert_eq!(everything(&bench.index), before);
}

#[tokio::test]
async fn what_is_damaged_is_passed_over() {
    let mut bench = Bench::new();
    let library = bench.library.clone();
    let bad = |at| Session { at, user: "eve", ..Session::default() };
    // A header, a manifest and a chunk that are none, and a journal object.
    let header = crate::library::header(&bad(1)).kubetape.id;
    library.put(&Key::chunk(header, 0), b"not zstd".to_vec()).await;
    let manifest = library.begin(&bad(2)).await;
    library.put(&Key::manifest(manifest), b"{}".to_vec()).await;
    let chunk = library.begin(&bad(3)).await;
    library.put(&Key::chunk(chunk, 1), b"not zstd".to_vec()).await;
    library.types(chunk, 2, &["after the damage"]).await;
    let journal = Key::new("journal/gw-1/2026/11/22/000000000000.jsonl.zst").unwrap();
    library.put(&journal, b"not zstd".to_vec()).await;
    library.journal("gw-1", 1, &[request("ada", 1, "", "web-0")]).await;
    library.record(&Session { at: 9, ..Session::default() }, Outcome::Ended, &["good"]).await;

    let progress = bench.follower.step().await.unwrap();
    assert!(progress.damaged >= 4, "{progress:?}");
    assert_eq!(texts(&bench.index, "good").len(), 1);
    assert_eq!(texts(&bench.index, "damage"), ["after the damage"]);
    assert_eq!(find(&bench.index, "kind:request").len(), 1);
    assert!(bench.index.session(manifest).unwrap().unwrap().is_live(), "its header can be read");
    assert!(bench.index.session(header).unwrap().is_none());
}

#[tokio::test]
async fn a_manifest_of_another_recording_changes_nothing() {
    let mut bench = Bench::new();
    let good = Session::default();
    let id = bench.library.record(&good, Outcome::Exited { exit_code: 0 }, &[]).await;
    bench.step().await;
    let before = bench.index.session(id).unwrap();
    let other = crate::library::header(&Session { at: 5, ..Session::default() }).kubetape.id;
    let stolen = bench.library.read(&Key::manifest(id)).await;
    bench.library.put(&Key::manifest(other), stolen).await;
    bench.step().await;
    assert_eq!(bench.index.session(id).unwrap(), before);
    assert!(bench.index.session(other).unwrap().is_none());
}

#[tokio::test]
async fn days_are_followed_over_midnight() {
    let mut bench = Bench::new();
    let day = 24 * 3600;
    for at in [0, day, 2 * day, 40 * day] {
        bench.library.record(&Session { at, ..Session::default() }, Outcome::Ended, &[]).await;
        bench.step().await;
        bench = bench.restart();
    }
    // Late from another gateway, of the day before the newest.
    bench.library.record(&Session { at: 39 * day, ..Session::default() }, Outcome::Ended, &[]).await;
    bench.step().await;
    assert_eq!(bench.index.sessions(&SessionFilter::default()).unwrap().total, 5);
}

#[tokio::test]
async fn a_running_follower_keeps_up_until_it_is_told_to_stop() {
    let Bench { library, folder: _folder, index, follower: _ } = Bench::new();
    let follower = Follower::new(library.store.clone(), Arc::new(index.clone()), Duration::from_millis(5));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(follower.run(shutdown.clone()));
    let session = Session::default();
    let id = library.begin(&session).await;
    until(|| index.session(id).unwrap().is_some()).await;
    // The journal wakes it up for a recording that has been quiet, and for the next object of the day.
    for seq in 0..3 {
        library.journal("gw-1", seq, &[request("ada", 1, "", &format!("pod-{seq}"))]).await;
        until(|| !texts(&index, &format!("pod-{seq}")).is_empty()).await;
    }
    library.types(id, 1, &["uptime"]).await;
    until(|| !texts(&index, "uptime").is_empty()).await;
    library.end(&session, Outcome::Ended, &["uptime"]).await;
    until(|| index.session(id).unwrap().is_some_and(|row| !row.is_live())).await;
    shutdown.cancel();
    running.await.unwrap();
}

/// Waits for what another task brings about; fails after ten seconds.
pub async fn until(mut done: impl FnMut() -> bool) {
    let waited = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waited).await.unwrap();
}

#[tokio::test]
async fn what_the_journal_announces_and_never_comes_is_given_up() {
    let mut bench = Bench::new();
    let ghost = crate::library::header(&Session::default()).kubetape.id;
    let opened = JournalEvent::SessionOpened { session: ghost, request: ApiRequest::default(), grant: Box::default() };
    bench.library.journal("gw-1", 0, &[entry("ada", 0, opened), request("ada", 1, "", "web-0")]).await;
    bench.step().await;
    for _ in 0..60 {
        bench.step().await;
    }
    assert!(bench.index.session(ghost).unwrap().is_none());
    // Should it come after all, it is found.
    bench.library.begin(&Session::default()).await;
    bench.step().await;
    assert!(bench.index.session(ghost).unwrap().is_some());
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_costs_nothing() {
    let library = Library::new();
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index"), Masks::default()).unwrap();
    let store = Arc::new(FaultyStore::new(&library));
    store.set(Fault::Fail);
    let mut follower = Follower::new(store.clone(), Arc::new(index.clone()), Duration::from_secs(1));
    write(&library, 0).await;
    let error = follower.step().await.unwrap_err();
    assert!(matches!(error, SearchError::Store(_)), "{error:?}");
    store.set(Fault::None);
    follower.step().await.unwrap();
    let mut bench = Bench::of(library);
    bench.step().await;
    assert_eq!(everything(&index), everything(&bench.index));
}

#[tokio::test]
async fn a_store_that_hangs_does_not_hold_the_shutdown_up() {
    let library = Library::new();
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index"), Masks::default()).unwrap();
    let store = Arc::new(FaultyStore::new(&library));
    let follower = Follower::new(store.clone(), Arc::new(index.clone()), Duration::from_millis(5));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(follower.run(shutdown.clone()));
    let session = Session::default();
    let id = library.begin(&session).await;
    until(|| index.session(id).unwrap().is_some()).await;

    store.set(Fault::Hang);
    until(|| store.hanging.load(Ordering::SeqCst) > 0).await;
    shutdown.cancel();
    // A second for the turn, and five for the last one, which hangs too.
    tokio::time::timeout(Duration::from_secs(20), running).await.expect("the follower ends").unwrap();

    // What was committed stays, and another process goes on from there.
    store.set(Fault::None);
    library.end(&session, Outcome::Ended, &["uptime"]).await;
    let mut follower = Follower::new(store, Arc::new(index.clone()), Duration::from_secs(1));
    follower.step().await.unwrap();
    assert_eq!(texts(&index, "source:typed"), ["uptime"]);
    assert_eq!(find(&index, "kind:session").len(), 1);
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It cannot be reached.
    Fail,
    /// It never answers.
    Hang,
}

/// A store that can be read only while nothing is wrong with it.
#[derive(Debug)]
struct FaultyStore {
    memory: Arc<dyn Store>,
    fault: Mutex<Fault>,
    /// Calls that hang.
    hanging: AtomicUsize,
}

impl FaultyStore {
    fn new(library: &Library) -> Self {
        Self { memory: library.store.clone(), fault: Mutex::new(Fault::None), hanging: AtomicUsize::new(0) }
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    async fn check(&self) -> Result<(), StoreError> {
        let fault = *self.fault.lock().unwrap();
        match fault {
            Fault::None => Ok(()),
            Fault::Fail => Err(StoreError::Failed { action: "read", key: String::new(), source: "no route".into() }),
            Fault::Hang => {
                self.hanging.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        self.memory.put_new(key, bytes).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        self.check().await?;
        self.memory.read(key, max).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.check().await?;
        self.memory.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.check().await?;
        self.memory.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.memory.probe().await
    }
}

//! Folders: locks, versions, rebuilding.

use std::{fs, sync::Arc, time::Duration};

use recording::Outcome;
use search::{Follower, Index, Masks, Query, SearchError, SessionFilter, rebuild};
use tokio_util::sync::CancellationToken;

use crate::{
    Bench,
    following::until,
    library::{Library, Session, everything, texts},
};

#[tokio::test]
async fn one_process_writes_and_others_read() {
    let mut bench = Bench::new();
    bench.library.record(&Session::default(), Outcome::Ended, &["ls"]).await;
    bench.step().await;
    let dir = bench.folder.path().join("index");
    let error = Index::open(&dir, Masks::default()).unwrap_err();
    assert!(matches!(error, SearchError::Locked(_)));
    assert!(error.to_string().contains("stop `kubetape serve` first"), "{error}");
    let reader = Index::open_read_only(&dir).unwrap();
    assert_eq!(everything(&reader), everything(&bench.index));
}

#[tokio::test]
async fn rebuilding_replaces_the_index_when_nobody_writes_to_it() {
    let mut bench = Bench::new();
    bench.library.record(&Session::default(), Outcome::Ended, &["ls"]).await;
    bench.step().await;
    let before = everything(&bench.index);
    let dir = bench.folder.path().join("index");
    let refused = rebuild(bench.library.store.clone(), &dir, Masks::default(), &mut |_| {}).await;
    assert!(matches!(refused, Err(SearchError::Locked(_))));

    let Bench { library, folder, index, follower } = bench;
    drop((index, follower));
    let mut reports = Vec::new();
    let done =
        rebuild(library.store.clone(), &dir, Masks::default(), &mut |progress| reports.push(progress)).await.unwrap();
    assert_eq!((done.finished, reports.last()), (1, Some(&done)));
    assert_eq!(everything(&Index::open_read_only(&dir).unwrap()), before);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["index"]);
    // The new one is gone on with, not begun again.
    let (index, mut follower) = crate::follow(&library, folder.path());
    assert_eq!(follower.step().await.unwrap().documents, 0);
    assert_eq!(everything(&index), before);
}

/// An index of one session that no process has open.
struct Closed {
    library: Library,
    folder: tempfile::TempDir,
    /// What is found in it.
    before: Vec<String>,
}

async fn closed(typed: &str) -> Closed {
    let mut bench = Bench::new();
    bench.library.record(&Session::default(), Outcome::Ended, &[typed]).await;
    bench.step().await;
    let before = everything(&bench.index);
    let Bench { library, folder, .. } = bench;
    Closed { library, folder, before }
}

#[tokio::test]
async fn an_index_of_another_version_is_rebuilt() {
    let Closed { library, folder, before: _ } = closed("ls").await;
    let dir = folder.path().join("index");
    fs::write(dir.join("kubetape-index"), "0\n").unwrap();
    assert!(matches!(Index::open_read_only(&dir), Err(SearchError::Version(_))));
    let (index, mut follower) = crate::follow(&library, folder.path());
    follower.step().await.unwrap();
    assert_eq!(index.sessions(&SessionFilter::default()).unwrap().total, 1);
}

#[tokio::test]
async fn an_index_that_cannot_be_read_is_rebuilt() {
    let Closed { library, folder, before: _ } = closed("ls").await;
    fs::write(folder.path().join("index/meta.json"), "{").unwrap();
    let (index, mut follower) = crate::follow(&library, folder.path());
    follower.step().await.unwrap();
    assert_eq!(index.sessions(&SessionFilter::default()).unwrap().total, 1);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    let error = Index::open(folder.path(), Masks::default()).unwrap_err();
    assert!(matches!(error, SearchError::Folder { .. }), "{error}");
    assert!(matches!(Index::open_read_only(folder.path()), Err(SearchError::Missing(_))));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(matches!(Index::open_read_only(&folder.path().join("none")), Err(SearchError::Missing(_))));
}

/// Follows until the index was rebuilt, and shuts down.
async fn rebuilt(library: &Library, index: &Index, is: impl FnMut() -> bool) {
    let follower = Follower::new(library.store.clone(), Arc::new(index.clone()), Duration::from_millis(5));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(follower.run(shutdown.clone()));
    until(is).await;
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn an_index_with_other_masks_serves_until_it_is_rebuilt() {
    let Closed { library, folder, before: _ } = closed("id CUST-123456").await;
    let dir = folder.path().join("index");
    // What an earlier try left.
    fs::create_dir(folder.path().join("index.new")).unwrap();
    fs::write(folder.path().join("index.new/meta.json"), "{").unwrap();
    let masks = || Masks::new(&[r"CUST-\d+".to_owned()]).unwrap();
    let index = Index::open(&dir, masks()).unwrap();
    assert_eq!(texts(&index, "source:typed"), ["id CUST-123456"], "the old one serves");
    rebuilt(&library, &index, || texts(&index, "source:typed") == ["id [masked:pattern]"]).await;
    drop(index);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["index"]);
    let index = Index::open(&dir, masks()).unwrap();
    assert_eq!(texts(&index, "source:typed"), ["id [masked:pattern]"]);
}

#[tokio::test]
async fn an_index_of_the_version_before_serves_until_it_is_rebuilt() {
    let Closed { library, folder, before } = closed("ls /srv").await;
    let dir = folder.path().join("index");
    // As version 4 left it: no images, and columns for fewer fields.
    let marker = dir.join("kubetape-index");
    let masks = fs::read_to_string(&marker).unwrap().trim().split_once(' ').unwrap().1.to_owned();
    fs::write(&marker, format!("4 {masks}\n")).unwrap();
    let meta = fs::read_to_string(dir.join("meta.json")).unwrap();
    let mut meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    for field in meta["schema"].as_array_mut().unwrap() {
        if ["pod", "image"].contains(&field["name"].as_str().unwrap()) {
            field["options"]["fast"] = false.into();
        }
    }
    fs::write(dir.join("meta.json"), meta.to_string()).unwrap();

    assert_eq!(everything(&Index::open_read_only(&dir).unwrap()), before);
    let index = Index::open(&dir, Masks::default()).unwrap();
    assert_eq!(everything(&index), before, "the old one serves");
    let counted = Query { facets: true, ..Query::default() };
    let pods = || index.search(&counted).unwrap().facets.pods.len();
    assert_eq!(pods(), 0, "it was not counted by pod");
    rebuilt(&library, &index, || pods() == 1).await;
    assert_eq!(everything(&index), before);
    drop(index);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["index"]);
    assert!(!fs::read_to_string(&marker).unwrap().starts_with("4 "));
}

#[tokio::test]
async fn a_damaged_index_serves_until_it_is_rebuilt() {
    let Closed { library, folder, before } = closed("ls /srv").await;
    let dir = folder.path().join("index");
    let files = || fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let damaged = files().find(|path| path.extension().is_some_and(|of| of == "pos")).unwrap();
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[0] ^= 0xff;
    fs::write(&damaged, bytes).unwrap();
    let index = Index::open(&dir, Masks::default()).unwrap();
    assert_eq!(index.documents(), before.len() as u64 - 1, "the old one serves; the session is told twice");
    rebuilt(&library, &index, || !damaged.exists()).await;
    assert_eq!(everything(&index), before);
}

#[tokio::test]
async fn an_end_between_the_renames_loses_nothing() {
    let Closed { library: _library, folder, before } = closed("ls").await;
    let dir = folder.path().join("index");
    fs::rename(&dir, folder.path().join("index.old")).unwrap();
    assert_eq!(everything(&Index::open(&dir, Masks::default()).unwrap()), before);
}

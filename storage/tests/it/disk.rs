use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    time::{Duration, SystemTime},
};

use recording::Key;
use storage::{Disk, Store, StoreError};

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

fn source(error: &StoreError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/folder");
    let disk = Disk::open(&root).await.unwrap();
    disk.put_new(&key("a/b/c"), "x".into()).await.unwrap();
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(""), mode("a"), mode("a/b"), mode("a/b/c")), (0o700, 0o700, 0o700, 0o600));
}

#[tokio::test]
async fn nothing_but_objects_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path()).await.unwrap();
    disk.put_new(&key("a"), "x".into()).await.unwrap();
    disk.put_new(&key("a"), "y".into()).await.unwrap_err();
    assert_eq!(fs::read_dir(dir.path().join("incoming~")).unwrap().count(), 0);
    assert_eq!(disk.children("").await.unwrap(), ["a"]);
}

#[tokio::test]
async fn what_a_killed_writer_left_is_not_listed_and_goes_when_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    drop(Disk::open(dir.path()).await.unwrap());
    let (old, new) = (dir.path().join("incoming~/old"), dir.path().join("incoming~/new"));
    fs::write(&new, "half").unwrap();
    let file = fs::File::create(&old).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(2 * 3600)).unwrap();
    let disk = Disk::open(dir.path()).await.unwrap();
    assert!(!old.exists(), "nobody writes it any more");
    assert!(new.exists(), "another process may be writing it");
    assert_eq!(disk.list("", None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn links_are_neither_followed_nor_listed() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), "s").unwrap();
    let disk = Disk::open(dir.path()).await.unwrap();
    symlink(outside.path(), dir.path().join("folder")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("file")).unwrap();

    assert_eq!(disk.list("", None, 10).await.unwrap(), []);
    assert_eq!(disk.list("folder/", None, 10).await.unwrap(), []);
    assert_eq!(disk.children("folder/").await.unwrap(), [""; 0]);
    for name in ["file", "folder/secret"] {
        let read = disk.read(&key(name), u64::MAX).await;
        assert!(matches!(read, Err(StoreError::Failed { .. } | StoreError::NotFound(_))), "{name}: {read:?}");
    }
    disk.put_new(&key("folder/new"), "x".into()).await.unwrap_err();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_folder_that_was_cleared_away_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open(dir.path()).await.unwrap();
    disk.put_new(&key("a/b/1"), "x".into()).await.unwrap();
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    disk.put_new(&key("a/b/2"), "y".into()).await.unwrap();
    assert_eq!(disk.read(&key("a/b/2"), u64::MAX).await.unwrap(), "y");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Disk::open(&file).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot use folder {}", file.display()));
    assert!(!source(&error).is_empty());
    // /proc takes no files from anybody, root included.
    let error = Disk::open("/proc/kubetape").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot use folder /proc/kubetape");
    let error = Disk::open_existing(dir.path().join("absent")).await.unwrap_err();
    assert!(source(&error).contains("No such file"), "{error:?}");
}

#[tokio::test]
async fn reading_an_existing_folder_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::open_existing(dir.path()).await.unwrap();
    assert_eq!(disk.list("", None, 10).await.unwrap(), []);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

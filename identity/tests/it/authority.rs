//! The authority's files: made once, private, and a server certificate that follows its names.

use std::{os::unix::fs::PermissionsExt, path::Path};

use identity::{Authority, AuthorityError};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_is_made_once_and_private() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state/ca");
    let made = Authority::load_or_create(&folder).unwrap();
    let loaded = Authority::load_or_create(&folder).unwrap();
    assert_eq!(made.ca_pem(), loaded.ca_pem());
    assert_eq!((mode(&folder), mode(&folder.join("ca.key"))), (0o700, 0o600));
}

#[test]
fn of_processes_that_start_at_once_one_makes_it() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("ca");
    let start = || Authority::load_or_create(&folder).unwrap().ca_pem().to_owned();
    let all: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|pem| *pem == all[0]));
    // Nothing of those that lost is left behind.
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_with_other_files_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letters.txt"), "mine").unwrap();
    assert!(matches!(Authority::load_or_create(folder.path()), Err(AuthorityError::Foreign(_))));
}

#[test]
fn the_server_certificate_is_kept_until_its_names_change() {
    let parent = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(&parent.path().join("ca")).unwrap();
    let first = authority.server_certificate(&names(&["localhost", "127.0.0.1", "::1"])).unwrap();
    assert_eq!(authority.server_certificate(&names(&["::1", "localhost", "127.0.0.1"])).unwrap(), first);
    assert_ne!(authority.server_certificate(&names(&["localhost"])).unwrap(), first);
}

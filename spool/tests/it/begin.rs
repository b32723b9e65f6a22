//! What is left of a session that did not begin, and what fails with a session whose files cannot be used.

use std::{
    fs, io,
    path::Path,
    task::{Context, Poll, Waker},
    time::Duration,
};

use recording::RecordingId;
use spool::{Checkpoint, Spool, SpoolError};

use crate::{
    sample::header,
    spool::{begin, line, mark, open, say},
};

fn id() -> RecordingId {
    RecordingId(uuid::Uuid::now_v7())
}

/// Polls a beginning until `until` says so, and drops it. Whether it was dropped before it was over.
fn give_up(spool: &Spool, id: RecordingId, until: impl Fn() -> bool) -> bool {
    let header = header(id);
    let mut beginning = Box::pin(spool.begin(id, &header));
    loop {
        match beginning.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(begun) => {
                begun.expect("room");
                return false;
            }
            Poll::Pending if until() => return true,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// Nothing of it is in the folder for the next process, which would store and journal it.
fn is_nowhere(folder: &Path, id: RecordingId) {
    let spool = open(folder);
    assert_eq!((spool.recovery().sessions(), spool.gauges().usage().bytes), (vec![], 0));
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.contains(&id.to_string())).collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test]
async fn a_session_whose_beginning_is_dropped_was_never_there() {
    let (folder, id) = (tempfile::tempdir().unwrap(), id());
    let spool = open(folder.path());
    assert!(give_up(&spool, id, || true));
    drop(spool);
    is_nowhere(folder.path(), id);
}

#[tokio::test]
async fn a_session_that_is_dropped_while_it_is_synced_was_never_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut dropped = 0;
    for _ in 0..50 {
        let (spool, id) = (open(folder.path()), id());
        let header = folder.path().join(id.to_string()).join("000000");
        if give_up(&spool, id, || header.exists()) {
            dropped += 1;
            drop(spool);
            is_nowhere(folder.path(), id);
        } else {
            spool.queue().finished(id).await.unwrap();
        }
    }
    assert!(dropped > 0, "each sync was faster than a look at the folder");
}

#[tokio::test]
async fn the_bytes_of_a_dropped_beginning_are_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for _ in 0..20 {
        give_up(&spool, id(), || true);
    }
    // Behind it the threads of the spool have come to all of them.
    let session = begin(&spool).await;
    spool.queue().finished(session.id()).await.unwrap();
    let given_back = async {
        while spool.gauges().usage().bytes > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), given_back).await.expect("all bytes");
    assert_eq!(spool.gauges().usage().sessions, 0);
}

#[tokio::test]
async fn a_session_that_is_there_already_refuses_its_second_beginning_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut first = begin(&spool).await;
    let refused = spool.begin(first.id(), &header(first.id())).await.expect_err("it is there");
    let SpoolError::Failed { source, .. } = &refused else { panic!("{refused}") };
    assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
    spool.gauges().check().expect("the disk is not at fault");
    say(&mut first, 1, "goes on");
    begin(&spool).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_fails_its_session_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let (mut first, mut second) = (begin(&spool).await, begin(&spool).await);
    let of_first = folder.path().join(first.id().to_string());
    // What is not a file where one must be, as a process sees it that may open no more.
    fs::create_dir(of_first.join("marks")).unwrap();
    let digests = [None, None, Some([7; 32])];
    first.append(&Checkpoint { digests, ..mark(1) }, &line(1, "once")).expect("the lines are there");
    first.append(&mark(2), &line(2, "next")).expect_err("its digests are not");
    first.roll();
    fs::create_dir(of_first.join("000002")).unwrap();
    first.append_last(&mark(3), &line(3, "more")).expect_err("there is no segment to write to");
    spool.gauges().check().expect("the disk is not at fault");
    say(&mut second, 1, "goes on");
    begin(&spool).await;
}

//! What the spool's bounds do, and what a session that waits still takes.

use recording::RecordingId;
use spool::{LimitKind, Spool, SpoolError, SpoolLimits, SpoolWriter};

use crate::{
    sample::header,
    spool::{begin, line, mark, open, say},
};

#[tokio::test]
async fn bounds_refuse_and_let_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = SpoolLimits { session_bytes: 8_000, total_bytes: 12_000, disk_floor: 0, ..SpoolLimits::default() };
    let spool = Spool::open(folder.path(), bounds).unwrap();
    let (mut first, mut second) = (begin(&spool).await, begin(&spool).await);
    let kilobyte = "x".repeat(1_000);
    let fill = |session: &mut SpoolWriter| {
        (1..).find_map(|number| session.append(&mark(number), &line(number, &kilobyte)).err()).expect("a bound")
    };
    assert!(matches!(fill(&mut first), SpoolError::Full(LimitKind::Session)));
    assert!(matches!(fill(&mut second), SpoolError::Full(LimitKind::Total)));
    let id = RecordingId(uuid::Uuid::now_v7());
    assert!(matches!(spool.begin(id, &header(id)).await, Err(SpoolError::Full(LimitKind::Total))));
    assert!(!folder.path().join(id.to_string()).exists());
    // The last words of a session have room all the same.
    first.append_last(&mark(99), &line(99, "ended")).unwrap();
    first.roll();
    let gauges = spool.gauges();
    let room = gauges.freed();
    let usage = gauges.usage();
    spool.queue().stored(first.id(), 1).await.unwrap();
    room.await;
    assert!(spool.gauges().usage().bytes < usage.bytes - 5_000, "{usage:?} {:?}", spool.gauges().usage());
    begin(&spool).await;
}

/// Files in the folder that this process has open: the spool itself has the folder and its lock.
fn open_files(folder: &std::path::Path) -> usize {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok());
    open.filter(|file| file.starts_with(folder) && file != folder && !file.ends_with("lock")).count()
}

#[tokio::test]
async fn a_session_that_waits_has_no_file_open() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut last = None;
    for number in 0..300 {
        let mut session = begin(&spool).await;
        say(&mut session, 1, "it ends");
        // A mark by itself is a file of its own.
        session.append(&mark(2), &[]).unwrap();
        last = Some(session.id());
        // Every third was given up.
        match number % 3 {
            0 => drop(session),
            _ => session.end(),
        }
    }
    spool.queue().sync(last.unwrap()).await.unwrap();
    assert_eq!((spool.reader().sessions().len(), open_files(folder.path())), (300, 0));
}

#[tokio::test]
async fn no_more_sessions_begin_than_may_wait_and_those_that_have_begun_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let spool =
        Spool::open(folder.path(), SpoolLimits { sessions: 2, disk_floor: 0, ..SpoolLimits::default() }).unwrap();
    let (mut first, second) = (begin(&spool).await, begin(&spool).await);
    let id = RecordingId(uuid::Uuid::now_v7());
    let error = spool.begin(id, &header(id)).await.expect_err("two are here");
    assert_eq!(error.to_string(), "too many sessions wait on the gateway's disk for storage (spool.sessions)");
    assert!(error.is_full() && !folder.path().join(id.to_string()).exists());
    assert!(matches!(spool.gauges().check(), Err(SpoolError::Full(LimitKind::Sessions))));
    first.append(&mark(1), &line(1, "goes on")).unwrap();
    spool.queue().finished(second.id()).await.unwrap();
    spool.gauges().check().unwrap();
    begin(&spool).await;
}

#[tokio::test]
async fn a_disk_below_its_floor_takes_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), SpoolLimits { disk_floor: u64::MAX, ..SpoolLimits::default() }).unwrap();
    let id = RecordingId(uuid::Uuid::now_v7());
    let error = spool.begin(id, &header(id)).await.expect_err("a floor");
    assert_eq!(error.to_string(), "the gateway's disk is full (spool.disk_floor)");
}

//! The spool: what is in it after any kind of end, and what its readers get.

use std::{fs, path::Path, time::Duration};

use recording::{
    Command, CommandSource, Manifest, Micros, Outcome, RecordingId, StreamTotals,
    cast::{Code, Event, write_event},
};
use spool::{
    Checkpoint, HeldTail, PartialUtf8, SessionRecord, Spool, SpoolError, SpoolEvent, SpoolLimits, SpoolWriter,
    StdStream, TailWrite,
};

use crate::sample::{header, manifest, omission};

pub(crate) fn open(folder: &Path) -> Spool {
    Spool::open(folder, SpoolLimits { disk_floor: 0, ..SpoolLimits::default() }).expect("a spool")
}

pub(crate) async fn begin(spool: &Spool) -> SpoolWriter {
    let id = RecordingId(uuid::Uuid::now_v7());
    spool.begin(id, &header(id)).await.expect("a session")
}

/// Of the microsecond `number`, with as many bytes.
pub(crate) fn mark(number: u64) -> Checkpoint {
    let totals = StreamTotals { stdout: number, ..StreamTotals::default() };
    Checkpoint { time: Micros::new(number), totals, ..Checkpoint::default() }
}

pub(crate) fn line(number: u64, text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    write_event(&mut line, Micros::new(number), Code::Output, text);
    line
}

pub(crate) fn say(session: &mut SpoolWriter, number: u64, text: &str) {
    session.append(&mark(number), &line(number, text)).expect("room");
}

fn text(lines: &[u8]) -> Vec<String> {
    recording::cast::events(lines).map(|event: Result<Event, _>| event.expect("a line").data).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_process_that_never_ended() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    session.note(&SessionRecord::Began { transport: "websocket".to_owned() }).unwrap();
    say(&mut session, 1, "one");
    session.roll();
    let tail = PartialUtf8 { bytes: [0xc3, 0, 0], len: 1, time: Micros::new(3) };
    let open_mark = Checkpoint { tails: [tail, PartialUtf8::default(), PartialUtf8::default()], ..mark(3) };
    session.append(&open_mark, &line(2, "two")).unwrap();
    drop((session, spool));

    let spool = open(folder.path());
    assert_eq!((spool.recovery().sessions(), spool.reader().live()), (vec![id], vec![]));
    let facts = spool.queue().records(id).await.unwrap().expect("a header");
    assert_eq!((facts.transport.as_str(), facts.status_outcome, facts.ended), ("websocket", None, None));
    assert_eq!(spool.queue().closed_segments(id).await.unwrap(), [1, 2]);
    assert_eq!(text(&spool.queue().segment(id, 1).await.unwrap().lines), ["one"]);
    let last = spool.queue().segment(id, 2).await.unwrap();
    assert_eq!(text(&last.lines), ["two"]);
    assert_eq!((last.checkpoint, last.torn, last.damaged), (Some(open_mark), 0, 0));
}

#[tokio::test]
async fn what_is_known_without_lines_takes_no_room_and_outlives_its_segment() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    say(&mut session, 1, "one");
    let mut said = mark(2);
    session.append(&said, b"").unwrap();
    let used = spool.gauges().usage().bytes;
    for bytes in 0..100_000 {
        said = Checkpoint {
            totals: StreamTotals { stdin: bytes, ..said.totals },
            digests: [None, None, Some([7; 32])],
            ..said
        };
        session.append(&said, b"").unwrap();
    }
    assert_eq!(spool.gauges().usage().bytes, used);
    session.roll();
    spool.queue().stored(id, 1).await.unwrap();
    drop((session, spool));
    assert_eq!(open(folder.path()).recovery().checkpoint(id, None).await.unwrap(), Some(said));
}

#[tokio::test]
async fn a_mark_that_was_being_written_leaves_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    session.append(&mark(1), b"").unwrap();
    session.append(&mark(2), b"").unwrap();
    let marks = folder.path().join(id.to_string()).join("marks");
    let before = fs::read(&marks).unwrap();
    session.append(&mark(3), b"").unwrap();
    drop((session, spool));
    let after = fs::read(&marks).unwrap();
    let spool = open(folder.path());
    let changed: Vec<usize> = (0..after.len()).filter(|place| before[*place] != after[*place]).collect();
    for &place in &changed[1..] {
        fs::write(&marks, [&after[..place], &before[place..]].concat()).unwrap();
        assert_eq!(spool.recovery().checkpoint(id, None).await.unwrap(), Some(mark(2)), "{place}");
    }
    fs::write(&marks, &after).unwrap();
    assert_eq!(spool.recovery().checkpoint(id, None).await.unwrap(), Some(mark(3)));
}

#[tokio::test]
async fn the_newer_of_lines_and_mark_counts_and_a_digest_only_for_the_bytes_it_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    let digests = [None, None, Some([7; 32])];
    let typed = Checkpoint { totals: StreamTotals { stdin: 1, ..StreamTotals::default() }, digests, ..mark(0) };
    session.append(&Checkpoint { time: Micros::new(1), ..typed }, b"").unwrap();
    let echoed = Checkpoint { time: Micros::new(2), totals: StreamTotals { stdout: 1, ..typed.totals }, ..typed };
    session.append(&echoed, &line(2, "x")).unwrap();
    let of_lines = spool.queue().segment(id, 1).await.unwrap().checkpoint;
    assert_eq!(spool.recovery().checkpoint(id, of_lines).await.unwrap(), Some(echoed));
    // As where it was killed between the two writes of one append.
    let totals = StreamTotals { stdin: 2, ..echoed.totals };
    let ahead = Checkpoint { time: Micros::new(3), totals, digests: [None; 3], ..echoed };
    assert_eq!(spool.recovery().checkpoint(id, Some(ahead)).await.unwrap(), Some(ahead));
    let behind = Checkpoint { time: Micros::ZERO, ..ahead };
    let newest = spool.recovery().checkpoint(id, Some(behind)).await.unwrap();
    assert_eq!(newest.map(|mark| mark.time), Some(Micros::new(1)));
}

#[tokio::test]
async fn lines_whose_mark_cannot_be_written_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    fs::create_dir(folder.path().join(id.to_string()).join("marks")).unwrap();
    let digests = [None, None, Some([7; 32])];
    session.append(&Checkpoint { digests, ..mark(1) }, &line(1, "once")).expect("the lines are there");
    let told = session.append(&mark(2), &line(2, "next")).expect_err("the disk failed");
    assert!(told.to_string().contains("marks"), "{told}");
    assert_eq!(text(&spool.queue().segment(id, 1).await.unwrap().lines), ["once"]);
}

#[tokio::test]
async fn what_is_held_is_the_newest_two_files_and_what_was_omitted_before_them() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    let holds = Checkpoint { held: [false, true, false], ..mark(1) };
    session.append(&holds, &line(1, "omitting")).unwrap();
    let bare = spool.gauges().usage().bytes;
    let mut most = 0;
    for counter in 0..5_u64 {
        // In one write: the rest of a file, and the next one's beginning.
        let mut holding = TailWrite::default();
        if counter > 0 {
            holding.bytes(Micros::new(counter), 10 + counter * 100 - 50, &[b'a' + counter as u8 - 1; 50]);
        }
        holding.begin(counter, (counter > 1).then(|| omission((counter - 2) * 100 + 100)).as_ref());
        holding.bytes(Micros::new(counter), 10 + counter * 100, &[b'a' + counter as u8; 50]);
        session.hold(StdStream::Stderr, &holding).unwrap();
        session.append(&holds, b"").unwrap();
        most = most.max(spool.gauges().usage().bytes - bare);
    }
    let here: u64 = ["stderr.0", "stderr.1"]
        .map(|name| fs::metadata(folder.path().join(id.to_string()).join(name)).unwrap().len())
        .iter()
        .sum();
    assert!(most < 2 * here, "only what is there counts: {most}");

    // Of the last bytes some were never forwarded.
    let held = spool.recovery().held_tail(id, StdStream::Stderr, 440).await.unwrap();
    assert_eq!(held.omission, Some(omission(300)));
    let bytes: Vec<u8> = held.pieces.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
    assert_eq!(bytes, [[b'd'; 50], [b'd'; 50]].concat().into_iter().chain([b'e'; 30]).collect::<Vec<u8>>());
    assert_eq!(held.pieces.iter().map(|(_, at, _)| *at).collect::<Vec<_>>(), [310, 360, 410]);
    assert_eq!(spool.recovery().held_tail(id, StdStream::Stdout, 440).await.unwrap(), HeldTail::default());

    // The stream's end is in lines.
    session.append(&Checkpoint { held: [false; 3], ..holds }, &line(9, "the end")).unwrap();
    assert_eq!(spool.recovery().held_tail(id, StdStream::Stderr, 440).await.unwrap(), HeldTail::default());
    assert!(spool.gauges().usage().bytes < bare + 1_000);
}

#[tokio::test]
async fn held_bytes_that_were_written_twice_are_read_once_and_damage_leaves_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    let mut first = TailWrite::default();
    first.begin(0, None);
    first.bytes(Micros::new(1), 0, b"abc");
    session.hold(StdStream::Stdout, &first).unwrap();
    let mut more = TailWrite::default();
    more.bytes(Micros::new(2), 3, b"def");
    session.hold(StdStream::Stdout, &more).unwrap();
    session.hold(StdStream::Stdout, &more).unwrap();
    more.clear();
    more.bytes(Micros::new(3), 6, b"ghi");
    session.hold(StdStream::Stdout, &more).unwrap();
    let piece = |number, at: u64, bytes: &[u8]| (Micros::new(number), at, bytes.to_vec());
    let pieces = async |total| spool.recovery().held_tail(id, StdStream::Stdout, total).await.unwrap().pieces;
    assert_eq!(pieces(9).await, [piece(1, 0, b"abc"), piece(2, 3, b"def"), piece(3, 6, b"ghi")]);
    let path = folder.path().join(id.to_string()).join("stdout.0");
    let whole = fs::read(&path).unwrap();
    let place = whole.windows(3).position(|bytes| bytes == b"abc").unwrap();
    let mut bytes = whole.clone();
    bytes[place] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(pieces(9).await, [piece(2, 3, b"def"), piece(3, 6, b"ghi")]);
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let there: Vec<u8> = pieces(9).await.into_iter().flat_map(|(_, _, bytes)| bytes).collect();
        assert!(b"abcdefghi".starts_with(&there), "{end}");
    }
}

#[tokio::test]
async fn half_a_frame_at_the_end_was_never_forwarded_and_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    say(&mut session, 1, "forwarded");
    let path = folder.path().join(id.to_string()).join("000001");
    let whole = fs::metadata(&path).unwrap().len();
    say(&mut session, 2, "not forwarded");
    drop((session, spool));
    let bytes = fs::read(&path).unwrap();
    for end in whole..bytes.len() as u64 {
        fs::write(&path, &bytes[..usize::try_from(end).unwrap()]).unwrap();
        let spool = open(folder.path());
        let segment = spool.queue().segment(id, 1).await.unwrap();
        assert_eq!((text(&segment.lines), segment.torn), (vec!["forwarded".to_owned()], end - whole));
    }
}

#[tokio::test]
async fn what_the_disk_damaged_is_marked_from_when_to_when() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    let path = folder.path().join(id.to_string()).join("000001");
    say(&mut session, 1_000_000, "before");
    let start = fs::metadata(&path).unwrap().len() as usize;
    say(&mut session, 2_000_000, "lost");
    let end = fs::metadata(&path).unwrap().len() as usize;
    say(&mut session, 3_000_000, "after");
    // A page that the disk never got.
    let mut bytes = fs::read(&path).unwrap();
    bytes[start..end].fill(0);
    fs::write(&path, bytes).unwrap();
    let segment = spool.queue().segment(id, 1).await.unwrap();
    let said = text(&segment.lines);
    assert_eq!((said[0].as_str(), said[2].as_str(), segment.damaged), ("before", "after", 1));
    assert!(said[1].contains("from 1.000000 s to 3.000000 s"), "{said:?}");
}

/// Damage in a last frame looks like half a frame that was being written.
#[tokio::test]
async fn half_a_frame_with_something_behind_it_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    say(&mut session, 1_000_000, "before");
    say(&mut session, 2_000_000, "lost");
    session.roll();
    let damage = |number: u32| {
        let path = folder.path().join(id.to_string()).join(format!("{number:06}"));
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    damage(1);
    let read = async |spool: &Spool, number| {
        let segment = spool.queue().segment(id, number).await.unwrap();
        (text(&segment.lines), segment.torn, segment.damaged)
    };
    let gap = |from: u64, to: u64| {
        format!("missing: what was said from {from}.000000 s to {to}.000000 s was damaged on the gateway's disk")
    };
    assert_eq!(read(&spool, 1).await, (vec!["before".to_owned(), gap(1, 1)], 0, 1), "it is closed");
    say(&mut session, 3_000_000, "next");
    say(&mut session, 4_000_000, "last");
    drop((session, spool));
    damage(2);
    let spool = open(folder.path());
    assert_eq!(read(&spool, 1).await, (vec!["before".to_owned(), gap(1, 3)], 0, 1), "there is a next segment");
    let (said, torn, damaged) = read(&spool, 2).await;
    assert_eq!((said, torn > 0, damaged), (vec!["next".to_owned()], true, 0), "it was being written");
    let manifest = Manifest { duration: Micros::from_secs(5), ..manifest(id, 0) };
    spool.queue().note(id, SessionRecord::Ended(Box::new(manifest))).await.unwrap();
    assert_eq!(read(&spool, 2).await, (vec!["next".to_owned(), gap(3, 5)], 0, 1), "there is an end");
}

#[tokio::test]
async fn a_header_that_was_not_whole_is_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let spool = open(folder.path());
        begin(&spool).await.id()
    };
    let path = folder.path().join(id.to_string()).join("000000");
    let bytes = fs::read(&path).unwrap();
    for end in [0, 1, 100, bytes.len() / 2] {
        fs::write(&path, &bytes[..end]).unwrap();
        let spool = open(folder.path());
        assert!(
            spool.queue().records(id).await.unwrap().is_none() && spool.recovery().is_unopened(id).await.unwrap(),
            "{end}"
        );
    }
    fs::remove_file(&path).unwrap();
    assert!(open(folder.path()).recovery().is_unopened(id).await.unwrap());
}

#[tokio::test]
async fn a_damaged_header_is_told_from_one_that_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let id = {
        let spool = open(folder.path());
        begin(&spool).await.id()
    };
    let path = folder.path().join(id.to_string()).join("000000");
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[20] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let spool = open(folder.path());
    assert!(
        spool.queue().records(id).await.unwrap().is_none() && !spool.recovery().is_unopened(id).await.unwrap(),
        "a fact stands behind it"
    );
    fs::write(&path, &whole[..100]).unwrap();
    for other in ["000001", "marks", "stdout.0"] {
        let other = folder.path().join(id.to_string()).join(other);
        fs::write(&other, b"").unwrap();
        assert!(!spool.recovery().is_unopened(id).await.unwrap(), "{}", other.display());
        fs::remove_file(other).unwrap();
    }
}

#[tokio::test]
async fn a_follower_gets_everything_so_far_and_then_what_comes() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    assert_eq!(spool.reader().live(), [id]);
    for number in 1..=3 {
        say(&mut session, number, &number.to_string());
        session.roll();
    }
    say(&mut session, 4, "4");
    // Two are in the store already.
    spool.queue().stored(id, 1).await.unwrap();
    spool.queue().stored(id, 2).await.unwrap();
    let mut follow = spool.reader().follow(id, 1).expect("a session");
    assert_eq!(follow.next().await.unwrap(), Some(SpoolEvent::Stored { from: 1, to: 2 }));
    assert_eq!(follow.next().await.unwrap(), Some(SpoolEvent::Lines { number: 3, lines: line(3, "3") }));
    assert_eq!(follow.next().await.unwrap(), Some(SpoolEvent::Lines { number: 4, lines: line(4, "4") }));
    let (news, ()) = tokio::join!(follow.next(), async {
        tokio::task::yield_now().await;
        say(&mut session, 5, "5");
    });
    assert_eq!(news.unwrap(), Some(SpoolEvent::Lines { number: 4, lines: line(5, "5") }));
    session.roll();
    say(&mut session, 6, "6");
    session.end();
    spool.queue().finished(id).await.unwrap();
    assert_eq!(follow.next().await.unwrap(), Some(SpoolEvent::Stored { from: 5, to: 5 }));
    assert_eq!(follow.next().await.unwrap(), None);
    assert!(spool.reader().follow(id, 1).is_none());
}

#[tokio::test]
async fn a_session_that_ends_without_a_line_tells_its_follower() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let mut follow = spool.reader().follow(session.id(), 1).expect("a session");
    session.append(&mark(1), b"").unwrap();
    session.end();
    assert_eq!(follow.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_follower_is_over_when_the_session_has_ended_and_all_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let mut follow = spool.reader().follow(session.id(), 1).expect("a session");
    say(&mut session, 1, "1");
    assert_eq!(follow.ready().await.unwrap(), Some(SpoolEvent::Lines { number: 1, lines: line(1, "1") }));
    assert_eq!(follow.ready().await.unwrap(), None);
    assert!(!follow.is_over(), "the session goes on");
    say(&mut session, 2, "2");
    session.end();
    assert!(!follow.is_over(), "not all was read");
    assert_eq!(follow.ready().await.unwrap(), Some(SpoolEvent::Lines { number: 1, lines: line(2, "2") }));
    assert_eq!(follow.ready().await.unwrap(), None);
    assert!(follow.is_over());
}

#[tokio::test]
async fn long_sessions_are_followed_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let long = "x".repeat(3_000_000);
    say(&mut session, 1, &long);
    for number in 2..2_000 {
        say(&mut session, number, &"y".repeat(1_000));
    }
    let mut follow = spool.reader().follow(session.id(), 1).expect("a session");
    session.end();
    let mut said = Vec::new();
    while let Some(SpoolEvent::Lines { lines, .. }) = follow.next().await.unwrap() {
        said.extend(text(&lines));
    }
    assert_eq!((said.len(), said[0].len(), said[1_998].len()), (1_999, 3_000_000, 1_000));
}

/// Lines of 60 KB each: of NULs, which JSON writes with six characters.
fn nuls(lines: usize) -> Vec<u8> {
    line(2, &"\0".repeat(10_000)).repeat(lines)
}

async fn segments(spool: &Spool, id: RecordingId) -> Vec<Vec<u8>> {
    let mut segments = Vec::new();
    for number in spool.queue().closed_segments(id).await.unwrap() {
        segments.push(spool.queue().segment(id, number).await.unwrap().lines);
    }
    segments
}

#[tokio::test]
async fn an_append_that_is_longer_than_a_frame_or_a_chunk_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    let long = nuls(1_200);
    assert!(long.len() > 64 << 20, "more than a reader unpacks");
    say(&mut session, 1, "before");
    session.append(&mark(1_200), &long).unwrap();
    let mut follow = spool.reader().follow(id, 1).expect("a session");
    say(&mut session, 1_201, "after");
    session.end();
    let expected = [line(1, "before"), long, line(1_201, "after")].concat();
    let read = segments(&spool, id).await;
    assert_eq!(read.len(), 3);
    assert!(read.iter().all(|lines| lines.len() < 33 << 20));
    assert!(read.concat() == expected);
    assert_eq!(spool.queue().segment(id, 3).await.unwrap().checkpoint, Some(mark(1_201)));
    let mut followed = Vec::new();
    while let Some(SpoolEvent::Lines { lines, .. }) = follow.next().await.unwrap() {
        followed.extend(lines);
    }
    assert!(followed == expected);
    drop(spool);
    assert!(segments(&open(folder.path()), id).await.concat() == expected, "for the next process too");
}

#[tokio::test]
async fn a_long_append_that_never_ended_was_not_forwarded_and_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    say(&mut session, 1, "forwarded");
    session.append(&mark(700), &nuls(700)).unwrap();
    drop((session, spool));
    let file = |number: u32| folder.path().join(id.to_string()).join(format!("{number:06}"));
    let last = fs::read(file(2)).unwrap();
    for left in [last.len() - 1, last.len() / 2, 0] {
        fs::write(file(2), &last[..left]).unwrap();
        assert_eq!(segments(&open(folder.path()), id).await.concat(), line(1, "forwarded"), "{left}");
    }
    fs::remove_file(file(2)).unwrap();
    assert_eq!(segments(&open(folder.path()), id).await.concat(), line(1, "forwarded"));
}

#[tokio::test]
async fn a_long_append_that_fails_leaves_nothing_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    say(&mut session, 1, "before");
    // A line that no frame has room for, behind others that were written by then.
    let huge = [nuls(700), line(700, &"x".repeat(16 << 20))].concat();
    let refused = session.append(&mark(700), &huge).expect_err("longer than a frame");
    assert!(!refused.is_full(), "{refused}");
    session.append(&mark(3), &line(3, "after")).expect("the spool goes on");
    session.end();
    assert_eq!(segments(&spool, id).await, [[line(1, "before"), line(3, "after")].concat()]);
}

#[tokio::test]
async fn an_end_with_more_commands_than_a_frame_has_room_for_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    let command = Command { time: Micros::ZERO, source: CommandSource::Typed, text: "\0".repeat(8 << 10), typed: None };
    let manifest = Manifest { commands: vec![command; 1_000], ..manifest(id, 0) };
    session.note(&SessionRecord::Ended(Box::new(manifest.clone()))).unwrap();
    session.end();
    drop(spool);
    let facts = open(folder.path()).queue().records(id).await.unwrap().expect("a header");
    assert!(facts.ended.as_deref() == Some(&manifest));
}

#[tokio::test]
async fn a_session_whose_removal_was_cut_short_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    say(&mut session, 1, "stored");
    session.append(&mark(2), &[]).unwrap();
    session.end();
    drop(spool);
    // As a process leaves it that is killed between two files.
    let half = folder.path().join(format!("{id}.stored"));
    std::fs::rename(folder.path().join(id.to_string()), &half).unwrap();
    std::fs::remove_file(half.join("000000")).unwrap();
    let spool = open(folder.path());
    assert_eq!((spool.reader().sessions(), half.exists()), (vec![], false));
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _spool = open(folder.path());
    let second = Spool::open(folder.path(), SpoolLimits::default()).expect_err("taken");
    assert!(matches!(second, SpoolError::Taken(_)));
}

#[tokio::test]
async fn an_end_is_there_with_its_manifest_and_a_session_can_be_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let mut session = begin(&spool).await;
    let id = session.id();
    session.note(&SessionRecord::Status { outcome: Outcome::Exited { exit_code: 3 } }).unwrap();
    session.end();
    assert_eq!(
        spool.queue().records(id).await.unwrap().unwrap().status_outcome,
        Some(Outcome::Exited { exit_code: 3 })
    );
    let place = spool.queue().quarantine(id).await.unwrap();
    assert!(place.join("000000").exists());
    assert_eq!((spool.reader().sessions(), spool.gauges().usage().bytes), (vec![], 0));
    drop(spool);
    assert_eq!(open(folder.path()).reader().sessions(), []);
}

#[tokio::test]
async fn many_sessions_are_synced_together() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(
        folder.path(),
        SpoolLimits { disk_floor: 0, sync: Duration::from_millis(5), ..SpoolLimits::default() },
    );
    let spool = spool.unwrap();
    let opening = (0..100).map(|_| {
        let spool = spool.clone();
        tokio::spawn(async move { begin(&spool).await })
    });
    let mut sessions = Vec::new();
    for session in opening.collect::<Vec<_>>() {
        sessions.push(session.await.unwrap());
    }
    for session in &mut sessions {
        say(session, 1, "x");
    }
    for session in &sessions {
        spool.queue().sync(session.id()).await.unwrap();
    }
    assert_eq!(spool.reader().live().len(), 100);
}

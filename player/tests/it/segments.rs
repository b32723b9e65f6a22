use std::time::Duration;

use player::{Player, PlayerSettings, Segment, SegmentIndex};
use recording::{Micros, RecordingId, cast::Code::*};

use crate::test_recording::{SessionKind, TestRecording, bytes_line};

const SECOND: u64 = 1_000_000;

/// Segments of two seconds.
fn short() -> PlayerSettings {
    PlayerSettings { segment_length: Duration::from_secs(2), ..PlayerSettings::default() }
}

/// The rules of asciinema-player 3.18's `validateIndex` and `normalizeSegment`.
async fn check(player: &Player, id: RecordingId, index: &SegmentIndex) -> Vec<Segment> {
    assert_eq!(index.segments[0].start, 0.0);
    let mut segments = Vec::new();
    for (number, entry) in index.segments.iter().enumerate() {
        let end = entry.url.strip_prefix(&format!("{number}.json?end=")).unwrap().parse().unwrap();
        let segment = player.segment(id, number, Some(Micros::new(end))).await.unwrap();
        let times: Vec<f64> = segment.events.iter().map(|event| event.0).collect();
        assert!(times.is_sorted() && times[0] >= entry.start, "{times:?}");
        match index.segments.get(number + 1) {
            Some(next) => {
                assert!(entry.start < next.start && next.start < index.duration && *times.last().unwrap() < next.start)
            }
            None => assert_eq!(times.last(), Some(&index.duration)),
        }
        assert!(number == 0 || times[0] == entry.start, "a later segment's first event is at its start");
        segments.push(segment);
    }
    assert!(index.markers.is_sorted_by(|a, b| a.0 <= b.0));
    assert!(index.markers.iter().all(|marker| marker.0 <= index.duration));
    let labels: Vec<_> = segments.iter().flat_map(|s| &s.events).filter(|e| e.1 == "m").map(|e| &e.2).collect();
    assert_eq!(labels, index.markers.iter().map(|marker| &marker.1).collect::<Vec<_>>());
    segments
}

fn text(segment: &Segment) -> String {
    segment.events.iter().filter(|event| event.1 == "o").map(|event| event.2.as_str()).collect()
}

#[tokio::test]
async fn a_long_recording_is_cut_and_every_cut_carries_its_screen() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(0, Resize, "40x5"), (SECOND, Output, "one\r\n"), (3 * SECOND, Output, "two\r\n")]).await;
    recording.chunk(&[(4 * SECOND, Marker, "ls"), (6 * SECOND, Output, "three"), (6 * SECOND, Output, "!")]).await;
    recording.chunk(&[(9 * SECOND, Resize, "20x3"), (9_500_000, Exit, "0")]).await;
    recording.finish(10 * SECOND).await;
    let player = recording.player(short());

    let index = player.index(recording.id).await.unwrap();
    let starts: Vec<f64> = index.segments.iter().map(|segment| segment.start).collect();
    assert_eq!((starts, index.duration), (vec![0.0, 3.0, 6.0, 9.0], 10.0));
    assert_eq!(index.markers, [(0.0, "sh -c 'a b'".to_owned()), (4.0, "ls".to_owned())]);

    let segments = check(&player, recording.id, &index).await;
    assert_eq!(segments.iter().map(text).collect::<Vec<_>>(), ["one\r\n", "two\r\n", "three!", ""]);
    assert!(segments[2].snapshot.init.contains("two") && !segments[2].snapshot.init.contains("three"));
    assert_eq!((segments[2].snapshot.cols, segments[2].snapshot.rows), (40, 5));
    assert!(segments[3].events.contains(&(9.0, "r", "20x3".to_owned())));
    assert!(matches!(player.segment(recording.id, 4, None).await, Err(error) if error.is_not_found()));
}

#[tokio::test]
async fn a_recording_without_events_can_be_played() {
    let recording = TestRecording::start(SessionKind::Tty, "never").await;
    let player = recording.player(short());
    let index = player.index(recording.id).await.unwrap();
    assert_eq!((index.duration, index.segments.len()), (0.0, 1));
    check(&player, recording.id, &index).await;
}

#[tokio::test]
async fn a_live_recording_keeps_its_cuts_while_it_grows() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(SECOND, Output, "one "), (3 * SECOND, Output, "two ")]).await;
    let player = recording.player(short());
    let early = player.index(recording.id).await.unwrap();
    assert_eq!(early.segments.iter().map(|s| s.start).collect::<Vec<_>>(), [0.0, 3.0]);

    recording.chunk(&[(4 * SECOND, Output, "three "), (7 * SECOND, Output, "four ")]).await;
    let late = player.index(recording.id).await.unwrap();
    assert_eq!(late.segments.iter().map(|s| s.start).collect::<Vec<_>>(), [0.0, 3.0, 7.0]);

    // A viewer still uses the early index: its last segment ends where that index says.
    let segments = check(&player, recording.id, &early).await;
    assert_eq!(text(&segments[1]), "two ");
    let segments = check(&player, recording.id, &late).await;
    assert_eq!(segments.iter().map(text).collect::<Vec<_>>(), ["one ", "two three ", "four "]);

    // Another process, which reads from the beginning, cuts the same segments.
    recording.finish(8 * SECOND).await;
    let other = recording.player(short()).index(recording.id).await.unwrap();
    assert_eq!(player.index(recording.id).await.unwrap(), other);
    assert_eq!(other.duration, 8.0);
}

#[tokio::test]
async fn without_a_terminal_both_outputs_are_shown_with_returns() {
    let mut recording = TestRecording::start(SessionKind::Piped, "never").await;
    recording.chunk(&[(1, Output, "out\n"), (2, Stderr, "err\r\n"), (3, Output, "\nend\r"), (4, Output, "\n")]).await;
    let player = recording.player(short());
    let segment = player.segment(recording.id, 0, None).await.unwrap();
    assert_eq!(text(&segment), "out\r\n\u{1b}[91merr\r\n\u{1b}[39m\r\nend\r\n");
    assert_eq!((segment.snapshot.cols, segment.snapshot.rows), (120, 30));
}

#[tokio::test]
async fn bytes_are_shown_as_far_as_they_are_text() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    let mut lines = bytes_line(1, Output, b"\xe7\x95");
    lines.extend(bytes_line(2, Output, b"\x8c\xff"));
    recording.chunk_of(&lines).await;
    let segment = recording.player(short()).segment(recording.id, 0, None).await.unwrap();
    assert_eq!(text(&segment), "界\u{fffd}");
}

#[tokio::test]
async fn playback_starts_with_the_first_size_and_annotations_stay_off_the_screen() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording
        .chunk(&[(900, Resize, "132x43"), (1_000, Output, "hi"), (1_500, Gap, "odd bytes"), (2_000, Resize, "50x5")])
        .await;
    let player = recording.player(short());
    let index = player.index(recording.id).await.unwrap();
    assert_eq!((index.term.cols, index.term.rows), (132, 43));
    assert_eq!(index.markers[1].1, "kubetape: odd bytes");
    let segments = check(&player, recording.id, &index).await;
    assert_eq!((segments[0].snapshot.cols, segments[0].snapshot.rows), (132, 43));
    assert_eq!(text(&segments[0]), "hi");
}

#[tokio::test]
async fn forwarded_ports_are_shown_line_by_line() {
    let mut recording = TestRecording::start(SessionKind::Piped, "never").await;
    let event = |state| {
        format!(r#"{{"state":"{state}","port":80,"connection":2,"sent":3,"received":4,"error":"no\u001b[1m"}}"#)
    };
    recording
        .chunk(&[(1, Port, &event("opened")), (2, Port, &event("closed")), (3, Port, &event("failed")), (4, Port, "{")])
        .await;
    let shown = text(&recording.player(short()).segment(recording.id, 0, None).await.unwrap());
    let lines: Vec<_> = shown.split("\r\n").filter(|line| !line.is_empty()).collect();
    let expected = [
        "port 80: connection 2 opened",
        "port 80: connection 2 closed, 3 bytes sent, 4 received",
        "port 80: connection 2 failed: no [1m",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn input_is_not_shown() {
    let mut recording = TestRecording::start(SessionKind::Tty, "always").await;
    recording.chunk(&[(1, Input, "secret"), (2, Output, "***")]).await;
    assert_eq!(text(&recording.player(short()).segment(recording.id, 0, None).await.unwrap()), "***");
}

#[tokio::test]
async fn missing_and_damaged_parts_are_shown_as_such() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(SECOND, Output, "before")]).await;
    recording.skip_chunk();
    recording.skip_chunk();
    recording.chunk_of(b"[4.0, \"o\", \"after\"]\n[4.5, \"z\", \"a later version's\"]\n[5.0, \"o\", \"cut o").await;
    recording.skip_chunk();
    recording.finish(6 * SECOND).await;
    let player = recording.player(short());
    let index = player.index(recording.id).await.unwrap();
    let shown: String = check(&player, recording.id, &index).await.iter().map(text).collect();
    let order = [
        "before",
        "chunks 2 to 3 of the recording are missing",
        "after",
        "a line of the recording is damaged",
        "chunk 5 of the recording is missing",
    ];
    let places: Vec<_> =
        order.iter().map(|part| shown.find(part).unwrap_or_else(|| panic!("{part:?} in {shown:?}"))).collect();
    assert!(places.is_sorted(), "{shown:?}");
}

#[tokio::test]
async fn hostile_sizes_times_and_texts_do_no_harm() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    let osc = format!("\x1b]0;{}\x07\x1b[999999999C\x1b[8;65535;65535t", "t".repeat(1 << 16));
    recording
        .chunk(&[(5 * SECOND, Resize, "65535x65535"), (SECOND, Output, &osc), (2, Resize, "0x0"), (3, Resize, "axb")])
        .await;
    recording
        .chunk(&[
            (9 * SECOND, Marker, &"\x1b[31m\n".repeat(1000)),
            (9 * SECOND, Resize, "1x1"),
            (12 * SECOND, Output, "界"),
        ])
        .await;
    let player = recording.player(short());
    let index = player.index(recording.id).await.unwrap();
    let segments = check(&player, recording.id, &index).await;
    // `check` above has asserted that times do not decrease.
    assert!(segments[1].events.contains(&(5.0, "r", "1000x500".to_owned())));
    assert!(segments.iter().flat_map(|segment| &segment.events).all(|event| event.2 != "0x0"));
    let label = &index.markers[1].1;
    assert!(label.chars().count() <= 201 && !label.contains(char::is_control), "{label:?}");
}

#[tokio::test]
async fn an_unknown_recording_is_not_found() {
    let recording = TestRecording::start(SessionKind::Tty, "never").await;
    let other = RecordingId(uuid::Uuid::now_v7());
    assert!(recording.player(short()).index(other).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn endless_output_stays_within_the_bounds() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    let line = format!("{}\r\n", "x".repeat(70));
    for chunk in 0..20 {
        let events: Vec<_> = (0..200).map(|n| ((chunk * 200 + n) * 10, Output, line.as_str())).collect();
        recording.chunk(&events).await;
    }
    let settings = PlayerSettings { segment_bytes: 16 << 10, ..PlayerSettings::default() };
    let player = recording.player(settings);
    let index = player.index(recording.id).await.unwrap();
    assert!((15..=20).contains(&index.segments.len()), "{} segments of 288 kB", index.segments.len());
    let segments = check(&player, recording.id, &index).await;
    assert_eq!(segments.iter().map(|s| text(s).len()).sum::<usize>(), 4000 * 72);
}

#[tokio::test]
async fn the_timeline_of_a_long_recording_is_kept_in_a_folder() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    for number in 0..8 {
        recording.chunk(&[(number * 3 * SECOND, Output, "some\r\n"), (number * 3 * SECOND + 1, Marker, "ls")]).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let player = || recording.player(short()).with_folder(folder.path().join("timelines"), 1 << 20);
    player().index(recording.id).await.unwrap();
    assert!(!folder.path().join("timelines").exists(), "one that goes on is not kept");
    recording.finish(30 * SECOND).await;
    let first = player();
    let index = first.index(recording.id).await.unwrap();
    let segments = check(&first, recording.id, &index).await;
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("timelines")).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(kept.len(), 1);

    let second = player();
    assert_eq!(second.index(recording.id).await.unwrap(), index);
    assert_eq!(check(&second, recording.id, &index).await, segments);
    assert_eq!(index.pauses.last(), Some(&(21.0, 30.0)));

    std::fs::write(&kept[0], "damaged").unwrap();
    assert_eq!(player().index(recording.id).await.unwrap(), index, "it is made again");
    let small = recording.player(short()).with_folder(folder.path().join("small"), 10);
    small.index(recording.id).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join("small")).unwrap().count(), 0, "beyond the bound it is removed");
}

#[tokio::test]
async fn stderr_is_coloured_if_there_was_no_terminal() {
    let mut recording = TestRecording::start(SessionKind::Piped, "never").await;
    recording.chunk(&[(1, Output, "fine\n"), (2, Stderr, "bad\n")]).await;
    recording.finish(3).await;
    let player = recording.player(short());
    let segment = player.segment(recording.id, 0, None).await.unwrap();
    assert_eq!(text(&segment), "fine\r\n\u{1b}[91mbad\r\n\u{1b}[39m");
}

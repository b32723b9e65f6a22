use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The lines of pieces of output, each with its time in milliseconds.
fn read(tty: bool, pieces: &[(u64, &str)]) -> Vec<(u64, Stream, String)> {
    let (mut lines, mut found) = (Lines::new(tty, Bounds::NONE), Vec::new());
    let mut sink = |line: Line| found.push((line.time.get() / 1000, line.stream, line.text));
    for (millis, text) in pieces {
        lines.printed(Micros::from_millis(*millis), Stream::Stdout, text.as_bytes(), &mut sink);
    }
    lines.finish(&mut sink);
    found
}

fn texts(tty: bool, pieces: &[(u64, &str)]) -> Vec<String> {
    read(tty, pieces).into_iter().map(|(_, _, text)| text).collect()
}

#[test]
fn each_line_has_the_time_at_which_it_stood() {
    let read = read(true, &[(0, "$ "), (500, "l"), (600, "s\r\n"), (700, "a.txt  b.txt\r\n"), (5000, "$ ")]);
    let expected = [(600, "$ ls"), (700, "a.txt  b.txt"), (5000, "$")];
    assert_eq!(read, expected.map(|(millis, text)| (millis, Stream::Stdout, text.to_owned())));
}

#[test]
fn lines_that_scroll_off_are_emitted_once_and_whole() {
    let many: String = (0..100).map(|n| format!("line {n}\r\n")).collect();
    let long = "0123456789".repeat(30);
    let expected: Vec<_> = (0..100).map(|n| format!("line {n}")).chain([long.clone()]).collect();
    assert_eq!(texts(true, &[(0, &many), (9, &long), (10, "\r\n")]), expected);
}

#[test]
fn a_progress_bar_is_one_line_and_not_a_thousand() {
    let steps: Vec<_> = (0..=1000)
        .map(|n| (n * 30, format!("\rpulling {:3}% [{:<20}]", n / 10, "#".repeat(n as usize / 50))))
        .collect();
    let mut pieces: Vec<_> = steps.iter().map(|(millis, text)| (*millis, text.as_str())).collect();
    pieces.push((31_000, "\r\ndone\r\n"));
    assert_eq!(texts(true, &pieces), ["pulling 100% [####################]", "done"]);
    assert_eq!(texts(false, &pieces), ["pulling 100% [####################]", "done"]);
}

#[test]
fn several_bars_that_are_drawn_again_and_again() {
    let mut pieces = vec![(0, "a 0%\r\nb 0%\r\n".to_owned())];
    pieces.extend((1..=100).map(|n| (n * 100, format!("\x1b[2Aa {n}%\x1b[K\r\nb {n}%\x1b[K\r\n"))));
    let pieces: Vec<_> = pieces.iter().map(|(millis, text)| (*millis, text.as_str())).collect();
    let texts = texts(true, &pieces);
    assert!(texts.len() <= 4 && texts.ends_with(&["a 100%".to_owned(), "b 100%".to_owned()]), "{texts:?}");
}

#[test]
fn text_that_is_overwritten_after_it_could_be_read_is_emitted() {
    let search = [(0, "$ "), (50, "\r(reverse-i-search)`ma': make all"), (900, "\r\x1b[K$ make all"), (950, "\r\n")];
    assert_eq!(texts(true, &search), ["(reverse-i-search)`ma': make all", "$ make all"]);
    let flicker = [(0, "secret words"), (10, "\r\x1b[Kother things\r\n")];
    assert_eq!(texts(true, &flicker), ["other things"]);
}

#[test]
fn a_full_screen_programs_rows_are_emitted_as_it_goes_without_doubles() {
    let pages = [
        (0, "$ less log\r\n"),
        (100, "\x1b[?1049h\x1b[H\x1b[2Jone\r\ntwo\r\nthree\r\n:"),
        (900, "\x1b[H\x1b[2Jthree\r\nfour\r\n~\r\n:"),
        (1900, "\x1b[?1049l$ "),
    ];
    let read = read(true, &pages);
    let full: Vec<_> = read.iter().filter(|line| line.1 == Stream::FullScreen).map(|line| line.2.as_str()).collect();
    assert_eq!(full, ["one", "two", "three", "four"]);
    let other: Vec<_> = read.iter().filter(|line| line.1 == Stream::Stdout).map(|line| line.2.as_str()).collect();
    assert_eq!(other, ["$ less log", "$"]);
}

#[test]
fn a_live_sessions_line_is_emitted_after_a_second() {
    let (mut lines, mut found) = (Lines::new(true, Bounds::NONE), Vec::new());
    let mut sink = |line: Line| found.push(line.text);
    lines.printed(Micros::ZERO, Stream::Stdout, b"total 0\r\n$ ", &mut sink);
    lines.passed(Micros::from_secs(1), &mut sink);
    lines.passed(Micros::from_secs(9), &mut sink);
    lines.finish(&mut sink);
    assert_eq!(found, ["total 0", "$"]);
}

#[test]
fn without_a_terminal_streams_keep_to_themselves() {
    let (mut lines, mut found) = (Lines::new(false, Bounds::NONE), Vec::new());
    let mut sink = |line: Line| found.push((line.stream, line.text));
    lines.printed(Micros::ZERO, Stream::Stdout, b"one\ntw", &mut sink);
    lines.printed(Micros::new(1), Stream::Stderr, b"\x1b[31mwarning\x1b[0m\n", &mut sink);
    lines.printed(Micros::new(2), Stream::Stdout, b"o\nabc\rX\n\ttab", &mut sink);
    lines.finish(&mut sink);
    let expected = [
        (Stream::Stdout, "one"),
        (Stream::Stderr, "warning"),
        (Stream::Stdout, "two"),
        (Stream::Stdout, "Xbc"),
        (Stream::Stdout, "        tab"),
    ];
    assert_eq!(found, expected.map(|(stream, text)| (stream, text.to_owned())));
}

/// `echo 'id; whoami' | kubectl exec -i POD -- sh`, as it is recorded.
fn piped(tty: bool, showing: bool) -> Vec<(Stream, String)> {
    let mut lines = Lines::new(tty, Bounds::NONE);
    if showing {
        lines = lines.showing_input(Bounds::NONE);
    }
    let mut found = Vec::new();
    let mut sink = |line: Line| found.push((line.stream, line.text));
    for (code, data) in
        [(Code::Input, "id; wh"), (Code::Input, "oami\n"), (Code::Output, "uid=0\n"), (Code::Bytes, "i ZXhpdA==")]
    {
        lines.event(&Event { time: Micros::ZERO, code, data: data.to_owned() }, &mut sink);
    }
    lines.finish(&mut sink);
    found
}

#[test]
fn what_was_piped_in_is_read_where_it_is_asked_for_and_no_screen_shows_it() {
    let text = |stream, text: &str| (stream, text.to_owned());
    let output = || text(Stream::Stdout, "uid=0");
    let shown = [text(Stream::Stdin, "id; whoami"), output(), text(Stream::Stdin, "exit")];
    assert_eq!(piped(false, true), shown);
    assert_eq!(piped(false, false), [output()]);
    assert_eq!(piped(true, true), [output()]);
}

#[test]
fn endless_output_is_bounded_and_reported() {
    let bounds = Bounds { line_bytes: 1000, per_second: 10, lines: 15 };
    let (mut lines, mut found) = (Lines::new(false, bounds), Vec::new());
    let mut sink = |line: Line| found.push((line.stream, line.text));
    for second in 0..3 {
        lines.printed(Micros::from_secs(second), Stream::Stdout, &b"y\n".repeat(100), &mut sink);
    }
    lines.finish(&mut sink);
    let left_out: Vec<_> = found.iter().filter(|line| line.0 == Stream::LeftOut).map(|line| line.1.as_str()).collect();
    let expected = ["90 lines left out: a second's bound is 10", "195 lines left out: a recording's bound is 15"];
    assert_eq!(left_out, expected);
    assert_eq!(found.len(), 15 + 2);
}

#[test]
fn a_line_of_a_megabyte_comes_in_pieces() {
    for tty in [false, true] {
        let texts = texts(tty, &[(0, &"x".repeat(1 << 20)), (1, "\r\n")]);
        assert!(texts.iter().all(|text| text.len() <= Bounds::NONE.line_bytes), "tty {tty}");
        assert_eq!(texts.iter().map(String::len).sum::<usize>(), 1 << 20, "tty {tty}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_a_peer_sends_breaks_it(
        tty in any::<bool>(),
        steps in prop::collection::vec((0..400u64, prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "(\x1b\\[[0-9;?]{0,6}[A-Za-z@]|[a-z \u{4e00}\r\n\u{8}]){0,20}".prop_map(String::into_bytes),
            Just(b"\x1b[?1049h".to_vec()), Just(b"\x1b[?1049l".to_vec()), Just(b"\x1bc".to_vec()), Just(b"\x1b[2J".to_vec()),
        ], prop::option::of((any::<u16>(), 0..70u16))), 0..60)
    ) {
        let (mut lines, mut now) = (Lines::new(tty, Bounds::NONE), Micros::ZERO);
        let mut sink = |line: Line| assert!(!line.text.is_empty() && !line.text.contains('\n'));
        for (pause, bytes, size) in steps {
            now = now + Duration::from_millis(pause * 10);
            lines.printed(now, Stream::Stdout, &bytes, &mut sink);
            if let Some((columns, rows)) = size {
                lines.resized(now, columns, rows, &mut sink);
            }
        }
        lines.finish(&mut sink);
    }
}

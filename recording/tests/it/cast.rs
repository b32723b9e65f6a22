use std::borrow::Cow;

use proptest::prelude::*;
use recording::{
    Micros,
    cast::{CastError, Code, Event, Header, events, write_bytes, write_event},
};

use crate::sample::{header, id_at};

fn line(micros: u64, code: Code, data: &str) -> String {
    let mut line = Vec::new();
    write_event(&mut line, Micros::new(micros), code, data);
    String::from_utf8(line).unwrap()
}

#[test]
fn lines_look_as_described() {
    assert_eq!(line(0, Code::Output, ""), "[0.000000, \"o\", \"\"]\n");
    assert_eq!(line(12_000_345, Code::Resize, "80x24"), "[12.000345, \"r\", \"80x24\"]\n");
    assert_eq!(line(999_999, Code::Exit, "0"), "[0.999999, \"x\", \"0\"]\n");
    assert_eq!(line(u64::MAX, Code::Gap, "g"), "[18446744073709.551615, \"g\", \"g\"]\n");
    let escaped = line(1_000_000, Code::Stderr, "\"\\\n\r\t\u{8}\u{c}\0\u{1b}[m\u{7f}ü\u{2028}🦀/");
    assert_eq!(escaped, "[1.000000, \"e\", \"\\\"\\\\\\n\\r\\t\\b\\f\\u0000\\u001b[m\u{7f}ü\u{2028}🦀/\"]\n");
    let mut bytes = Vec::new();
    write_bytes(&mut bytes, Micros::new(5), Code::Output, b"\xff");
    assert_eq!(bytes, b"[0.000005, \"b\", \"o /w==\"]\n");
}

#[test]
fn bytes_of_a_stream_are_exact() {
    let event = |line: &str| Event::parse(line.as_bytes()).unwrap();
    let output = event("[1, \"b\", \"e /wA=\"]");
    assert_eq!(output.bytes(), Some((Code::Stderr, Cow::Borrowed(b"\xff\x00".as_slice()))));
    assert_eq!(event("[1, \"i\", \"ü\"]").bytes(), Some((Code::Input, Cow::Borrowed("ü".as_bytes()))));
    for nothing in ["[1, \"m\", \"ls\"]", "[1, \"b\", \"o\"]", "[1, \"b\", \"o ???\"]", "[1, \"b\", \"x /w==\"]"] {
        assert_eq!(event(nothing).bytes(), None, "{nothing}");
    }
}

#[test]
fn sizes_are_read_and_nothing_else() {
    let size = |data: &str| Event { time: Micros::ZERO, code: Code::Resize, data: data.to_owned() }.size();
    assert_eq!(size("80x24"), Some((80, 24)));
    assert_eq!(size("0x65535"), Some((0, 65535)));
    for wrong in ["", "80", "80x", "80x65536", "-1x2", "80x24x1"] {
        assert_eq!(size(wrong), None, "{wrong}");
    }
}

#[test]
fn damage_is_named_and_later_codes_are_skipped() {
    let lines = b"[1.0, \"o\", \"a\"]\n[2.0, \"q\", \"later\"]\n\nrubbish\n[3.0, \"o\", \"b\"]\n[4.0, \"o\", \"cut";
    let read: Vec<_> = events(lines).map(|event| event.map(|event| event.data)).collect();
    assert!(
        matches!(&read[..], [Ok(a), Err(CastError::Syntax(_)), Ok(b), Err(CastError::Syntax(_))] if a == "a" && b == "b"),
        "{read:?}"
    );
    assert!(matches!(Event::parse(b"[-1, \"o\", \"\"]"), Err(CastError::Time(_))));
    assert!(matches!(Event::parse(b"[1e300, \"o\", \"\"]"), Err(CastError::Time(_))));
    assert!(matches!(Event::parse(b"[1, \"q\", \"\"]"), Err(CastError::UnknownCode(code)) if code == "q"));
    assert!(matches!(Event::parse(b"[1, \"o\", 2]"), Err(CastError::Syntax(_))));
    assert!(matches!(Header::parse(b"{\"version\":3}"), Err(CastError::Header(_))));
}

#[test]
fn a_header_comes_back_as_it_was() {
    let header = header(id_at(1_800_000_000));
    let line = header.to_line();
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert_eq!(Header::parse(&line).unwrap(), header);
}

/// The `asciicast` crate as a second reader. Only `o` and `i` are asked of it: it knows no other codes (`r` and `m` of
/// the specification are errors to it) and no version but 2, drops unknown header fields and would write `timestamp`
/// as a fraction; that is why its types are not the ones used here.
#[test]
fn another_reader_reads_what_is_written() {
    let mut cast = header(id_at(1_800_000_000)).to_line();
    write_event(&mut cast, Micros::from_millis(1_500), Code::Output, "\u{1b}[1mü\"\\\r\n\0");
    write_event(&mut cast, Micros::from_millis(2_250), Code::Input, "q");
    let mut lines = cast.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());

    let header: asciicast::Header = serde_json::from_slice(lines.next().unwrap()).unwrap();
    assert_eq!((header.version, header.width, header.height), (2, 80, 24));
    let entries: Vec<asciicast::Entry> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert_eq!((entries[0].time, entries[0].event_data.as_str()), (1.5, "\u{1b}[1mü\"\\\r\n\0"));
    assert!(matches!(entries[0].event_type, asciicast::EventType::Output));
    assert_eq!((entries[1].time, entries[1].event_data.as_str()), (2.25, "q"));
    assert!(matches!(entries[1].event_type, asciicast::EventType::Input));
}

proptest! {
    #[test]
    fn any_text_comes_back(micros in 0_u64..(1 << 50), data in ".{0,50}|[\\x00-\\x7f]{0,50}") {
        let line = line(micros, Code::Output, &data);
        prop_assert_eq!(line.matches('\n').count(), 1);
        prop_assert_eq!(Event::parse(line.as_bytes()).unwrap(), Event { time: Micros::new(micros), code: Code::Output, data });
    }

    #[test]
    fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut line = Vec::new();
        write_bytes(&mut line, Micros::new(7), Code::Stderr, &bytes);
        let event = Event::parse(&line).unwrap();
        prop_assert_eq!(event.bytes(), Some((Code::Stderr, Cow::Owned(bytes))));
    }

    #[test]
    fn no_line_is_a_panic(line in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = Event::parse(&line);
        let _ = Header::parse(&line);
    }
}

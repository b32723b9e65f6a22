use player::{Format, PlayerError, PlayerSettings, StreamName};
use recording::cast::Code::*;

use crate::test_recording::{SessionKind, TestRecording, bytes_line};

async fn export(recording: &TestRecording, format: Format) -> (String, Result<(), PlayerError>) {
    let mut out = Vec::new();
    let result = recording.player(PlayerSettings::default()).export(recording.id, format, &mut out).await;
    (String::from_utf8_lossy(&out).into_owned(), result)
}

fn lines(cast: &str) -> Vec<serde_json::Value> {
    cast.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn cast2_is_the_stored_lines() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(0, Resize, "80x24"), (1_500_000, Output, "hi\r\n")]).await;
    recording.chunk(&[(2_000_000, Marker, "ls"), (2_500_000, Exit, "0")]).await;
    let (cast, result) = export(&recording, Format::Cast2).await;
    result.unwrap();
    let (header, events) = cast.split_once('\n').unwrap();
    assert_eq!(lines(header)[0]["version"], 2);
    assert_eq!(
        events,
        "[0.000000, \"r\", \"80x24\"]\n[1.500000, \"o\", \"hi\\r\\n\"]\n[2.000000, \"m\", \"ls\"]\n[2.500000, \"x\", \"0\"]\n"
    );
}

#[tokio::test]
async fn cast3_has_relative_times() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk(&[(250_000, Output, "a"), (1_500_001, Stderr, "b")]).await;
    recording.chunk(&[(1_500_001, Exit, "3")]).await;
    let (cast, result) = export(&recording, Format::Cast3).await;
    result.unwrap();
    let (header, events) = cast.split_once('\n').unwrap();
    let header = &lines(header)[0];
    assert_eq!(
        (&header["version"], &header["term"]["cols"], &header["term"]["rows"]),
        (&3.into(), &80.into(), &24.into())
    );
    assert_eq!(events, "[0.250000, \"o\", \"a\"]\n[1.250001, \"e\", \"b\"]\n[0.000000, \"x\", \"3\"]\n");
}

#[tokio::test]
async fn casts_can_be_parsed_whatever_is_damaged() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    recording.chunk_of(b"[1.0, \"o\", \"a\"]\n[2.0, \"o\n[3.0, \"z\", \"later\"]\n").await;
    recording.skip_chunk();
    recording.chunk(&[(4_000_000, Output, "b")]).await;
    for (format, codes) in [(Format::Cast2, "ogzgo"), (Format::Cast3, "oggo")] {
        let (cast, result) = export(&recording, format).await;
        result.unwrap();
        let seen: String = lines(&cast)[1..].iter().map(|event| event[1].as_str().unwrap().to_owned()).collect();
        assert_eq!(seen, codes);
    }
}

#[tokio::test]
async fn text_of_a_terminal_is_what_could_be_read() {
    let mut recording = TestRecording::start(SessionKind::Tty, "never").await;
    let wide = "w".repeat(30);
    recording
        .chunk(&[(0, Resize, "20x3"), (1, Output, "$ ech\x08\x08cho\x1b[31m hi\x1b[0m\r\n"), (2, Output, &wide)])
        .await;
    recording.chunk(&[(3, Output, "\r\n1\r\n2\r\n3\r\n"), (4, Output, "\x1b[?1049hvim\x1b[?1049l")]).await;
    let (text, result) = export(&recording, Format::Text).await;
    result.unwrap();
    assert_eq!(text, format!("$ echo hi\n{wide}\n1\n2\n3\n"));
}

#[tokio::test]
async fn text_without_a_terminal_has_no_escape_sequences() {
    let mut recording = TestRecording::start(SessionKind::Piped, "never").await;
    let mut lines =
        b"[0.1, \"o\", \"\\u001b[1mbold\\u001b[0m\\tx\\n10%\\r20%\\r\\n\"]\n[0.2, \"e\", \"oops\\n\"]\n".to_vec();
    lines.extend(bytes_line(300_000, Output, b"\xff\n"));
    recording.chunk_of(&lines).await;
    let (text, result) = export(&recording, Format::Text).await;
    result.unwrap();
    assert_eq!(text, "bold\tx\n10%\n20%\noops\n\u{fffd}\n");
}

#[tokio::test]
async fn raw_streams_are_exact() {
    let mut recording = TestRecording::start(SessionKind::Piped, "piped").await;
    let mut all: Vec<u8> = (0..=255).collect();
    let mut lines = bytes_line(1, Output, &all);
    lines.extend(bytes_line(2, Input, b"\xfe"));
    recording.chunk_of(&lines).await;
    recording.chunk(&[(3, Output, "o\r\n"), (4, Stderr, "e"), (5, Input, "i")]).await;
    all.extend_from_slice(b"o\r\n");
    for (stream, expected) in
        [(StreamName::Stdout, all.as_slice()), (StreamName::Stderr, b"e"), (StreamName::Stdin, b"\xfei")]
    {
        let mut out = Vec::new();
        recording.player(PlayerSettings::default()).export(recording.id, Format::Raw(stream), &mut out).await.unwrap();
        assert_eq!(out, expected, "{stream:?}");
    }
}

#[tokio::test]
async fn raw_says_what_was_never_stored_and_what_is_missing() {
    for (kind, input) in [(SessionKind::Tty, "piped"), (SessionKind::Piped, "never")] {
        let recording = TestRecording::start(kind, input).await;
        let (_, result) = export(&recording, Format::Raw(StreamName::Stdin)).await;
        assert_eq!(
            result.unwrap_err().to_string(),
            "stdin is not in this recording: policy rule all does not store it"
        );
    }
    let mut recording = TestRecording::start(SessionKind::Piped, "piped").await;
    recording.chunk(&[(1, Output, "a")]).await;
    recording.skip_chunk();
    recording.chunk(&[(2, Output, "b")]).await;
    let (out, result) = export(&recording, Format::Raw(StreamName::Stdout)).await;
    assert_eq!(out, "ab");
    assert_eq!(result.unwrap_err().to_string(), "the stream is not complete: chunks 2 to 2 are missing");
}

/// The error that raw stdout ends with if these annotations stand between two pieces of output.
async fn error_after(annotations: &[&str]) -> Option<String> {
    let mut recording = TestRecording::start(SessionKind::Piped, "piped").await;
    let mut events = vec![(1, Output, "a")];
    events.extend(annotations.iter().map(|text| (2, Gap, *text)));
    events.push((3, Output, "b"));
    recording.chunk(&events).await;
    let (out, result) = export(&recording, Format::Raw(StreamName::Stdout)).await;
    assert_eq!(out, "ab");
    result.err().map(|error| error.to_string())
}

#[tokio::test]
async fn raw_is_complete_if_the_annotations_are_about_other_things() {
    for annotations in [
        &["the server's last word was: Internal error occurred: context canceled"][..],
        &["anomaly: the server sent a frame of a type that nobody knows at byte 7"],
        &["the client announced a terminal of 0x0"],
        &["omitting stdout from byte 1 on, but for its end", "omitted nothing of stdout from byte 1 on"],
        &["omitting stderr from byte 0 on, but for its end"],
        &["missing: 5 bytes of stderr from byte 3 on were damaged on the gateway's disk"],
    ] {
        assert_eq!(error_after(annotations).await, None, "{annotations:?}");
    }
}

#[tokio::test]
async fn raw_names_what_was_left_out_or_lost_of_its_stream() {
    let omitting = "omitting stdout from byte 1 on, but for its end";
    let omitted = format!(
        "omitted 9 bytes of stdout from byte 1, which passed from 0.000001 s to 0.000002 s, sha256 {}",
        "ab".repeat(32)
    );
    for (annotations, cause) in [
        (&[omitting, &omitted][..], &*omitted),
        // Finalized by another gateway: no annotation says what became of the rest.
        (&[omitting], omitting),
        (
            &["missing: what was said from 0.000001 s to 0.000003 s was damaged on the gateway's disk"],
            "missing: what was said from 0.000001 s to 0.000003 s was damaged on the gateway's disk",
        ),
        (
            &[
                "omitted nothing of stderr from byte 1 on",
                "missing: the end of stdout, up to byte 9, was damaged on the gateway's disk",
            ],
            "missing: the end of stdout, up to byte 9, was damaged on the gateway's disk",
        ),
    ] {
        assert_eq!(error_after(annotations).await, Some(format!("the stream is not complete: {cause}")));
    }
}

//! Real clients' sessions, recorded from `fixtures/captures` as they were read from the wire.

mod support;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use access::InputRecording;
use recorder::{Ending, Recorder, Settings};
use recording::{
    CommandSource, Manifest, Outcome,
    cast::{Code, Event, SessionKind},
};
use storage::{Memory, RecordingReader};
use support::*;
use wire::{Decoder, Negotiated, Request, Side, Stream, Subresource};

/// An upgrade: what was agreed on, and what came when; no bytes are that side's end.
struct Capture {
    kind: SessionKind,
    request: Request,
    negotiated: Negotiated,
    reads: Vec<(Side, Vec<u8>)>,
}

struct Recorded {
    manifest: Manifest,
    events: Vec<Event>,
}

/// Runs against a stub that sent what no server does: the only ones that a strict recorder may end.
const CONTRIVED: [&str; 3] = ["-edge-ws_chan9", "-edge-ws_fragserver", "-edge-ws_text"];

type Files = BTreeMap<String, Vec<u8>>;

#[tokio::test]
async fn every_stream_of_every_capture_is_restored_byte_for_byte() {
    let captures = captures();
    assert!(captures.len() > 150, "{}", captures.len());
    for (name, capture) in captures {
        let recorded = record(&capture, !CONTRIVED.iter().any(|end| name.ends_with(end))).await;
        for (code, bytes) in [Code::Output, Code::Stderr, Code::Input].into_iter().zip(streams(&capture)) {
            assert_eq!(restored(&recorded.events, code), bytes, "{name} {code:?}");
        }
        check(&name, &recorded);
    }
}

/// What a capture's name promises.
fn check(name: &str, Recorded { manifest, events }: &Recorded) {
    let typed: Vec<_> = manifest.commands.iter().filter(|command| command.source == CommandSource::Typed).collect();
    let typed: Vec<_> = typed.iter().map(|command| command.text.as_str()).collect();
    let sizes: Vec<_> = events.iter().filter_map(Event::size).collect();
    let exited = |exit_code| Outcome::Exited { exit_code };
    if name.contains("-exit42") {
        assert_eq!(manifest.outcome, exited(42), "{name}");
    }
    if name.contains("-exec-nosuch") {
        assert!(matches!(manifest.outcome, Outcome::FailedToStart { .. }), "{name}: {:?}", manifest.outcome);
    }
    if name.contains("-spdy_abrupt") {
        assert_eq!(manifest.outcome, Outcome::UpstreamGone, "{name}");
    }
    if name.contains("-portforward") {
        assert_eq!(manifest.outcome, Outcome::Ended, "{name}");
        let connected = events.iter().any(|event| event.code == Code::Port);
        assert_eq!(connected, !name.contains("-idle"), "{name}");
    }
    if name.ends_with("-realsrv-exec-tty") {
        assert_eq!(typed, ["stty size", "stty size", "exit 3"], "{name}");
        assert_eq!(sizes, [(80, 24), (120, 40)], "{name}");
    } else if name.starts_with("kubectl") && name.ends_with("-exec-tty") {
        assert_eq!(typed, ["echo hi", "ls é", "exit 3"], "{name}");
        assert_eq!(manifest.outcome, exited(3), "{name}");
    }
    if name.ends_with("-attach-tty") {
        assert_eq!(typed, ["echo hi", "exit"], "{name}");
        assert_eq!((sizes.as_slice(), manifest.width, manifest.height), (&[(80, 24)][..], 80, 24), "{name}");
        assert_eq!(manifest.outcome, Outcome::Ended, "{name}");
    }
}

async fn record(capture: &Capture, strict: bool) -> Recorded {
    let memory = Arc::new(Memory::new());
    let settings = Settings { strict, ..settings() };
    let argv: Vec<_> = capture.request.argv.iter().map(String::as_str).collect();
    let opening = opening(capture.kind, &argv, capture.request.tty);
    let folder = tempfile::tempdir().expect("a folder");
    let recorder = Recorder::start(spool(folder.path()), memory.clone(), settings);
    let opened = recorder.open(&permit(InputRecording::Always), opening).await;
    let recording = Arc::new(opened.expect("opened").begin(capture.negotiated.clone(), &capture.request));
    let (id, mut first) = (recording.id(), None);
    for (side, bytes) in &capture.reads {
        if bytes.is_empty() {
            first.get_or_insert(*side);
            recording.ended(*side).await;
        } else {
            recording.accept(*side, bytes).await.expect("accepted");
        }
    }
    let manifest = recording.finish(Ending::Closed(first.unwrap_or(Server))).await.expect("a manifest");
    recorder.drained().await;
    let (_, events) = RecordingReader::new(memory).events(id).await.expect("a recording");
    Recorded { manifest, events }
}

/// Stdout, stderr and stdin, as the decoder tells them.
fn streams(capture: &Capture) -> [Vec<u8>; 3] {
    let mut streams = [const { Vec::new() }; 3];
    let mut decoder = Decoder::new(&capture.negotiated, &capture.request);
    for (side, bytes) in &capture.reads {
        decoder.feed(*side, bytes, &mut |event| {
            let wire::Event::Data { stream, data, .. } = event else { return };
            match (stream, side) {
                (Stream::Stdout, Server) => streams[0].extend_from_slice(data),
                (Stream::Stderr, Server) => streams[1].extend_from_slice(data),
                (Stream::Stdin, Client) => streams[2].extend_from_slice(data),
                _ => {}
            }
        });
    }
    streams
}

/// The first upgrade of each run that has one.
fn captures() -> BTreeMap<String, Capture> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures/captures.tar.zst");
    let archive = std::fs::read(path).expect("the captures");
    let tar = zstd::decode_all(&archive[..]).expect("zstd");
    let mut folders: BTreeMap<String, Files> = BTreeMap::new();
    for (path, bytes) in files(&tar) {
        let (folder, file) = path.split_once('/').expect("a folder");
        folders.entry(folder.to_owned()).or_default().insert(file.to_owned(), bytes.to_vec());
    }
    folders.into_iter().filter_map(|(name, files)| Some((name, capture(&files)?))).collect()
}

/// The regular files of a ustar archive.
fn files(mut tar: &[u8]) -> Vec<(String, &[u8])> {
    let mut files = Vec::new();
    while let Some((header, rest)) = tar.split_first_chunk::<512>().filter(|(header, _)| header[0] != 0) {
        let text = |from: usize, to: usize| {
            let bytes = &header[from..to];
            String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
        };
        let length = usize::from_str_radix(text(124, 136).trim(), 8).expect("a length");
        let (bytes, rest) = rest.split_at(length.next_multiple_of(512));
        if header[156] == b'0' {
            files.push((text(0, 100), &bytes[..length]));
        }
        tar = rest;
    }
    files
}

fn capture(files: &Files) -> Option<Capture> {
    let text = |name: &str| files.get(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let (request, response) = (text("request.txt")?, text("response.txt")?);
    let upgrade = header(&response, "upgrade").filter(|_| response.starts_with("HTTP/1.1 101"))?;
    let target = request.split(' ').nth(1)?;
    // kubectl's port-forward has no query.
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (subresource, kind) = match path.rsplit('/').next()? {
        "exec" => (Subresource::Exec, SessionKind::Exec),
        "attach" => (Subresource::Attach, SessionKind::Attach),
        _ => (Subresource::PortForward, SessionKind::PortForward),
    };
    let request = Request::parse(subresource, query).expect("a request");
    let protocol = header(&response, "sec-websocket-protocol").or(header(&response, "x-stream-protocol-version"));
    let negotiated = Negotiated::from_response(&request, upgrade, protocol).expect("a known protocol");
    let reads = text("timeline.jsonl")?.lines().filter_map(|line| read(files, line)).collect();
    Some(Capture { kind, request, negotiated, reads })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// One line of `timeline.jsonl`: none for what was a part of the head alone.
fn read(files: &Files, line: &str) -> Option<(Side, Vec<u8>)> {
    let read: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let (side, file) = if read["dir"] == "client" { (Client, "client.bin") } else { (Server, "server.bin") };
    if read["ev"] != "data" {
        return Some((side, Vec::new()));
    }
    let (offset, length) = (read["off"].as_i64()?, read["len"].as_i64()?);
    // A negative offset lies in the head.
    let range = usize::try_from(offset).unwrap_or(0)..usize::try_from(offset + length).unwrap_or(0);
    Some((side, files[file][range].to_vec())).filter(|(_, bytes)| !bytes.is_empty())
}

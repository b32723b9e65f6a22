//! What `fuzz/` drives: compiled with `--cfg fuzzing` only.

use access::{Credential, Impersonation, InputRecording, Principal, Target};
use recording::{
    Direction, Micros, RecordingId, UnixMicros,
    cast::{Event, SessionKind, SessionMetadata, events},
};
use wire::{Negotiated, Request, Side, Subresource};

use crate::{
    Ending, KeepLimits,
    session::encoder::{SessionEncoder, Summary},
    streams::tar::Tar,
};

/// Every shape of the bytes behind a 101.
const SHAPES: [(SessionKind, Subresource, &str, &str, &str); 14] = {
    const EXEC: &str = "command=tar&stdin=true&stdout=true&stderr=true";
    const TERMINAL: &str = "command=sh&stdin=true&stdout=true&tty=true";
    use {SessionKind as K, Subresource as S};
    [
        (K::Exec, S::Exec, EXEC, "SPDY/3.1", "v4.channel.k8s.io"),
        (K::Exec, S::Exec, TERMINAL, "SPDY/3.1", "v4.channel.k8s.io"),
        (K::Exec, S::Exec, EXEC, "SPDY/3.1", "channel.k8s.io"),
        (K::Exec, S::Exec, EXEC, "websocket", "v5.channel.k8s.io"),
        (K::Exec, S::Exec, TERMINAL, "websocket", "v5.channel.k8s.io"),
        (K::Exec, S::Exec, EXEC, "websocket", "v4.channel.k8s.io"),
        (K::Exec, S::Exec, EXEC, "websocket", "v4.base64.channel.k8s.io"),
        (K::Exec, S::Exec, EXEC, "websocket", "base64.channel.k8s.io"),
        (K::Exec, S::Exec, EXEC, "websocket", ""),
        (K::Attach, S::Attach, "stdin=true&stdout=true&tty=true", "websocket", "v5.channel.k8s.io"),
        (K::PortForward, S::PortForward, "", "SPDY/3.1", "portforward.k8s.io"),
        (K::PortForward, S::PortForward, "", "websocket", "SPDY/3.1+portforward.k8s.io"),
        (K::PortForward, S::PortForward, "ports=80&ports=81", "websocket", "v4.channel.k8s.io"),
        (K::PortForward, S::PortForward, "ports=80", "websocket", "v4.base64.channel.k8s.io"),
    ]
};

/// Bytes behind a 101, fed twice: as they are, and in small pieces.
///
/// # Panics
/// Where the recording depends on the cut, or its lines cannot be read.
pub fn session(input: &[u8]) {
    let [shape, cut, records @ ..] = input else { return };
    let shape = usize::from(*shape) % SHAPES.len();
    let cut = 1 + usize::from(*cut);
    let whole = run(shape, records, usize::MAX);
    let pieces = run(shape, records, cut);
    assert_eq!(whole, pieces, "cut by {cut}");
}

type Seen = (Vec<(recording::cast::Code, String)>, String);

fn run(shape: usize, mut records: &[u8], cut: usize) -> Seen {
    let (kind, subresource, query, upgrade, protocol) = SHAPES[shape];
    let request = Request::parse(subresource, query).expect("a request of ours");
    let negotiated = Negotiated::from_response(&request, upgrade, Some(protocol)).expect("a protocol of ours");
    let keep = KeepLimits { first: 4000, first_of_archive: 1000, last: 500, terminals: false };
    let mut encoder = SessionEncoder::new(&header(kind, &request), &negotiated, &request, keep);
    while let [first, second, rest @ ..] = records {
        let side = if first & 0x80 == 0 { Side::Client } else { Side::Server };
        let length = usize::from(u16::from_be_bytes([first & 0x7f, *second])).min(rest.len());
        let (bytes, later) = rest.split_at(length);
        for piece in bytes.chunks(cut.min(bytes.len().max(1))) {
            let _ = encoder.accept(Micros::ZERO, side, piece, false);
            let _ = encoder.bytes_to_frame_boundary();
        }
        records = later;
    }
    let _ = encoder.termination("m", "Forbidden", 403);
    for side in [Side::Server, Side::Client] {
        encoder.ended(Micros::ZERO, side);
    }
    let Summary { outcome, size, totals, contents, commands, anomalies, transport } =
        encoder.finish(Micros::ZERO, Ending::Closed(Side::Server));
    let lines = encoder.take_batch(Micros::MAX).into_lines();
    let read: Vec<Event> = events(&lines).map(|event| event.expect("a line of ours")).collect();
    let summary = format!("{outcome:?} {size:?} {totals:?} {contents:?} {commands:?} {anomalies:?} {transport}");
    (streams(&read), summary)
}

/// Streams joined, then markers: where a stream is cut into events depends on how the bytes came, and a marker stands behind
/// the piece with which its command was complete.
fn streams(read: &[Event]) -> Vec<(recording::cast::Code, String)> {
    let mut all: Vec<(recording::cast::Code, String)> = Vec::new();
    let (markers, others): (Vec<_>, Vec<_>) =
        read.iter().partition(|event| event.code == recording::cast::Code::Marker);
    for event in others {
        let (code, text) = match event.bytes() {
            Some((code, bytes)) => (code, bytes.iter().map(|&byte| char::from(byte)).collect()),
            None => (event.code, event.data.clone()),
        };
        match all.last_mut() {
            Some((last, joined)) if *last == code && event.bytes().is_some() => joined.push_str(&text),
            _ => all.push((code, text)),
        }
    }
    all.extend(markers.into_iter().map(|marker| (marker.code, marker.data.clone())));
    all
}

fn header(kind: SessionKind, request: &Request) -> SessionMetadata {
    let principal = Principal {
        name: "ada".to_owned(),
        groups: Vec::new(),
        credential: Credential::Token,
        credential_id: String::new(),
    };
    SessionMetadata {
        id: RecordingId(uuid::Uuid::nil()),
        kind,
        started: UnixMicros::EPOCH,
        gateway: String::new(),
        principal,
        target: Target::default(),
        impersonation: Impersonation { user: String::new(), groups: Vec::new() },
        rule: String::new(),
        input: InputRecording::Always,
        argv: request.argv.clone(),
        tty: request.tty,
        stdin: request.stdin,
        client: String::new(),
        user_agent: String::new(),
        kubectl_command: String::new(),
        kubectl_session: String::new(),
        imported: None,
    }
}

/// A tar stream, whole and in pieces of the size that its first byte says.
///
/// # Panics
/// Where the list depends on the cut, or is longer than its bounds.
pub fn tar(input: &[u8]) {
    let [cut, stream @ ..] = input else { return };
    let followed = |size: usize| {
        let mut tar = Tar::new(Direction::ToPod);
        stream.chunks(size).for_each(|piece| tar.feed(piece));
        tar.finish()
    };
    let whole = followed(stream.len().max(1));
    assert_eq!(whole, followed(1 + usize::from(*cut)));
    if let Some(copied) = whole {
        assert!(copied.files.len() <= 1000);
        assert!(copied.bytes <= stream.len() as u64);
    }
}

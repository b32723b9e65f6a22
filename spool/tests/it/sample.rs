use recording::{Manifest, Micros, Omission, RecordingId, cast::Header};
use serde_json::json;

pub fn header(id: RecordingId) -> Header {
    let header = json!({
        "version": 2, "width": 80, "height": 24, "timestamp": 1_800_000_000, "command": "sh", "title": "a \"title\" \u{7}",
        "kubetape": {
            "id": id, "kind": "exec", "started_micros": 1_800_000_000_000_000_i64, "gateway": "g",
            "principal": { "name": "ann", "groups": ["g"], "credential": "token", "credential_id": "1" },
            "target": { "cluster": "c" }, "impersonation": { "user": "ann", "groups": [] },
            "rule": "all", "input": "never", "argv": ["sh"], "tty": true, "stdin": true,
        },
    });
    Header::parse(header.to_string().as_bytes()).unwrap()
}

/// That these many bytes of stderr are left out.
pub fn omission(bytes: u64) -> Omission {
    let stream = "stderr".to_owned();
    Omission { stream, from_byte: 10, bytes, sha256: "00".repeat(32), first: Micros::new(1), last: Micros::new(2) }
}

/// A manifest that lists chunks 0 to `last`.
pub fn manifest(id: RecordingId, last: u32) -> Manifest {
    let chunk = |number| {
        json!({
            "number": number, "size": 1, "uncompressed": 1, "digest": "", "first_micros": 0, "last_micros": 0,
        })
    };
    let manifest = json!({
        "format": 1, "session": header(id).kubetape, "ended_micros": 1, "duration_micros": 1, "outcome": "exited",
        "exit_code": 42, "width": 80, "height": 24, "totals": { "stdin": 0, "stdout": 0, "stderr": 0 },
        "chunks": (0..=last).map(chunk).collect::<Vec<_>>(), "commands": [],
    });
    serde_json::from_value(manifest).unwrap()
}

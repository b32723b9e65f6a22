use recording::{
    Key, Manifest, Micros, RecordingId,
    cast::{Code, Header, write_event},
};
use serde_json::json;
use storage::Store;
use uuid::{NoContext, Timestamp, Uuid};

/// An id of a given second.
pub fn id_at(seconds: u64) -> RecordingId {
    RecordingId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)))
}

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

pub async fn put_chunk(store: &dyn Store, id: RecordingId, number: u32, lines: &[u8]) {
    store.put_new(&Key::chunk(id, number), zstd::bulk::compress(lines, 1).unwrap().into()).await.unwrap();
}

pub async fn put_header(store: &dyn Store, id: RecordingId) {
    put_chunk(store, id, 0, &header(id).to_line()).await;
}

/// A line of the microsecond `time`.
pub fn output(time: u64, text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    write_event(&mut line, Micros::new(time), Code::Output, text);
    line
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

pub async fn put_manifest(store: &dyn Store, manifest: &Manifest) {
    let bytes = serde_json::to_vec(manifest).unwrap();
    store.put_new(&Key::manifest(manifest.session.id), bytes.into()).await.unwrap();
}

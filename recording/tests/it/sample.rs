use recording::{RecordingId, cast::Header};
use serde_json::json;
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

use std::sync::Arc;

use jiff::Timestamp;
use recording::{
    Key, Outcome, UnixMicros,
    journal::{JournalEntry, JournalEvent},
};
use serde_json::json;
use storage::{
    Memory, Store,
    journal::{JournalError, JournalReader, SealedObject, decode, encode},
};

use crate::sample::id_at;

const NOON: i64 = 1_795_348_800;

fn key(seconds: i64, seq: u64) -> Key {
    Key::journal("gw-1", Timestamp::from_second(seconds).unwrap(), seq).unwrap()
}

fn entry(user: &str, what: JournalEvent) -> JournalEntry {
    JournalEntry {
        time: UnixMicros::new(NOON * 1_000_000),
        gateway: "gw-1".to_owned(),
        user: user.to_owned(),
        from: String::new(),
        what,
    }
}

#[test]
fn keys_are_as_described() {
    assert_eq!(key(NOON, 12).as_str(), "journal/gw-1/2026/11/22/000000000012.jsonl.zst");
    assert_eq!(key(NOON, 12).journal_seq(), Some(12));
    for gateway in ["", "..", "a/b", "a b"] {
        assert!(Key::journal(gateway, Timestamp::UNIX_EPOCH, 0).is_err(), "{gateway:?}");
    }
}

#[test]
fn entries_come_back() {
    let login = JournalEvent::Login {
        ok: false,
        method: "password".to_owned(),
        client: String::new(),
        agent: String::new(),
        claimed: "eve".to_owned(),
    };
    let entries = [
        entry("", JournalEvent::Started { version: "1".to_owned(), config: String::new() }),
        entry("", login),
        entry("", JournalEvent::Stopped),
    ];
    let object = encode(&entries).unwrap();
    assert_eq!(decode(&key(NOON, 0), &object).unwrap(), entries);
    let lines = SealedObject::new(&object).lines().unwrap();
    let second: serde_json::Value = serde_json::from_slice(lines.split(|b| *b == b'\n').nth(1).unwrap()).unwrap();
    let expected = serde_json::json!({
        "micros": NOON * 1_000_000, "gateway": "gw-1", "event": "login", "ok": false, "method": "password", "claimed": "eve",
    });
    assert_eq!(second, expected);
}

#[test]
fn later_events_are_left_out_and_damage_is_named() {
    let read = |lines: &str| decode(&key(NOON, 0), &zstd::bulk::compress(lines.as_bytes(), 1).unwrap());
    let later = r#"{"micros":1,"gateway":"g","event":"teleported","to":"mars"}"#;
    let stopped = r#"{"micros":1,"gateway":"g","event":"stopped"}"#;
    assert_eq!(read(&format!("{later}\n{stopped}\n")).unwrap().len(), 1);
    assert!(matches!(read(&format!("{stopped}\n{{\"micros\"")), Err(JournalError::Line { line: 2, .. })));
    assert!(matches!(read(r#"{"micros":1,"gateway":"g","event":"login"}"#), Err(JournalError::Line { line: 1, .. })));
    assert!(matches!(decode(&key(NOON, 0), b"rubbish"), Err(JournalError::Object { .. })));
}

#[tokio::test]
async fn a_reader_goes_on_where_it_stopped() {
    let store = Arc::new(Memory::new());
    let reader = JournalReader::new(store.clone());
    assert_eq!(reader.gateways().await.unwrap(), [""; 0]);
    assert_eq!(reader.newest("gw-1").await.unwrap(), None);
    let object = encode(&[entry("", JournalEvent::Stopped)]).unwrap();
    for seq in 0..6 {
        // Two a day, over the end of a month.
        let day = NOON + (seq as i64 / 2 + 8) * 24 * 3600;
        store.put_new(&key(day, seq), object.clone().into()).await.unwrap();
    }

    assert_eq!(reader.gateways().await.unwrap(), ["gw-1"]);
    let seqs = |objects: Vec<storage::journal::JournalObject>| objects.iter().map(|o| o.seq).collect::<Vec<_>>();
    let first = reader.list("gw-1", None, 4).await.unwrap();
    assert_eq!(reader.read(&first[0]).await.unwrap().len(), 1);
    let rest = reader.list("gw-1", first.last().map(|object| &object.key), 4).await.unwrap();
    assert_eq!((seqs(first), seqs(rest)), (vec![0, 1, 2, 3], vec![4, 5]));
    assert_eq!(reader.newest("gw-1").await.unwrap().map(|object| object.seq), Some(5));
    for (from, limit, expected) in
        [(0, 9, vec![0, 1, 2, 3, 4, 5]), (3, 9, vec![3, 4, 5]), (3, 2, vec![3, 4]), (6, 9, vec![])]
    {
        assert_eq!(seqs(reader.list_from("gw-1", from, limit).await.unwrap()), expected, "from {from}");
    }
}

#[test]
fn events_and_outcomes_are_called_what_they_are_written_as() {
    let id = id_at(0);
    let at = json!({ "target": { "cluster": "c" }, "verb": "get", "code": 200 });
    let of = |event: &str, more: serde_json::Value| {
        let mut object = at.clone();
        for part in [more, json!({ "event": event, "session": id })] {
            object.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        serde_json::from_value::<JournalEvent>(object).unwrap_or_else(|error| panic!("{event}: {error}"))
    };
    for (event, more) in [
        ("started", json!({ "version": "1" })),
        ("configured", json!({ "changed": [] })),
        ("stopped", json!({})),
        ("login", json!({ "ok": true, "method": "link" })),
        ("refused", json!({})),
        ("session_opened", json!({})),
        ("session_ended", json!({ "outcome": "ended" })),
        ("terminated", json!({ "reason": "r" })),
        ("copied", json!({ "direction": "to_pod", "files": [], "bytes": 0, "complete": true })),
        ("forwarded", json!({ "ports": [] })),
        ("spool", json!({ "bound": "disk", "reached": true, "bytes": 1, "sessions": 1 })),
        ("request", json!({})),
        ("viewed", json!({ "how": "play" })),
        ("searched", json!({ "query": "q", "hits": 1 })),
        ("imported", json!({ "file": "f", "sha256": "s" })),
    ] {
        assert_eq!(of(event, more).name(), event);
    }
    for outcome in [
        json!({ "outcome": "exited", "exit_code": 3 }),
        json!({ "outcome": "ended" }),
        json!({ "outcome": "failed_to_start", "message": "m" }),
        json!({ "outcome": "ended_by_gateway", "reason": "r" }),
        json!({ "outcome": "client_gone" }),
        json!({ "outcome": "upstream_gone" }),
        json!({ "outcome": "interrupted" }),
        json!({ "outcome": "unknown" }),
    ] {
        let read: Outcome = serde_json::from_value(outcome.clone()).unwrap();
        assert_eq!(read.name(), outcome["outcome"]);
    }
}

//! The examples of `docs/format.md` are read by the code that they describe.

use recording::{
    Key, Manifest, RecordingId,
    cast::{Code, Event, Header},
    journal::{JournalEntry, JournalEvent},
};
use serde_json::json;

const FORMAT: &str = include_str!("../../../docs/format.md");

/// The JSON in fences, each on one line.
fn examples() -> Vec<String> {
    let fences = FORMAT.split("```json\n").skip(1);
    fences.map(|rest| rest.split("```").next().unwrap_or_default().replace("\n ", "").trim().to_owned()).collect()
}

#[test]
fn every_event_code_has_an_example_that_can_be_read() {
    let mut codes = String::new();
    for row in FORMAT.lines().filter(|line| line.contains("| `[")) {
        let (code, example) = (row.split('`').nth(1).unwrap(), row.rsplit('`').nth(1).unwrap());
        let event = Event::parse(example.as_bytes()).unwrap_or_else(|error| panic!("{example}: {error:?}"));
        assert_eq!(event.code.as_char().to_string(), code);
        assert!(event.code != Code::Bytes || event.bytes().is_some());
        assert!(event.code != Code::Resize || event.size().is_some());
        codes.push_str(code);
    }
    assert_eq!(codes, "oeibrmxpg");
}

#[test]
fn the_header_is_one() {
    let header = Header::parse(examples()[0].as_bytes()).unwrap();
    let id: RecordingId = header.kubetape.id;
    assert!(FORMAT.contains(Key::recording_prefix(id).trim_end_matches('/')), "the folder of the digests' example");
    // Every field of ours stands in the tables.
    let ours = serde_json::to_value(&header.kubetape).unwrap();
    for field in ours.as_object().unwrap().keys() {
        assert!(FORMAT.contains(&format!("`{field}`")), "{field} is not described");
    }
}

#[test]
fn the_journal_entry_is_one() {
    let entry: JournalEntry = serde_json::from_str(&examples()[1]).unwrap();
    assert!(matches!(entry.what, JournalEvent::Request(request) if request.code == 200 && request.verb == "list"));
}

/// Fields of ours have no unit in their names; what is stored has.
#[test]
fn stored_times_are_numbers_of_microseconds_under_names_that_say_so() {
    let mut session = serde_json::to_value(Header::parse(examples()[0].as_bytes()).unwrap().kubetape).unwrap();
    session["imported"] =
        json!({ "file": "a.cast", "sha256": "", "size": 1, "format": "asciicast v2", "at_micros": 2, "header": {} });
    let manifest = json!({
        "format": 1, "session": session, "ended_micros": 3, "duration_micros": 4, "outcome": "ended",
        "width": 80, "height": 24, "totals": { "stdin": 0, "stdout": 0, "stderr": 0 }, "transport": "",
        "omitted": [{
            "stream": "stdout", "from_byte": 0, "bytes": 1, "sha256": "", "from_micros": 5, "to_micros": 6,
        }],
        "chunks": [{
            "number": 0, "size": 1, "uncompressed": 1, "digest": "", "first_micros": 7, "last_micros": 8,
        }],
        "commands": [{
            "micros": 9, "source": "typed", "text": "ls",
            "typed": {
                "ready_micros": 10, "ended_micros": 11, "output_micros": [12, 13], "prompt": "$ ", "evidence": "prompt",
            },
        }],
    });
    let read: Manifest = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), manifest);
    let entry = json!({ "micros": 14, "gateway": "gw-1", "event": "stopped" });
    let read: JournalEntry = serde_json::from_value(entry.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), entry);
}

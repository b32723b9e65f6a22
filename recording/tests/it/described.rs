//! The examples of `docs/format.md` are read by the code that they describe.

use recording::{
    Key, RecordingId,
    cast::{Code, Event, Header},
    journal::{JournalEntry, JournalEvent},
};

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

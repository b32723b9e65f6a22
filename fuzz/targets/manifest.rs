//! A manifest, and an entry of the journal. What is read is written and read again, and must be equal.

#![no_main]

use libfuzzer_sys::fuzz_target;
use recording::{Manifest, journal::JournalEntry};

fuzz_target!(|input: &[u8]| {
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(input) {
        let written = serde_json::to_vec(&manifest).expect("JSON");
        assert_eq!(serde_json::from_slice::<Manifest>(&written).expect("a manifest of ours"), manifest);
    }
    if let Ok(entry) = serde_json::from_slice::<JournalEntry>(input) {
        let written = serde_json::to_vec(&entry).expect("JSON");
        assert_eq!(serde_json::from_slice::<JournalEntry>(&written).expect("an entry of ours"), entry);
    }
});

//! A name is written in one way: what spells a number or an id otherwise is another object's name, or none.

use proptest::prelude::*;
use recording::{InvalidRecordingId, Key, RecordingId};
use uuid::Uuid;

const FOLDER: &str = "recordings/2026/11/30/01a22b98-6032-71c7-8459-0f6dde7177b4";

fn chunk_number(file: &str) -> Option<u32> {
    Key::new(format!("{FOLDER}/{file}")).ok()?.chunk_number()
}

fn journal_seq(file: &str) -> Option<u64> {
    Key::new(format!("journal/gw/2026/11/30/{file}")).ok()?.journal_seq()
}

#[test]
fn a_number_with_other_digits_than_a_writers_is_no_number() {
    assert_eq!(chunk_number("000001.cast.zst"), Some(1));
    assert_eq!(chunk_number("1000000.cast.zst"), Some(1_000_000), "six digits at least");
    for other in ["1", "01", "00001", "0000001", "01000000", "4294967296", "00000a", "", "-00001", "000001.000001"] {
        assert_eq!(chunk_number(&format!("{other}.cast.zst")), None, "{other}");
    }
    for folder in
        ["recordings/2026/11/29/01a22b98-6032-71c7-8459-0f6dde7177b4", &format!("{FOLDER}/more"), "recordings"]
    {
        let key = Key::new(format!("{folder}/000001.cast.zst")).unwrap();
        assert_eq!(key.chunk_number(), None, "{key}");
    }
    assert_eq!(journal_seq("000000000007.jsonl.zst"), Some(7));
    for folder in ["journal/gw", "journal/gw/2026/11", "journal/gw/2026/11/30/more", "journal/gw/26/11/30", "journal"] {
        let key = Key::new(format!("{folder}/000000000007.jsonl.zst")).unwrap();
        assert_eq!(key.journal_seq(), None, "{key}");
    }
    for other in ["7", "0000000000007", "18446744073709551616", ""] {
        assert_eq!(journal_seq(&format!("{other}.jsonl.zst")), None, "{other}");
    }
}

proptest! {
    #[test]
    fn of_all_spellings_of_a_number_one_is_read(number: u32, seq: u64, zeros in 0..4_usize) {
        let (chunk, journal) = (format!("{number:06}.cast.zst"), format!("{seq:012}.jsonl.zst"));
        prop_assert_eq!(chunk_number(&chunk), Some(number));
        prop_assert_eq!(journal_seq(&journal), Some(seq));
        let more = "0".repeat(zeros + 1);
        prop_assert_eq!(chunk_number(&format!("{more}{chunk}")), None);
        prop_assert_eq!(journal_seq(&format!("{more}{journal}")), None);
    }

    #[test]
    fn of_all_spellings_of_an_id_one_is_read(bits: u128) {
        let id = RecordingId(Uuid::from_u128(bits));
        let written = id.to_string();
        prop_assert_eq!(written.parse::<RecordingId>(), Ok(id));
        prop_assert_eq!(serde_json::to_value(id).unwrap(), written.as_str());
        prop_assert_eq!(serde_json::from_value::<RecordingId>(written.clone().into()).unwrap(), id);
        let uuid = id.0;
        let others = [
            uuid.simple().to_string(),
            uuid.urn().to_string(),
            uuid.braced().to_string(),
            format!(" {written}"),
            format!("{}-{}", &written[..8], &written[8..]),
        ];
        let upper = written.to_uppercase();
        for other in others.into_iter().chain((upper != written).then_some(upper)) {
            prop_assert_eq!(other.parse::<RecordingId>(), Err(InvalidRecordingId(other.clone())));
            prop_assert!(serde_json::from_value::<RecordingId>(other.into()).is_err());
        }
    }
}

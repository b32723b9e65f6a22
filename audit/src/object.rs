//! One object of the journal: its name and its bytes.

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use storage::{Key, Store, StoreError, chunk};

/// Objects asked for in one listing.
const PAGE: usize = 1000;

/// The place where the next object goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `YYYY/MM/DD`, never earlier than that of an object before it, so that names sort as they were written
    /// even when the clock is set back.
    day: String,
    seq: u64,
}

impl Place {
    /// The place after everything that the store holds of this gateway.
    pub(crate) async fn after_last(store: &dyn Store, gateway: &str) -> Result<Self, StoreError> {
        let mut prefix = format!("journal/{gateway}/");
        let mut day = Vec::new();
        for _ in ["year", "month", "day"] {
            let Some(last) = store.children(&prefix).await?.pop() else { return Ok(Self::first()) };
            prefix.push_str(&last);
            prefix.push('/');
            day.push(last);
        }
        let mut last: Option<Key> = None;
        loop {
            let page = store.list(&prefix, last.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            last = page.into_iter().next_back().map(|entry| entry.key).or(last);
            if !full {
                break;
            }
        }
        let seq = last.as_ref().and_then(Key::journal_seq).map_or(0, |seq| seq + 1);
        Ok(Self { day: day.join("/"), seq })
    }

    fn first() -> Self {
        Self { day: String::new(), seq: 0 }
    }

    /// Moves on to the day of `micros`, unless that is in the past.
    pub(crate) fn on_day_of(&mut self, micros: i64) {
        let at = Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
        let day = at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
        if day > self.day {
            self.day = day;
        }
    }

    /// Moves on by one.
    pub(crate) fn advance(&mut self) {
        self.seq += 1;
    }

    /// The object's name. `gateway` was checked by [`legal_name`].
    pub(crate) fn key(&self, gateway: &str) -> Key {
        Key::new(format!("journal/{gateway}/{}/{:012}.jsonl.zst", self.day, self.seq))
            .expect("the gateway's name was checked")
    }
}

/// Whether `name` can be a segment of a key, and an unsurprising one.
pub(crate) fn legal_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// The bytes of an object with these lines. Whatever ends an object one day (a digest of the object before it,
/// a signature) is a line that is added here.
pub(crate) fn seal(lines: &[u8]) -> std::io::Result<Bytes> {
    chunk::compress(lines).map(Bytes::from)
}

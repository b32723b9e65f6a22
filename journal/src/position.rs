//! The position in a journal where the next object goes.

use std::path::Path;

use jiff::{Timestamp, tz::TimeZone};
use recording::{JournalHead, Key, UnixMicros, journal::side_journals};
use storage::{
    Store, StoreError,
    journal::{ChainLink, LARGEST_JOURNAL_OBJECT},
};

use crate::head_file;

/// Objects asked for in one listing.
const PAGE: usize = 1000;

/// Behind which object the next one goes, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainPosition {
    /// `YYYY/MM/DD`, never earlier than that of an object before it, so that names sort as they were written
    /// even when the clock is set back.
    day: String,
    seq: u64,
    link: ChainLink,
}

impl ChainPosition {
    /// The position behind everything that the store holds of this gateway.
    pub(crate) async fn after_last(store: &dyn Store, gateway: &str) -> Result<Self, StoreError> {
        let Some(last) = Self::newest(store, gateway).await? else { return Ok(Self::first()) };
        let day = last.as_str().split('/').skip(2).take(3).collect::<Vec<_>>().join("/");
        let link = link_after(store, &last).await?;
        Ok(Self { day, seq: last.journal_seq().map_or(0, |seq| seq + 1), link })
    }

    /// The newest object of a gateway's journal.
    pub(crate) async fn newest(store: &dyn Store, gateway: &str) -> Result<Option<Key>, StoreError> {
        let mut prefix = format!("journal/{gateway}/");
        for _ in ["year", "month", "day"] {
            let Some(last) = store.children(&prefix).await?.pop() else { return Ok(None) };
            prefix.push_str(&last);
            prefix.push('/');
        }
        let mut last: Option<Key> = None;
        loop {
            let page = store.list(&prefix, last.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            last = page.into_iter().next_back().map(|entry| entry.key).or(last);
            if !full {
                return Ok(last);
            }
        }
    }

    /// A gateway's objects since the day of `first`, in order: those that can have entries of that time.
    pub(crate) async fn since(store: &dyn Store, gateway: &str, first: UnixMicros) -> Result<Vec<Key>, StoreError> {
        let prefix = format!("journal/{gateway}/");
        // `-` sorts before every number.
        let mut after = Key::new(format!("{prefix}{}/-", day(first))).ok();
        let mut keys = Vec::new();
        loop {
            let page = store.list(&prefix, after.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            keys.extend(page.into_iter().map(|entry| entry.key));
            if !full {
                return Ok(keys);
            }
            after = keys.last().cloned();
        }
    }

    fn first() -> Self {
        Self { day: String::new(), seq: 0, link: ChainLink::default() }
    }

    /// Moves on to the day of `time`, unless that is in the past.
    pub(crate) fn on_day_of(&mut self, time: UnixMicros) {
        let day = day(time);
        if day > self.day {
            self.day = day;
        }
    }

    /// Goes on behind the object that is known to have been the newest, if the store ends before it or has
    /// another one instead: what was cut off stays missed.
    pub(crate) fn not_before(self, gateway: &str, known: &JournalHead) -> Self {
        let Some(object) = recording::unhex(&known.sha256).filter(|_| known.gateway == gateway) else { return self };
        if self.seq > known.seq {
            return self;
        }
        tracing::error!(
            gateway,
            known = known.seq,
            next = self.seq,
            "the end of the journal is missing from the store: somebody removed it, or the store was put back"
        );
        Self { day: self.day, seq: known.seq + 1, link: ChainLink { object, line: [0; 32] } }
    }

    /// What the next object is chained to.
    pub(crate) fn link(&self) -> ChainLink {
        self.link
    }

    /// Moves on by one, behind an object that is stored here.
    pub(crate) fn advance(&mut self, link: ChainLink) {
        self.seq += 1;
        self.link = link;
    }

    /// The newest object; `None` before the first, and behind one that is too large to have been read.
    pub(crate) fn head(&self, gateway: &str) -> Option<JournalHead> {
        let seq = self.seq.checked_sub(1).filter(|_| self.link.object != [0; 32])?;
        Some(JournalHead { gateway: gateway.to_owned(), seq, sha256: recording::hex(self.link.object) })
    }

    /// The object's name. `gateway` was checked by [`legal_name`].
    pub(crate) fn key(&self, gateway: &str) -> Key {
        Key::new(format!("journal/{gateway}/{}/{:012}.jsonl.zst", self.day, self.seq))
            .expect("the gateway's name was checked")
    }
}

/// How far the journals of a gateway have come: its own, and those of what runs beside it. Those without an object are left
/// out. `head_file` is where the gateway keeps how far its own had come ([`crate::JournalSettings::head_file`]).
///
/// # Errors
/// The store's.
pub async fn journal_heads(
    store: &dyn Store,
    gateway: &str,
    head_file: Option<&Path>,
) -> Result<Vec<JournalHead>, StoreError> {
    let position = ChainPosition::after_last(store, gateway).await?;
    let position = match head_file.and_then(head_file::read) {
        Some(known) => position.not_before(gateway, &known),
        None => position,
    };
    let mut heads: Vec<_> = position.head(gateway).into_iter().collect();
    for side in side_journals(gateway) {
        heads.extend(ChainPosition::after_last(store, &side).await?.head(&side));
    }
    Ok(heads)
}

/// What goes behind the object `key` is chained to. An object above the bound is somebody else's: it is not read, and
/// what comes behind it is chained to zeros. A verifier finds the object, and does not judge the chain behind it.
///
/// # Errors
/// The store's.
pub(crate) async fn link_after(store: &dyn Store, key: &Key) -> Result<ChainLink, StoreError> {
    match store.read(key, LARGEST_JOURNAL_OBJECT).await {
        Ok(object) => Ok(ChainLink::after(&object)),
        Err(error @ StoreError::TooLarge { .. }) => {
            tracing::error!(%error, "somebody else wrote to the journal: it goes on behind that object");
            Ok(ChainLink::default())
        }
        Err(error) => Err(error),
    }
}

/// `YYYY/MM/DD`, in UTC.
fn day(time: UnixMicros) -> String {
    let at = time.timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
}

/// Whether `name` can be a segment of a key, and an unsurprising one.
pub(crate) fn legal_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

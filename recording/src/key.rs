use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::KeyId;

/// A recording's name: UUID v7, so that names sort by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecordingId(pub Uuid);

impl RecordingId {
    /// The day (UTC) that the recording's objects lie under: `YYYY/MM/DD`.
    pub fn day(self) -> String {
        day(self)
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for RecordingId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Why a text is no object's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} cannot name an object: names are segments of letters, digits, `.`, `_` and `-` between slashes")]
pub struct InvalidKey(pub String);

/// An object's name in a store: `/`-separated, of `[A-Za-z0-9._-]` segments that are not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// Takes a name.
    ///
    /// # Errors
    /// [`InvalidKey`], if a segment is empty, `.`, `..` or has another character.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidKey> {
        let name = name.into();
        if name.split('/').all(legal) { Ok(Self(name)) } else { Err(InvalidKey(name)) }
    }

    /// Whether a key can start with `prefix`: whole legal segments, and the beginning of one.
    pub fn may_start_with(prefix: &str) -> bool {
        let (folders, rest) = prefix.rsplit_once('/').map_or((None, prefix), |(folders, rest)| (Some(folders), rest));
        folders.is_none_or(|folders| folders.split('/').all(legal)) && rest.bytes().all(legal_byte)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `recordings/YYYY/MM/DD/<id>/`, the day (UTC) taken from the id's own time.
    pub fn recording_prefix(id: RecordingId) -> String {
        format!("recordings/{}/{id}/", day(id))
    }

    /// The recording's chunk `number`: `…/000000.cast.zst`.
    pub fn chunk(id: RecordingId, number: u32) -> Self {
        Self(format!("{}{number:06}.cast.zst", Self::recording_prefix(id)))
    }

    /// A gateway's journal object `seq` of the day (UTC) that `at` is in: `journal/<gateway>/YYYY/MM/DD/<seq>.jsonl.zst`.
    ///
    /// # Errors
    /// [`InvalidKey`], if the gateway's name is not a legal segment.
    pub fn journal(gateway: &str, at: Timestamp, seq: u64) -> Result<Self, InvalidKey> {
        let day = at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string();
        if gateway.contains('/') {
            return Err(InvalidKey(gateway.to_owned()));
        }
        Self::new(format!("journal/{gateway}/{day}/{seq:012}.jsonl.zst"))
    }

    /// The number of a chunk's key; `None` for another key.
    pub fn chunk_number(&self) -> Option<u32> {
        self.file_name().strip_suffix(".cast.zst")?.parse().ok()
    }

    /// The number of a journal object's key; `None` for another key.
    pub fn journal_seq(&self) -> Option<u64> {
        self.file_name().strip_suffix(".jsonl.zst")?.parse().ok()
    }

    /// The last segment.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// What a gateway says of a signing key: `keys/<id>.json`.
    pub fn signing_key(id: &KeyId) -> Self {
        Self(format!("keys/{id}.json"))
    }

    /// The recording's manifest.
    pub fn manifest(id: RecordingId) -> Self {
        Self(format!("{}manifest.json", Self::recording_prefix(id)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn legal(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && segment.bytes().all(legal_byte)
}

fn legal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// `YYYY/MM/DD` of the id's time; a day of 1970 for an id without a time.
fn day(id: RecordingId) -> String {
    let (seconds, nanos) = id.0.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let at = Timestamp::new(seconds.cast_signed(), nanos.cast_signed()).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
}

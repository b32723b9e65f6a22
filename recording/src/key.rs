use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::KeyId;

/// A recording's name: UUID v7, so that names sort by start.
///
/// It is written, and read, in one way only: lower-case hexadecimal with hyphens. An object or an entry that spells an id
/// otherwise would be one recording to this reader and another to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "std::borrow::Cow<'_, str>", into = "Uuid")]
pub struct RecordingId(pub Uuid);

/// Why a text is no recording's id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no recording's id: a UUID in lower case with hyphens")]
pub struct InvalidRecordingId(pub String);

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
    type Err = InvalidRecordingId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidRecordingId(text.to_owned());
        let id = Uuid::try_parse(text).map_err(|_| invalid())?;
        let mut buffer = Uuid::encode_buffer();
        if id.hyphenated().encode_lower(&mut buffer) == text { Ok(Self(id)) } else { Err(invalid()) }
    }
}

impl TryFrom<std::borrow::Cow<'_, str>> for RecordingId {
    type Error = InvalidRecordingId;

    fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RecordingId> for Uuid {
    fn from(id: RecordingId) -> Self {
        id.0
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

    /// The recording that an object of this name would belong to; `None` if it would belong to none.
    pub fn recording_id(&self) -> Option<RecordingId> {
        self.0.strip_prefix("recordings/")?.split('/').nth(3)?.parse().ok()
    }

    /// The number of a chunk; `None` for a key that [`Self::chunk`] does not make, from its folder to its digits.
    pub fn chunk_number(&self) -> Option<u32> {
        let number = self.file_name().strip_suffix(".cast.zst")?.parse().ok()?;
        (*self == Self::chunk(self.recording_id()?, number)).then_some(number)
    }

    /// The number of a journal object; `None` for a key that [`Self::journal`] does not make, from its folder to its digits.
    pub fn journal_seq(&self) -> Option<u64> {
        let parts: Vec<&str> = self.0.split('/').collect();
        let ["journal", _, year, month, day, file] = parts.as_slice() else { return None };
        let has_digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
        let digits = file.strip_suffix(".jsonl.zst")?;
        let seq: u64 = digits.parse().ok()?;
        (has_digits(year, 4) && has_digits(month, 2) && has_digits(day, 2) && format!("{seq:012}") == digits)
            .then_some(seq)
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

//! Where a page ended, so that the next one goes on behind it. Pages do not move while documents are added.

use std::{fmt, str::FromStr};

use recording::{RecordingId, UnixMicros};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::error::{QueryError, QueryErrorKind};

/// The last row of a page of sessions: its id, by which sessions are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor(pub(crate) RecordingId);

impl SessionCursor {
    /// The page after this session.
    pub fn after(id: RecordingId) -> Self {
        Self(id)
    }

    /// The upper and the lower half of the id.
    pub(crate) fn halves(self) -> (u64, u64) {
        self.0.0.as_u64_pair()
    }
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.simple().fmt(f)
    }
}

impl FromStr for SessionCursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Uuid::try_parse(text).map(|id| Self(RecordingId(id))).map_err(|_| QueryErrorKind::Cursor.without_place())
    }
}

/// The last hit of a page in order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitCursor {
    /// When it happened.
    pub(crate) at: UnixMicros,
    /// Orders hits of one microsecond.
    pub(crate) tie_breaker: u64,
}

impl fmt::Display for HitCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:x}", self.at.get(), self.tie_breaker)
    }
}

impl FromStr for HitCursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let parsed = text.split_once('.').and_then(|(at, tie_breaker)| {
            Some(Self {
                at: UnixMicros::new(at.parse().ok()?),
                tie_breaker: u64::from_str_radix(tie_breaker, 16).ok()?,
            })
        });
        parsed.ok_or_else(|| QueryErrorKind::Cursor.without_place())
    }
}

impl Serialize for HitCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

use std::{fmt, str::FromStr};

use recording::RecordingId;
use uuid::Uuid;

use crate::{QueryError, error::Problem};

/// The place in a list of sessions after which the next page goes on: the last row's id. Pages stay where they are
/// while sessions are added and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub(crate) RecordingId);

impl Cursor {
    /// The page after this session.
    pub fn after(id: RecordingId) -> Self {
        Self(id)
    }

    /// The two halves of the id, which sessions are sorted by.
    pub(crate) fn halves(self) -> (u64, u64) {
        self.0.0.as_u64_pair()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.simple().fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        Uuid::try_parse(text).map(|id| Self(RecordingId(id))).map_err(|_| Problem::Cursor.anywhere())
    }
}

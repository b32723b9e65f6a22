use std::ops::Range;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use storage::{CommandSource, RecordingId};

use crate::Kind;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// The recording it is of, or that came of it; none for requests that opened no session.
    pub session: Option<RecordingId>,
    /// Where in the recording, microseconds from its start; none outside of one.
    pub micros_in_session: Option<u64>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub user: String,
    /// The cluster's name.
    pub cluster: String,
    /// The namespace, the first where there are several.
    pub namespace: String,
    /// The pod, the first where there are several.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Where a command was learned; none for sessions.
    pub source: Option<CommandSource>,
    /// All of the text.
    pub text: String,
    /// The part of the text around the first match.
    pub snippet: Snippet,
}

/// Plain text and what to mark in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// Plain text as it was typed or sent: hostile, to be escaped by who shows it. `…` stands where it was cut.
    pub text: String,
    /// Byte ranges of `text` on character borders, in order, apart from each other.
    pub ranges: Vec<Range<usize>>,
}

/// A page of hits, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hits {
    /// The hits of this page.
    pub hits: Vec<Hit>,
    /// Hits on all pages.
    pub total: usize,
}

impl Serialize for Hit {
    /// Every key is always there; `time` is RFC 3339, `offset` seconds from the recording's start.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hit = serializer.serialize_struct("Hit", 12)?;
        hit.serialize_field("kind", &self.kind)?;
        hit.serialize_field("session", &self.session)?;
        hit.serialize_field("offset", &self.micros_in_session.map(|micros| micros as f64 / 1e6))?;
        hit.serialize_field("time", &self.at)?;
        hit.serialize_field("user", &self.user)?;
        hit.serialize_field("cluster", &self.cluster)?;
        hit.serialize_field("namespace", &self.namespace)?;
        hit.serialize_field("pod", &self.pod)?;
        hit.serialize_field("container", &self.container)?;
        hit.serialize_field("source", &self.source)?;
        hit.serialize_field("text", &self.text)?;
        hit.serialize_field("snippet", &self.snippet)?;
        hit.end()
    }
}

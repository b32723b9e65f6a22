use std::{fmt, ops::Range, str::FromStr};

use jiff::Timestamp;
use recording::{CommandSource, RecordingId};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{HitKind, QueryError, error::Problem};

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: HitKind,
    /// The recording it is of, or that came of it; none for requests that opened no session.
    pub session: Option<RecordingId>,
    /// Where in the recording, microseconds from its start: for output the line that has most of what
    /// was looked for. None outside of one.
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
    /// Where a command was learned; none for sessions and output.
    pub source: Option<CommandSource>,
    /// All of the text. Secrets are masked. A command whose source is `request` is rebuilt from API requests.
    pub text: String,
    /// The API requests of a rebuilt command, such as `get pods web-0 -n default: 200`; empty for everything else.
    pub requests: Vec<String>,
    /// The part of the text that has most of what was looked for.
    pub snippet: Snippet,
}

/// Plain text and what to mark in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// Plain text as it was typed, shown or sent: hostile, to be escaped by who shows it. `…` stands where it was cut.
    /// Output has line ends in it.
    pub text: String,
    /// Byte ranges of `text` on character borders, in order, apart from each other.
    pub ranges: Vec<Range<usize>>,
}

/// A page of hits, in the order that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hits {
    /// The hits of this page.
    pub hits: Vec<Hit>,
    /// Hits on all pages; 10,000 where there are more.
    pub total: usize,
    /// Whether there are more than `total`.
    pub more: bool,
    /// Where the next page begins, for [`crate::Query::after`]; none where this is the last one, and for relevance.
    pub next: Option<HitCursor>,
    /// How many hits are of whom and where; of the first 10,000 where there are more. Empty unless asked for.
    pub facets: Facets,
}

/// How often values are among hits, the most frequent first but for days, 20 of each at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facets {
    /// People.
    pub users: Vec<Facet>,
    /// Clusters.
    pub clusters: Vec<Facet>,
    /// Namespaces.
    pub namespaces: Vec<Facet>,
    /// Pods.
    pub pods: Vec<Facet>,
    /// Images, of sessions that are over.
    pub images: Vec<Facet>,
    /// Kinds of hits: names of [`HitKind`].
    pub kinds: Vec<Facet>,
    /// Days, `YYYY-MM-DD` in the time zone of [`crate::Query::now`]: the latest 20, the last one first.
    pub days: Vec<Facet>,
}

impl Facets {
    pub(crate) const FIELDS: [&'static str; 6] = ["user", "cluster", "namespace", "pod", "image", "kind"];
}

/// A value and how many hits have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facet {
    /// The value.
    pub value: String,
    /// Hits.
    pub count: u64,
}

/// The place of a hit in the order of time. Pages that are asked for with it stay where they are while documents are
/// added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitCursor {
    /// Microseconds since 1970.
    pub(crate) at: i64,
    pub(crate) tie: u64,
}

impl fmt::Display for HitCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:x}", self.at, self.tie)
    }
}

impl FromStr for HitCursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let parsed = text
            .split_once('.')
            .and_then(|(at, tie)| Some(Self { at: at.parse().ok()?, tie: u64::from_str_radix(tie, 16).ok()? }));
        parsed.ok_or_else(|| Problem::Cursor.anywhere())
    }
}

impl Serialize for HitCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Hit {
    /// Every key is always there; `time` is RFC 3339, `offset` seconds from the recording's start.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hit = serializer.serialize_struct("Hit", 14)?;
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
        hit.serialize_field("rebuilt", &(self.source == Some(CommandSource::Request)))?;
        hit.serialize_field("text", &self.text)?;
        hit.serialize_field("requests", &self.requests)?;
        hit.serialize_field("snippet", &self.snippet)?;
        hit.end()
    }
}

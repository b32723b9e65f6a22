//! Search results.

use std::ops::Range;

use jiff::Timestamp;
use recording::{CommandSource, Micros, RecordingId};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::query::{cursor::HitCursor, filter::HitKind};

/// A document that a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is.
    pub kind: HitKind,
    /// The recording that it belongs to, or that the request opened; `None` for requests that opened none.
    pub session: Option<RecordingId>,
    /// The moment in the recording; of output, that of the line with the most matches.
    /// `None` if the hit belongs to no recording.
    pub offset: Option<Micros>,
    /// When it happened.
    pub at: Timestamp,
    /// The person's name.
    pub user: String,
    /// The cluster's name.
    pub cluster: String,
    /// The namespace; of several requests, the first one named.
    pub namespace: String,
    /// The pod; of several requests, the first one named.
    pub pod: String,
    /// The container.
    pub container: String,
    /// How a command was learned; `None` for sessions and output.
    pub source: Option<CommandSource>,
    /// The whole text, with secrets masked. A command whose source is `request` is rebuilt from API requests.
    pub text: String,
    /// The API requests of a rebuilt command, such as `get pods web-0 -n default: 200`; empty for everything else.
    pub requests: Vec<String>,
    /// The part of the text with the most matches.
    pub snippet: Snippet,
}

/// Plain text and the matches in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// Plain text as it was typed, shown or sent: hostile, so whatever shows it must escape it. `…` stands where it was
    /// cut. Output contains line ends.
    pub text: String,
    /// The matches: byte ranges of `text` on character borders, in order, without overlap.
    pub ranges: Vec<Range<usize>>,
}

/// A page of hits, in the order of the query.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Hits {
    /// The hits of this page.
    pub hits: Vec<Hit>,
    /// Hits on all pages, counted to 10,000.
    pub total: usize,
    /// Whether there are more than `total`.
    pub more: bool,
    /// Where the next page begins, for [`crate::Query::after`]; `None` if this is the last page, and by relevance.
    pub next: Option<HitCursor>,
    /// Counts by value, of the first 10,000 hits. Empty unless [`crate::Query::facets`] is set.
    pub facets: Facets,
}

/// How many hits have each value: the 20 most frequent values of each field, most frequent first, and the latest days.
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
    /// Images, which are known once a session is over.
    pub images: Vec<Facet>,
    /// Kinds of hits: names of [`HitKind`].
    pub kinds: Vec<Facet>,
    /// Days, `YYYY-MM-DD` in the time zone of [`crate::Query::now`]: the latest 20, the last one first.
    pub days: Vec<Facet>,
}

/// A value and how many hits have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Facet {
    /// The value.
    pub value: String,
    /// Hits.
    pub count: u64,
}

impl Serialize for Hit {
    /// Every key is always there; `time` is RFC 3339, `offset` in seconds from the recording's start.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut hit = serializer.serialize_struct("Hit", 14)?;
        hit.serialize_field("kind", &self.kind)?;
        hit.serialize_field("session", &self.session)?;
        hit.serialize_field("offset", &self.offset.map(Micros::as_secs_f64))?;
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

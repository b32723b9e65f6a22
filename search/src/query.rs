//! The query language: from text to a syntax tree. docs/search.md describes it for people.
//!
//! Nothing here knows documents, a schema or an index: `tantivy/plan.rs` turns the tree into Tantivy's queries, and
//! another backend would turn it into its own.

pub(crate) mod cursor;
pub(crate) mod error;
pub(crate) mod expression;
mod field;
pub(crate) mod filter;
mod parse;
pub(crate) mod pattern;
mod when;

use cursor::HitCursor;
use error::{QueryError, QueryErrorKind};
use filter::{HitKind, OutcomeFilter};
use jiff::{Timestamp, Zoned, tz::TimeZone};
pub(crate) use parse::parse;
use recording::CommandSource;

/// Most hits that can be paged through by offset, and most rows or hits of a page.
pub(crate) const MAX_OFFSET: usize = 10_000;

/// Hits or rows of a page if the caller asks for none.
const DEFAULT_PAGE: usize = 50;

/// A search. A field that is `None` or empty does not narrow it; an empty query finds everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What a person wrote: words, tokens, phrases, filters.
    pub text: String,
    /// Only documents of these kinds.
    pub kinds: Vec<HitKind>,
    /// The person's name.
    pub user: Option<String>,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The pod.
    pub pod: Option<String>,
    /// The container.
    pub container: Option<String>,
    /// The image, as the pod names it.
    pub image: Option<String>,
    /// How a command was learned. [`CommandSource::Request`] finds single requests too.
    pub source: Option<CommandSource>,
    /// How the session ended: finds the session, its commands and its output.
    pub outcome: Option<OutcomeFilter>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Which hits come first.
    pub order: Order,
    /// Hits of a page; 0 means 50.
    pub limit: usize,
    /// Hits before the page; `offset + limit` is at most 10,000.
    pub offset: usize,
    /// Where the previous page ended, however deep; `offset` is then counted from there. Ignored by
    /// [`Order::Relevance`].
    pub after: Option<HitCursor>,
    /// Whether to count hits by person, cluster, namespace, pod, image, kind and day.
    pub facets: bool,
    /// The time and time zone that `today` and `last 2h` are relative to; `None` means now, in UTC.
    pub now: Option<Zoned>,
}

/// Which hits come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The last that happened.
    #[default]
    Newest,
    /// The first that happened.
    Oldest,
    /// Those with the highest score: rare words, and many of them.
    Relevance,
}

impl std::str::FromStr for Order {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Oldest),
            "relevance" => Ok(Self::Relevance),
            _ => Err(()),
        }
    }
}

impl Query {
    /// [`Self::now`], or the current time in UTC.
    pub(crate) fn now(&self) -> Zoned {
        self.now.clone().unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC))
    }

    /// Limit and offset of the page.
    ///
    /// # Errors
    /// The page ends beyond [`MAX_OFFSET`].
    pub(crate) fn page(&self) -> Result<(usize, usize), QueryError> {
        let limit = page_limit(self.limit);
        match self.offset.checked_add(limit) {
            Some(end) if end <= MAX_OFFSET => Ok((limit, self.offset)),
            _ => Err(QueryErrorKind::OffsetTooLarge(MAX_OFFSET).without_place()),
        }
    }
}

/// Rows or hits of a page, of which the caller asked for `limit`.
pub(crate) fn page_limit(limit: usize) -> usize {
    if limit == 0 { DEFAULT_PAGE } else { limit.min(MAX_OFFSET) }
}

//! Searches, as people write them. `docs/search.md` describes the language.

pub(crate) mod cursor;
pub(crate) mod expression;
mod field;
pub(crate) mod filter;
pub(crate) mod kind;
mod parse;
pub(crate) mod pattern;
mod when;

use jiff::{Timestamp, Zoned, tz::TimeZone};

pub(crate) use expression::{Needle, Span, TextField};
pub(crate) use parse::parse;

use recording::CommandSource;

use crate::{HitCursor, HitKind, OutcomeFilter};

/// Most hits that can be paged through by number.
pub(crate) const DEEPEST: usize = 10_000;

/// A search. Fields that are none, or empty, do not narrow it; an empty query finds everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What a person wrote: words, tokens, phrases, filters.
    pub text: String,
    /// Only these kinds.
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
    /// Where it was learned: what was given as argv, typed, or asked of the API, be it joined to a run or not.
    pub source: Option<CommandSource>,
    /// How the session ended: the session, its commands and its output.
    pub outcome: Option<OutcomeFilter>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Which hits come first.
    pub order: Order,
    /// Hits of a page; 0 stands for 50.
    pub limit: usize,
    /// Hits before the page; `offset + limit` is at most 10,000.
    pub offset: usize,
    /// Where the page before ended, however deep; in order of time only. `offset` is then counted from there.
    pub after: Option<HitCursor>,
    /// Whether to count hits by person, cluster, namespace, pod, image, kind and day.
    pub facets: bool,
    /// What `today` and `last 2h` are seen from, with the time zone; none: now, in UTC.
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
    /// Those in which what was searched for is rarest and most.
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
    /// What times are seen from.
    pub(crate) fn now(&self) -> Zoned {
        self.now.clone().unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC))
    }
}

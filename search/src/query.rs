//! Searches, as people write them.
//!
//! ```text
//! words          all must be there, in any order, in any case: kubectl delete
//! tokens         with punctuation, as they are: 10.0.3.7 /etc/passwd --force
//! "a phrase"     in this order: "rm -rf"
//! pre*           what begins with it: nginx-*
//! -word          not this: -nginx, -"rm -rf", -user:ada
//! field:value    user:ada cluster: namespace: (ns:) pod: container: kind: outcome: source: session: exit:
//! ```

mod parse;
mod plan;

use jiff::Timestamp;

pub(crate) use parse::{Needle, parse};
pub(crate) use plan::{matching, page, session_kind, sessions};

use crate::{Kind, OutcomeFilter};

/// Most hits that can be paged through.
pub(crate) const DEEPEST: usize = 10_000;

/// A search. Fields that are none, or empty, do not narrow it; an empty query finds everything.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// What a person wrote: words, tokens, phrases, filters.
    pub text: String,
    /// Only these kinds.
    pub kinds: Vec<Kind>,
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
    /// How the session ended: sessions only.
    pub outcome: Option<OutcomeFilter>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
    /// Hits of a page; 0 stands for 50.
    pub limit: usize,
    /// Hits before the page; `offset + limit` is at most 10,000.
    pub offset: usize,
}

//! The syntax tree of a query.

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::{
    filter::{HitKind, OutcomeFilter},
    pattern::Pattern,
};

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    /// All must hold. An empty list holds for every document.
    All(Vec<Self>),
    /// One must hold.
    Any(Vec<Self>),
    Not(Box<Self>),
    Text(TextClause),
    Field(FieldFilter),
}

/// What a document's text must contain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TextClause {
    /// One token, whole.
    Term(String),
    /// Tokens, each with its distance in positions from the first.
    Phrase(Vec<(usize, String)>),
    /// A token that matches.
    Pattern(Pattern),
    /// One of these.
    AnyOf(Vec<Self>),
}

/// The value that a field must have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldFilter {
    Text(TextField, Pattern),
    Kind(HitKind),
    SessionKind(&'static str),
    Outcome(OutcomeFilter),
    Source(&'static str),
    ExitCode(RangeInclusive<i64>),
    StatusCode(RangeInclusive<i64>),
    Tty(bool),
    When(TimeWindow),
}

/// A field of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    User,
    Cluster,
    Namespace,
    Pod,
    Container,
    Image,
    Session,
    Verb,
    Resource,
}

/// A half-open window of time; a bound that is `None` is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TimeWindow {
    /// Inclusive.
    pub(crate) from: Option<Timestamp>,
    /// Exclusive.
    pub(crate) until: Option<Timestamp>,
}

impl TimeWindow {
    /// Whether the window ends before it begins, or when it begins.
    pub(crate) fn is_empty(self) -> bool {
        self.from.zip(self.until).is_some_and(|(from, until)| from >= until)
    }

    /// The intersection of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            from: self.from.max(other.from),
            until: match (self.until, other.until) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
        }
    }
}

impl Expression {
    /// The clauses that a hit may contain and a snippet marks: those that are not negated.
    pub(crate) fn highlighted(&self) -> Vec<&TextClause> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::highlighted).collect(),
            Self::Text(clause) => vec![clause],
            Self::Not(_) | Self::Field(_) => Vec::new(),
        }
    }
}

use std::ops::RangeInclusive;

use jiff::Timestamp;

use super::pattern::Pattern;
use crate::{HitKind, OutcomeFilter};

/// A search that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    /// All must hold. Empty: everything is found.
    All(Vec<Self>),
    /// One must hold.
    Any(Vec<Self>),
    Not(Box<Self>),
    Text(Needle),
    Field(Filter),
}

/// Something to look for in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Needle {
    /// One piece as it is.
    Exact(String),
    /// Pieces with their distance from the first.
    Phrase(Vec<(usize, String)>),
    /// Every piece that fits.
    Pattern(Pattern),
    /// Any of these.
    Either(Vec<Self>),
}

/// A field that must have a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    Text(TextField, Pattern),
    Kind(HitKind),
    Session(&'static str),
    Outcome(OutcomeFilter),
    Source(&'static str),
    Exit(RangeInclusive<i64>),
    Code(RangeInclusive<i64>),
    Tty(bool),
    When(Span),
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

/// From when on, and before when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Span {
    /// Whether it ends before or when it begins.
    pub(crate) fn is_reversed(self) -> bool {
        self.from.zip(self.until).is_some_and(|(from, until)| from >= until)
    }

    /// What is in both.
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
    /// The needles that a hit may show: those that are not excluded.
    pub(crate) fn needles(&self) -> Vec<&Needle> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::needles).collect(),
            Self::Text(needle) => vec![needle],
            Self::Not(_) | Self::Field(_) => Vec::new(),
        }
    }
}

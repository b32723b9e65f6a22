//! From what is looked for to Tantivy's queries.

use std::ops::Bound;

use jiff::Timestamp;
use tantivy::{
    Term,
    query::{AllQuery, BooleanQuery, EmptyQuery, InvertedIndexRangeQuery, Occur, PhraseQuery, RangeQuery, TermQuery},
    schema::{Field, IndexRecordOption},
};

use super::{
    DEEPEST, Needle, Query,
    parse::{Filter, Parsed},
};
use crate::{Kind, OutcomeFilter, QueryError, SessionFilter, schema::Fields};

type Boxed = Box<dyn tantivy::query::Query>;

/// Hits or rows of a page where none are asked for.
const PAGE: usize = 50;

/// What must and must not hold of a document.
#[derive(Default)]
struct Conditions(Vec<(Occur, Boxed)>);

impl Conditions {
    fn add(&mut self, query: Boxed, excluded: bool) {
        self.0.push((if excluded { Occur::MustNot } else { Occur::Must }, query));
    }

    fn must(&mut self, field: Field, value: Option<&String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.add(text_is(field, value), false);
        }
    }

    fn between(&mut self, field: Field, from: Option<Timestamp>, until: Option<Timestamp>) {
        if from.is_none() && until.is_none() {
            return;
        }
        let term = |at: Timestamp| Term::from_field_i64(field, at.as_microsecond());
        let lower = from.map_or(Bound::Unbounded, |at| Bound::Included(term(at)));
        let upper = until.map_or(Bound::Unbounded, |at| Bound::Excluded(term(at)));
        self.add(Box::new(RangeQuery::new(lower, upper)), false);
    }

    fn into_query(mut self) -> Boxed {
        let positive = self.0.iter().any(|(occur, _)| *occur == Occur::Must);
        if !positive {
            self.add(Box::new(AllQuery), false);
        }
        Box::new(BooleanQuery::new(self.0))
    }
}

/// The documents that a search finds.
pub(crate) fn matching(fields: &Fields, query: &Query, parsed: &Parsed) -> Boxed {
    let mut conditions = Conditions::default();
    for clause in &parsed.needles {
        conditions.add(needle(fields, &clause.what), clause.excluded);
    }
    for clause in &parsed.filters {
        conditions.add(filter(fields, &clause.what), clause.excluded);
    }
    if !query.kinds.is_empty() {
        let kinds = query.kinds.iter().map(|kind| (Occur::Should, text_is(fields.kind, kind.name())));
        conditions.add(Box::new(BooleanQuery::new(kinds.collect())), false);
    }
    conditions.must(fields.user, query.user.as_ref());
    conditions.must(fields.cluster, query.cluster.as_ref());
    conditions.must(fields.namespace, query.namespace.as_ref());
    conditions.must(fields.pod, query.pod.as_ref());
    conditions.must(fields.container, query.container.as_ref());
    if let Some(value) = query.outcome {
        conditions.add(outcome(fields, value), false);
    }
    conditions.between(fields.at, query.from, query.until);
    conditions.into_query()
}

/// The page of a search: limit and offset within what can be paged through.
pub(crate) fn page(query: &Query) -> Result<(usize, usize), QueryError> {
    let limit = if query.limit == 0 { PAGE } else { query.limit.min(DEEPEST) };
    match query.offset.checked_add(limit) {
        Some(end) if end <= DEEPEST => Ok((limit, query.offset)),
        _ => Err(QueryError::TooFar(DEEPEST)),
    }
}

/// All sessions of a list, those of its page, and how many rows a page has.
pub(crate) fn sessions(fields: &Fields, filter: &SessionFilter) -> (Boxed, Boxed, usize) {
    let all = session_conditions(fields, filter).into_query();
    let mut page = session_conditions(fields, filter);
    if let Some(cursor) = filter.after {
        page.add(after(fields, cursor.halves()), false);
    }
    let limit = if filter.limit == 0 { PAGE } else { filter.limit.min(DEEPEST) };
    (all, page.into_query(), limit)
}

fn session_conditions(fields: &Fields, filter: &SessionFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add(text_is(fields.kind, Kind::Session.name()), false);
    conditions.must(fields.user, filter.user.as_ref());
    conditions.must(fields.cluster, filter.cluster.as_ref());
    conditions.must(fields.namespace, filter.namespace.as_ref());
    conditions.must(fields.pod, filter.pod.as_ref());
    conditions.must(fields.container, filter.container.as_ref());
    if let Some(kind) = filter.kind {
        conditions.add(text_is(fields.session_kind, session_kind(kind)), false);
    }
    if let Some(value) = filter.outcome {
        conditions.add(outcome(fields, value), false);
    }
    conditions.between(fields.at, filter.from, filter.until);
    conditions
}

/// Sessions with an id below this one.
fn after(fields: &Fields, (high, low): (u64, u64)) -> Boxed {
    let below = |field, value| -> Boxed {
        Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(Term::from_field_u64(field, value))))
    };
    let same = Box::new(TermQuery::new(Term::from_field_u64(fields.high, high), IndexRecordOption::Basic));
    let within = BooleanQuery::new(vec![(Occur::Must, same as Boxed), (Occur::Must, below(fields.low, low))]);
    let either: Vec<(Occur, Boxed)> =
        vec![(Occur::Should, below(fields.high, high)), (Occur::Should, Box::new(within))];
    Box::new(BooleanQuery::new(either))
}

/// The name of a session's kind in the index.
pub(crate) fn session_kind(kind: storage::cast::SessionKind) -> &'static str {
    use storage::cast::SessionKind::{Attach, Exec, PortForward};
    match kind {
        Exec => "exec",
        Attach => "attach",
        PortForward => "port_forward",
    }
}

fn needle(fields: &Fields, needle: &Needle) -> Boxed {
    match needle {
        Needle::Exact(cut, text) => text_is(fields.cut(*cut), text),
        Needle::Prefix(cut, text) => begins_with(fields.cut(*cut), text),
        Needle::Phrase(cut, pieces) => {
            let field = fields.cut(*cut);
            let terms = pieces.iter().map(|piece| Term::from_field_text(field, piece));
            Box::new(PhraseQuery::new(terms.collect()))
        }
    }
}

fn filter(fields: &Fields, filter: &Filter) -> Boxed {
    match filter {
        Filter::User(value) => text_is(fields.user, value),
        Filter::Cluster(value) => text_is(fields.cluster, value),
        Filter::Namespace(value) => text_is(fields.namespace, value),
        Filter::Pod(value) => text_is(fields.pod, value),
        Filter::Container(value) => text_is(fields.container, value),
        Filter::Session(value) => text_is(fields.session, value),
        Filter::Kind(kind) => text_is(fields.kind, kind.name()),
        Filter::Outcome(value) => outcome(fields, *value),
        Filter::Source(value) => text_is(fields.source, value),
        Filter::Exit(code) => exit_code(fields, *code),
    }
}

fn outcome(fields: &Fields, outcome: OutcomeFilter) -> Boxed {
    match outcome {
        OutcomeFilter::Failed => {
            let exited = text_is(fields.outcome, OutcomeFilter::Exited.name());
            Box::new(BooleanQuery::new(vec![(Occur::Must, exited), (Occur::MustNot, exit_code(fields, 0))]))
        }
        other => text_is(fields.outcome, other.name()),
    }
}

fn exit_code(fields: &Fields, code: i64) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_i64(fields.exit_code, code), IndexRecordOption::Basic))
}

fn text_is(field: Field, value: &str) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

fn begins_with(field: Field, prefix: &str) -> Boxed {
    let Some(end) = following(prefix) else { return Box::new(EmptyQuery) };
    let term = |text: &str| Term::from_field_text(field, text);
    Box::new(InvertedIndexRangeQuery::new(Bound::Included(term(prefix)), Bound::Excluded(term(&end))))
}

/// The first text, in the order of bytes, after all that begin with `prefix`.
fn following(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The surrogates' gap is stepped over; nothing follows the last code point.
        let next = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

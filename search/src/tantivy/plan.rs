//! From what is looked for to Tantivy's queries.

use std::{
    ops::{Bound, RangeInclusive},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;
use tantivy::{
    Term,
    query::{AllQuery, BooleanQuery, Occur, PhraseQuery, RangeQuery, TermQuery},
    schema::{Field, IndexRecordOption},
};

use super::{excluded::Excluded, pattern_query::Fitting};
use crate::{
    HitKind, OutcomeFilter, QueryError, SessionFilter,
    documents::source_name,
    error::Problem,
    query::{
        DEEPEST, Query,
        expression::{Expression, Filter, Needle, Span},
        pattern::Pattern,
    },
    tantivy::schema::Fields,
};

type Boxed = Box<dyn tantivy::query::Query>;

/// Hits or rows of a page where none are asked for.
const PAGE: usize = 50;

/// What must and must not hold of a document.
#[derive(Default)]
struct Conditions(Vec<(Occur, Boxed)>);

impl Conditions {
    fn add(&mut self, query: Boxed) {
        self.0.push((Occur::Must, query));
    }

    fn exclude(&mut self, query: Boxed) {
        self.0.push((Occur::MustNot, Box::new(Excluded(query))));
    }

    fn must(&mut self, field: Field, value: Option<&String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.add(text_is(field, value));
        }
    }

    fn into_query(mut self) -> Boxed {
        let positive = self.0.iter().any(|(occur, _)| *occur == Occur::Must);
        if !positive {
            self.add(Box::new(AllQuery));
        }
        if self.0.len() == 1 { self.0.remove(0).1 } else { Box::new(BooleanQuery::new(self.0)) }
    }
}

/// What a search is made of: a query, and the time that hits must be of.
pub(crate) struct Plan {
    pub(crate) query: Boxed,
    pub(crate) span: Span,
    /// What patterns begin with, and whether they fitted too much.
    patterns: Vec<(String, Arc<AtomicBool>)>,
}

impl Plan {
    /// The plan of a search.
    pub(crate) fn new(fields: &Fields, query: &Query, expression: &Expression) -> Self {
        let mut planner = Planner { fields, patterns: Vec::new() };
        let mut span = Span { from: query.from, until: query.until };
        let mut conditions = Conditions::default();
        planner.conditions(expression, &mut conditions, &mut span);
        if !query.kinds.is_empty() {
            let kinds = query.kinds.iter().map(|kind| (Occur::Should, text_is(fields.kind, kind.name())));
            conditions.add(Box::new(BooleanQuery::new(kinds.collect())));
        }
        conditions.must(fields.user, query.user.as_ref());
        conditions.must(fields.cluster, query.cluster.as_ref());
        conditions.must(fields.namespace, query.namespace.as_ref());
        conditions.must(fields.pod, query.pod.as_ref());
        conditions.must(fields.container, query.container.as_ref());
        conditions.must(fields.image, query.image.as_ref());
        if let Some(source) = query.source {
            conditions.add(text_is(fields.source, source_name(source)));
        }
        if let Some(value) = query.outcome {
            conditions.add(outcome(fields, value));
        }
        Self { query: conditions.into_query(), span, patterns: planner.patterns }
    }

    /// The same within its time, for who does not look at times.
    pub(crate) fn within(&self, fields: &Fields) -> Boxed {
        let mut conditions = Conditions(vec![(Occur::Must, self.query.box_clone())]);
        conditions.0.extend(between(fields.at, self.span).map(|query| (Occur::Must, query)));
        conditions.into_query()
    }

    /// Fails where a pattern fitted more than was read.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        match self.patterns.iter().find(|(_, broad)| broad.load(Ordering::Relaxed)) {
            Some((text, _)) => Err(Problem::TooBroad(text.clone()).anywhere()),
            None => Ok(()),
        }
    }
}

struct Planner<'a> {
    fields: &'a Fields,
    patterns: Vec<(String, Arc<AtomicBool>)>,
}

impl Planner<'_> {
    /// Takes a conjunction apart. Times on its highest level are not asked of the index but narrow the span.
    fn conditions(&mut self, expression: &Expression, conditions: &mut Conditions, span: &mut Span) {
        match expression {
            Expression::All(parts) => parts.iter().for_each(|part| self.conditions(part, conditions, span)),
            Expression::Not(inner) => conditions.exclude(self.query(inner)),
            Expression::Field(Filter::When(when)) => *span = span.and(*when),
            other => conditions.add(self.query(other)),
        }
    }

    fn query(&mut self, expression: &Expression) -> Boxed {
        match expression {
            Expression::All(parts) => {
                let mut conditions = Conditions::default();
                for part in parts {
                    match part {
                        Expression::Not(inner) => conditions.exclude(self.query(inner)),
                        other => conditions.add(self.query(other)),
                    }
                }
                conditions.into_query()
            }
            Expression::Any(parts) => either(parts.iter().map(|part| self.query(part)).collect()),
            Expression::Not(inner) => {
                let mut conditions = Conditions::default();
                conditions.exclude(self.query(inner));
                conditions.into_query()
            }
            Expression::Text(needle) => self.needle(needle),
            Expression::Field(filter) => self.filter(filter),
        }
    }

    fn needle(&mut self, needle: &Needle) -> Boxed {
        let field = self.fields.text;
        match needle {
            Needle::Exact(text) => word(field, text),
            Needle::Phrase(parts) => {
                let terms = parts.iter().map(|(at, text)| (*at, Term::from_field_text(field, text)));
                Box::new(PhraseQuery::new_with_offset(terms.collect()))
            }
            Needle::Pattern(pattern) => self.fits(field, pattern),
            Needle::Either(all) => either(all.iter().map(|needle| self.needle(needle)).collect()),
        }
    }

    fn fits(&mut self, field: Field, pattern: &Pattern) -> Boxed {
        if let Pattern::Exact(text) = pattern {
            return text_is(field, text);
        }
        let too_broad = Arc::new(AtomicBool::new(false));
        self.patterns.push((pattern.prefix().to_owned(), Arc::clone(&too_broad)));
        Box::new(Fitting::new(field, pattern.clone(), too_broad))
    }

    fn filter(&mut self, filter: &Filter) -> Boxed {
        let fields = self.fields;
        match filter {
            Filter::Text(field, pattern) => self.fits(fields.of(*field), pattern),
            Filter::Kind(kind) => text_is(fields.kind, kind.name()),
            Filter::Session(kind) => text_is(fields.session_kind, kind),
            Filter::Outcome(value) => outcome(fields, *value),
            Filter::Source(value) => text_is(fields.source, value),
            Filter::Exit(range) => numbers(fields.exit_code, range),
            Filter::Code(range) => numbers(fields.code, range),
            Filter::Tty(tty) => {
                Box::new(TermQuery::new(Term::from_field_bool(fields.tty, *tty), IndexRecordOption::Basic))
            }
            Filter::When(span) => between(fields.at, *span).unwrap_or_else(|| Box::new(AllQuery)),
        }
    }
}

fn either(mut queries: Vec<Boxed>) -> Boxed {
    if queries.len() == 1 {
        return queries.remove(0);
    }
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Should, query)).collect()))
}

/// The page of a search: limit and offset within what can be paged through.
pub(crate) fn page(query: &Query) -> Result<(usize, usize), QueryError> {
    let limit = if query.limit == 0 { PAGE } else { query.limit.min(DEEPEST) };
    match query.offset.checked_add(limit) {
        Some(end) if end <= DEEPEST => Ok((limit, query.offset)),
        _ => Err(Problem::TooFar(DEEPEST).anywhere()),
    }
}

/// All sessions of a list, those of its page, and how many rows a page has.
pub(crate) fn sessions(fields: &Fields, filter: &SessionFilter) -> (Boxed, Boxed, usize) {
    let all = session_conditions(fields, filter).into_query();
    let mut page = session_conditions(fields, filter);
    if let Some(cursor) = filter.after {
        page.add(after(fields, cursor.halves()));
    }
    let limit = if filter.limit == 0 { PAGE } else { filter.limit.min(DEEPEST) };
    (all, page.into_query(), limit)
}

fn session_conditions(fields: &Fields, filter: &SessionFilter) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.add(text_is(fields.kind, HitKind::Session.name()));
    conditions.must(fields.user, filter.user.as_ref());
    conditions.must(fields.cluster, filter.cluster.as_ref());
    conditions.must(fields.namespace, filter.namespace.as_ref());
    conditions.must(fields.pod, filter.pod.as_ref());
    conditions.must(fields.container, filter.container.as_ref());
    if let Some(kind) = filter.kind {
        conditions.add(text_is(fields.session_kind, session_kind(kind)));
    }
    if let Some(value) = filter.outcome {
        conditions.add(outcome(fields, value));
    }
    let span = Span { from: filter.from, until: filter.until };
    conditions.0.extend(between(fields.at, span).map(|query| (Occur::Must, query)));
    conditions
}

/// Sessions with an id below this one.
fn after(fields: &Fields, (high, low): (u64, u64)) -> Boxed {
    let below = |field, value| -> Boxed {
        Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(Term::from_field_u64(field, value))))
    };
    let same = number(fields.high, high);
    let within = BooleanQuery::new(vec![(Occur::Must, same), (Occur::Must, below(fields.low, low))]);
    either(vec![below(fields.high, high), Box::new(within)])
}

/// The name of a session's kind in the index.
pub(crate) fn session_kind(kind: recording::cast::SessionKind) -> &'static str {
    use recording::cast::SessionKind::{Attach, Exec, PortForward};
    match kind {
        Exec => "exec",
        Attach => "attach",
        PortForward => "port_forward",
    }
}

fn between(field: Field, span: Span) -> Option<Boxed> {
    if span == Span::default() {
        return None;
    }
    let term = |at: Timestamp| Term::from_field_i64(field, at.as_microsecond());
    let lower = span.from.map_or(Bound::Unbounded, |at| Bound::Included(term(at)));
    let upper = span.until.map_or(Bound::Unbounded, |at| Bound::Excluded(term(at)));
    Some(Box::new(RangeQuery::new(lower, upper)))
}

fn outcome(fields: &Fields, outcome: OutcomeFilter) -> Boxed {
    match outcome {
        OutcomeFilter::Failed => {
            let exited = text_is(fields.outcome, OutcomeFilter::Exited.name());
            let zero = numbers(fields.exit_code, &(0..=0));
            Box::new(BooleanQuery::new(vec![(Occur::Must, exited), (Occur::MustNot, zero)]))
        }
        other => text_is(fields.outcome, other.name()),
    }
}

fn numbers(field: Field, range: &RangeInclusive<i64>) -> Boxed {
    let term = |value: &i64| Term::from_field_i64(field, *value);
    if range.start() == range.end() {
        return Box::new(TermQuery::new(term(range.start()), IndexRecordOption::Basic));
    }
    Box::new(RangeQuery::new(Bound::Included(term(range.start())), Bound::Included(term(range.end()))))
}

fn number(field: Field, value: u64) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_u64(field, value), IndexRecordOption::Basic))
}

fn text_is(field: Field, value: &str) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

/// The same where how often it is there counts.
fn word(field: Field, value: &str) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::WithFreqs))
}

/// The first text, in the order of bytes, after all that begin with `prefix`.
pub(crate) fn following(prefix: &str) -> Option<String> {
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

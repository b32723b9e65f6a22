//! The plan of a search: from the syntax tree and the filters to Tantivy's queries.

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

use super::{excluded::Excluded, pattern_query::PatternQuery, schema::Fields};
use crate::{
    documents::{session::session_kind_name, source_name},
    query::{
        Query,
        error::{QueryError, QueryErrorKind},
        expression::{Expression, FieldFilter, TextClause, TimeWindow},
        filter::{HitKind, OutcomeFilter, SessionFilter},
        page_limit,
        pattern::Pattern,
    },
};

type Boxed = Box<dyn tantivy::query::Query>;

/// Clauses that a document must and must not match.
#[derive(Default)]
struct Clauses(Vec<(Occur, Boxed)>);

impl Clauses {
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

/// The plan of a search.
pub(super) struct QueryPlan {
    /// Without the time window.
    pub(super) query: Boxed,
    pub(super) window: TimeWindow,
    /// Prefixes of patterns, and whether too many terms matched.
    patterns: Vec<(String, Arc<AtomicBool>)>,
}

impl QueryPlan {
    pub(super) fn new(fields: &Fields, query: &Query, expression: &Expression) -> Self {
        let mut planner = QueryPlanner { fields, patterns: Vec::new() };
        let mut window = TimeWindow { from: query.from, until: query.until };
        let mut clauses = Clauses::default();
        planner.clauses(expression, &mut clauses, &mut window);
        if !query.kinds.is_empty() {
            let kinds = query.kinds.iter().map(|kind| (Occur::Should, text_is(fields.kind, kind.name())));
            clauses.add(Box::new(BooleanQuery::new(kinds.collect())));
        }
        clauses.must(fields.user, query.user.as_ref());
        clauses.must(fields.cluster, query.cluster.as_ref());
        clauses.must(fields.namespace, query.namespace.as_ref());
        clauses.must(fields.pod, query.pod.as_ref());
        clauses.must(fields.container, query.container.as_ref());
        clauses.must(fields.image, query.image.as_ref());
        if let Some(source) = query.source {
            clauses.add(text_is(fields.source, source_name(source)));
        }
        if let Some(value) = query.outcome {
            clauses.add(outcome(fields, value));
        }
        Self { query: clauses.into_query(), window, patterns: planner.patterns }
    }

    /// The query and the time window as one query, for a collector that does not look at times.
    pub(super) fn windowed_query(&self, fields: &Fields) -> Boxed {
        let mut clauses = Clauses(vec![(Occur::Must, self.query.box_clone())]);
        clauses.0.extend(between(fields.at, self.window).map(|query| (Occur::Must, query)));
        clauses.into_query()
    }

    /// Fails if a pattern matched more terms than were read.
    ///
    /// # Errors
    /// The pattern is too broad.
    pub(super) fn check_patterns(&self) -> Result<(), QueryError> {
        match self.patterns.iter().find(|(_, broad)| broad.load(Ordering::Relaxed)) {
            Some((text, _)) => Err(QueryErrorKind::TooBroad(text.clone()).without_place()),
            None => Ok(()),
        }
    }
}

struct QueryPlanner<'a> {
    fields: &'a Fields,
    patterns: Vec<(String, Arc<AtomicBool>)>,
}

impl QueryPlanner<'_> {
    /// Takes a conjunction apart. Times on its highest level are not queried but narrow the window.
    fn clauses(&mut self, expression: &Expression, clauses: &mut Clauses, window: &mut TimeWindow) {
        match expression {
            Expression::All(parts) => parts.iter().for_each(|part| self.clauses(part, clauses, window)),
            Expression::Not(inner) => clauses.exclude(self.query(inner)),
            Expression::Field(FieldFilter::When(when)) => *window = window.and(*when),
            other => clauses.add(self.query(other)),
        }
    }

    fn query(&mut self, expression: &Expression) -> Boxed {
        match expression {
            Expression::All(parts) => {
                let mut clauses = Clauses::default();
                for part in parts {
                    match part {
                        Expression::Not(inner) => clauses.exclude(self.query(inner)),
                        other => clauses.add(self.query(other)),
                    }
                }
                clauses.into_query()
            }
            Expression::Any(parts) => either(parts.iter().map(|part| self.query(part)).collect()),
            Expression::Not(inner) => {
                let mut clauses = Clauses::default();
                clauses.exclude(self.query(inner));
                clauses.into_query()
            }
            Expression::Text(clause) => self.text(clause),
            Expression::Field(filter) => self.filter(filter),
        }
    }

    fn text(&mut self, clause: &TextClause) -> Boxed {
        let field = self.fields.text;
        match clause {
            TextClause::Term(text) => word(field, text),
            TextClause::Phrase(parts) => {
                let terms = parts.iter().map(|(at, text)| (*at, Term::from_field_text(field, text)));
                Box::new(PhraseQuery::new_with_offset(terms.collect()))
            }
            TextClause::Pattern(pattern) => self.pattern(field, pattern),
            TextClause::AnyOf(all) => either(all.iter().map(|clause| self.text(clause)).collect()),
        }
    }

    fn pattern(&mut self, field: Field, pattern: &Pattern) -> Boxed {
        if let Pattern::Exact(text) = pattern {
            return text_is(field, text);
        }
        let too_broad = Arc::new(AtomicBool::new(false));
        self.patterns.push((pattern.prefix().to_owned(), Arc::clone(&too_broad)));
        Box::new(PatternQuery::new(field, pattern.clone(), too_broad))
    }

    fn filter(&mut self, filter: &FieldFilter) -> Boxed {
        let fields = self.fields;
        match filter {
            FieldFilter::Text(field, pattern) => self.pattern(fields.of(*field), pattern),
            FieldFilter::Kind(kind) => text_is(fields.kind, kind.name()),
            FieldFilter::SessionKind(kind) => text_is(fields.session_kind, kind),
            FieldFilter::Outcome(value) => outcome(fields, *value),
            FieldFilter::Source(value) => text_is(fields.source, value),
            FieldFilter::ExitCode(range) => numbers(fields.exit_code, range),
            FieldFilter::StatusCode(range) => numbers(fields.code, range),
            FieldFilter::Tty(tty) => {
                Box::new(TermQuery::new(Term::from_field_bool(fields.tty, *tty), IndexRecordOption::Basic))
            }
            FieldFilter::When(window) => between(fields.at, *window).unwrap_or_else(|| Box::new(AllQuery)),
        }
    }
}

fn either(mut queries: Vec<Boxed>) -> Boxed {
    if queries.len() == 1 {
        return queries.remove(0);
    }
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Should, query)).collect()))
}

/// The queries for all sessions of a list and for those from its page on, and how many rows a page has.
pub(super) fn sessions(fields: &Fields, filter: &SessionFilter) -> (Boxed, Boxed, usize) {
    let all = session_clauses(fields, filter).into_query();
    let mut page = session_clauses(fields, filter);
    if let Some(cursor) = filter.after {
        page.add(after(fields, cursor.halves()));
    }
    (all, page.into_query(), page_limit(filter.limit))
}

fn session_clauses(fields: &Fields, filter: &SessionFilter) -> Clauses {
    let mut clauses = Clauses::default();
    clauses.add(text_is(fields.kind, HitKind::Session.name()));
    clauses.must(fields.user, filter.user.as_ref());
    clauses.must(fields.cluster, filter.cluster.as_ref());
    clauses.must(fields.namespace, filter.namespace.as_ref());
    clauses.must(fields.pod, filter.pod.as_ref());
    clauses.must(fields.container, filter.container.as_ref());
    if let Some(kind) = filter.kind {
        clauses.add(text_is(fields.session_kind, session_kind_name(kind)));
    }
    if let Some(value) = filter.outcome {
        clauses.add(outcome(fields, value));
    }
    let window = TimeWindow { from: filter.from, until: filter.until };
    clauses.0.extend(between(fields.at, window).map(|query| (Occur::Must, query)));
    clauses
}

/// Sessions with a lower id than the cursor's.
fn after(fields: &Fields, (high, low): (u64, u64)) -> Boxed {
    let below = |field, value| -> Boxed {
        Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(Term::from_field_u64(field, value))))
    };
    let same = number(fields.high, high);
    let within = BooleanQuery::new(vec![(Occur::Must, same), (Occur::Must, below(fields.low, low))]);
    either(vec![below(fields.high, high), Box::new(within)])
}

/// `None` if the window is open on both sides.
fn between(field: Field, window: TimeWindow) -> Option<Boxed> {
    if window == TimeWindow::default() {
        return None;
    }
    let term = |at: Timestamp| Term::from_field_i64(field, at.as_microsecond());
    let lower = window.from.map_or(Bound::Unbounded, |at| Bound::Included(term(at)));
    let upper = window.until.map_or(Bound::Unbounded, |at| Bound::Excluded(term(at)));
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

/// [`text_is`] for a field in whose score the term's frequency counts.
fn word(field: Field, value: &str) -> Boxed {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::WithFreqs))
}

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use askama::Template;
use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use identity::WebSession;
use jiff::Timestamp;
use recording::{CommandSource, RecordingId};
use search::{Hit, HitKind, Hits, Order, OutcomeFilter, QueryError, Snippet};
use verify::Standing;

use super::{
    facets::{FacetGroup, FilterLink, FilterOptions, facet_groups},
    filters::Filters,
    layout::{Layout, NavItem, render},
    standing,
    time_label::TimeLabel,
    units,
    visible_text::{TargetText, VisibleText},
};
use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::Evidence,
        inspector::INSPECTED_WITHIN,
        searcher::{SearchOutcome, Searcher, sentence},
        site::Site,
    },
    http::failure::Failure,
};

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    page: Layout,
    filters: Filters,
    options: FilterOptions,
    action: &'static str,
    requests: bool,
    kinds: Vec<FilterLink>,
    outcomes: [OutcomeFilter; 10],
    /// Whether the address has a query, and so there are hits or an error.
    searched: bool,
    error: Option<InvalidQuery>,
    orders: Vec<FilterLink>,
    facets: Vec<FacetGroup>,
    hits: Vec<HitRow>,
    total: String,
    /// Name and address of the page before, and of the page after.
    previous: Option<(&'static str, String)>,
    next: Option<(&'static str, String)>,
}

/// A search that cannot be read.
struct InvalidQuery {
    message: String,
    /// What was written: before the error, the wrong part, and after it. `None` if all of it is wrong.
    parts: Option<(VisibleText, VisibleText, VisibleText)>,
}

/// A hit in the list.
struct HitRow {
    /// The snippet, cut where marks begin and end.
    parts: Vec<SnippetPart>,
    label: &'static str,
    /// The session at that second; `None` for requests that opened none.
    address: Option<String>,
    position: Option<String>,
    /// The API requests that a rebuilt command was rebuilt from.
    requests: Vec<VisibleText>,
    user: VisibleText,
    target: TargetText,
    at: TimeLabel,
    /// A class and a word, if the recording is not known to be right.
    mark: Option<(&'static str, &'static str)>,
}

/// Requests of one kubectl run that are shown; a watch or a large apply has many.
const MAX_REQUESTS: usize = 100;

/// How many hits pages are numbered for; further pages are found by where the page before ended.
const COUNTED_HITS: usize = 10_000;

/// A stretch of a snippet.
#[derive(Debug, PartialEq, Eq)]
struct SnippetPart {
    text: VisibleText,
    marked: bool,
}

/// What both pages need.
struct SearchContext {
    searcher: Arc<Searcher>,
    evidence: Arc<Evidence>,
    journal: Arc<AccessJournal>,
    site: Arc<Site>,
}

/// `GET /search`
pub(crate) async fn page(
    State(searcher): State<Arc<Searcher>>,
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    list(&SearchContext { searcher, evidence, journal, site }, &login, filters, NavItem::Search).await
}

/// `GET /requests`: what kubectl and others asked of the clusters, joined by run, newest first.
pub(crate) async fn requests(
    State(searcher): State<Arc<Searcher>>,
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let filters = Filters { source: "request".to_owned(), kind: String::new(), ..filters };
    list(&SearchContext { searcher, evidence, journal, site }, &login, filters, NavItem::Requests).await
}

async fn list(
    context: &SearchContext,
    login: &WebSession,
    filters: Filters,
    item: NavItem,
) -> Result<Response, Failure> {
    let requests = item == NavItem::Requests;
    let action = if requests { "/requests" } else { "/search" };
    let query = search::Query { facets: true, ..filters.query()? };
    let (offset, limit, order) = (query.offset, query.limit, query.order);
    let searched = requests || !query.text.is_empty() || filters.any() || query.source.is_some();
    let (found, error) = if searched { run(context, login, query).await? } else { Default::default() };
    let sessions: BTreeSet<RecordingId> = found.hits.iter().filter_map(|hit| hit.session).collect();
    let standings = context.evidence.inspector.standings(sessions, INSPECTED_WITHIN).await;
    let now = Timestamp::now();
    let title = match filters.q.trim() {
        "" if requests => "Requests".to_owned(),
        "" => "Search".to_owned(),
        text => format!("{text} – search"),
    };
    Ok(render(&SearchPage {
        page: Layout::new(&context.site, login, item, title),
        action,
        requests,
        orders: orders(&filters, action, order),
        facets: facet_groups(&found.facets, &filters, action),
        kinds: if requests { Vec::new() } else { kinds(&filters) },
        options: FilterOptions::load(&context.searcher).await?,
        outcomes: OutcomeFilter::ALL,
        searched,
        error,
        hits: found.hits.iter().map(|hit| HitRow::new(hit, &standings, now)).collect(),
        total: if found.more { format!("{}+", found.total) } else { found.total.to_string() },
        previous: previous(&filters, action, offset, limit)
            .map(|(first, to)| (if first { "First page" } else { page_names(order).0 }, to)),
        next: next(&filters, action, &found, offset + limit, limit).map(|to| (page_names(order).1, to)),
        filters,
    }))
}

/// Address of the page before, and whether it is the first page: pages beyond the numbered ones lead back there.
/// `None` on the first page.
fn previous(filters: &Filters, action: &str, offset: usize, limit: usize) -> Option<(bool, String)> {
    if !filters.after.trim().is_empty() {
        return Some((true, filters.address(action, &[])));
    }
    let to = offset.saturating_sub(limit).to_string();
    (offset > 0).then(|| (false, filters.address(action, &[("offset", &to)])))
}

/// Address of the page behind `end` hits, `limit` to a page. `None` if this is the last page, or the order has no
/// cursor to go on from.
fn next(filters: &Filters, action: &str, found: &Hits, end: usize, limit: usize) -> Option<String> {
    let deep = !filters.after.trim().is_empty() || end + limit > COUNTED_HITS;
    if deep {
        let cursor = found.next.as_ref()?.to_string();
        return Some(filters.address(action, &[("after", &cursor)]));
    }
    ((found.more || end < found.total) && !found.hits.is_empty())
        .then(|| filters.address(action, &[("offset", &end.to_string())]))
}

/// Searches, and journals that hits are about to be shown. A query that cannot be read is explained beside the box, with
/// what was written still in it.
async fn run(
    context: &SearchContext,
    login: &WebSession,
    query: search::Query,
) -> Result<(Hits, Option<InvalidQuery>), Failure> {
    let asked = query.clone();
    match context.searcher.try_search(&asked).await? {
        SearchOutcome::Found(hits) => {
            context.journal.searched(login, &query, &hits).await?;
            Ok((hits, None))
        }
        SearchOutcome::Invalid(error) => Ok((Hits::default(), Some(InvalidQuery::new(&error, &query.text)))),
    }
}

impl InvalidQuery {
    fn new(error: &QueryError, text: &str) -> Self {
        let parts = error.place().and_then(|place| {
            let (before, after) = (text.get(..place.start)?, text.get(place.end..)?);
            Some((VisibleText::new(before), VisibleText::new(text.get(place)?), VisibleText::new(after)))
        });
        Self { message: sentence(&error.to_string()), parts }
    }
}

/// Links that choose which hits come first.
fn orders(filters: &Filters, action: &str, chosen: Order) -> Vec<FilterLink> {
    let orders = [
        ("Newest", "", Order::Newest),
        ("Oldest", "oldest", Order::Oldest),
        ("Best match", "relevance", Order::Relevance),
    ];
    let link = |(label, name, order)| FilterLink {
        label,
        address: filters.address(action, &[("order", name)]),
        active: order == chosen,
    };
    orders.map(link).into()
}

/// The names of the links to the pages before and after.
fn page_names(order: Order) -> (&'static str, &'static str) {
    match order {
        Order::Newest => ("Newer", "Older"),
        Order::Oldest => ("Older", "Newer"),
        Order::Relevance => ("Previous", "Next"),
    }
}

/// Links that narrow to a kind of hits.
fn kinds(filters: &Filters) -> Vec<FilterLink> {
    let kinds = [
        ("Everything", "", ""),
        ("Commands", "command", ""),
        ("Output", "output", ""),
        ("Sessions", "session", ""),
        ("API requests", "", "request"),
    ];
    kinds
        .map(|(label, kind, source)| FilterLink {
            label,
            address: filters.address("/search", &[("kind", kind), ("source", source)]),
            active: filters.kind == kind && filters.source == source,
        })
        .into()
}

impl HitRow {
    fn new(hit: &Hit, standings: &BTreeMap<RecordingId, Standing>, now: Timestamp) -> Self {
        Self {
            parts: snippet_parts(
                &hit.snippet,
                if hit.kind == HitKind::Output { VisibleText::lines } else { VisibleText::new },
            ),
            label: label(hit),
            address: hit.session.map(|id| match hit.offset {
                Some(offset) => format!("/sessions/{id}?t={}", units::seconds(offset)),
                None => format!("/sessions/{id}"),
            }),
            position: hit.session.and(hit.offset).map(units::position),
            requests: hit
                .requests
                .iter()
                .take(MAX_REQUESTS)
                .map(|request| VisibleText::clipped(request, 400))
                .collect(),
            user: VisibleText::clipped(&hit.user, 120),
            target: TargetText::new(&hit.cluster, &hit.namespace, &hit.pod, &hit.container),
            at: TimeLabel::new(hit.at, now),
            mark: hit.session.and_then(|id| standing::mark(standings.get(&id).copied())),
        }
    }
}

fn label(hit: &Hit) -> &'static str {
    match (hit.kind, hit.source) {
        (_, Some(CommandSource::Argv)) => "argv",
        (_, Some(CommandSource::Typed)) => "typed",
        (_, Some(CommandSource::Request)) => "request, rebuilt",
        (HitKind::Request, None) => "request",
        (HitKind::Session, None) => "session",
        (HitKind::Output, None) => "output",
        (HitKind::Command, None) => "command",
    }
}

/// Cuts a snippet at its ranges; ranges that do not fit the text mark nothing.
fn snippet_parts(snippet: &Snippet, visible: fn(&str) -> VisibleText) -> Vec<SnippetPart> {
    let mut parts = Vec::new();
    let mut at = 0;
    for range in &snippet.ranges {
        let (Some(before), Some(marked)) = (snippet.text.get(at..range.start), snippet.text.get(range.clone())) else {
            continue;
        };
        parts.push(SnippetPart { text: visible(before), marked: false });
        parts.push(SnippetPart { text: visible(marked), marked: true });
        at = range.end;
    }
    parts.push(SnippetPart { text: visible(snippet.text.get(at..).unwrap_or_default()), marked: false });
    parts.retain(|part| !part.text.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, ranges: &[(usize, usize)]) -> Vec<(String, bool)> {
        let ranges = ranges.iter().map(|&(start, end)| start..end).collect();
        let parts = snippet_parts(&Snippet { text: text.to_owned(), ranges }, VisibleText::new);
        parts.into_iter().map(|part| (part.text.to_string(), part.marked)).collect()
    }

    fn part(text: &str, marked: bool) -> (String, bool) {
        (text.to_owned(), marked)
    }

    #[test]
    fn a_snippet_is_cut_at_its_ranges() {
        assert_eq!(
            cut("cat /etc/passwd", &[(0, 3), (4, 15)]),
            [part("cat", true), part(" ", false), part("/etc/passwd", true)]
        );
        assert_eq!(cut("plain", &[]), [part("plain", false)]);
    }

    fn turned(filters: &Filters, total: usize, more: bool) -> (Option<(bool, String)>, Option<String>) {
        let (offset, limit) = (filters.offset().unwrap(), filters.limit().unwrap());
        let next_hit = "1795348800000000.1f".parse().ok();
        let found = Hits { hits: vec![hit()], total, more, next: next_hit, ..Hits::default() };
        (previous(filters, "/search", offset, limit), next(filters, "/search", &found, offset + limit, limit))
    }

    fn hit() -> Hit {
        Hit {
            kind: HitKind::Output,
            session: None,
            offset: None,
            at: Timestamp::UNIX_EPOCH,
            user: String::new(),
            cluster: String::new(),
            namespace: String::new(),
            pod: String::new(),
            container: String::new(),
            source: None,
            text: String::new(),
            requests: Vec::new(),
            snippet: Snippet::default(),
        }
    }

    #[test]
    fn pages_are_turned_by_number_as_far_as_hits_are_counted_and_by_place_beyond() {
        let at = |offset: &str, after: &str| Filters {
            q: "ls".to_owned(),
            offset: offset.to_owned(),
            after: after.to_owned(),
            ..Filters::default()
        };
        let (first, second) = (Some((false, "/search?q=ls".to_owned())), Some("/search?q=ls&offset=50".to_owned()));
        assert_eq!(turned(&at("", ""), 60, false), (None, second));
        assert_eq!(turned(&at("50", ""), 60, false).1, None);
        assert_eq!(turned(&at("50", ""), 60, false).0, first.map(|(is, to)| (is, format!("{to}&offset=0"))));
        let last_counted = turned(&at("9950", ""), 10_000, true);
        let deep = Some("/search?q=ls&after=1795348800000000.1f".to_owned());
        assert_eq!(last_counted, (Some((false, "/search?q=ls&offset=9900".to_owned())), deep.clone()));
        assert_eq!(
            turned(&at("", "1795348900000000.2a"), 10_000, true),
            (Some((true, "/search?q=ls".to_owned())), deep)
        );
    }

    #[test]
    fn ranges_that_do_not_fit_mark_nothing() {
        assert_eq!(cut("naïve", &[(3, 4)]), [part("naïve", false)]);
        assert_eq!(cut("ab", &[(1, 9)]), [part("ab", false)]);
        assert_eq!(cut("abc", &[(1, 2), (0, 1)]), [part("a", false), part("b", true), part("c", false)]);
    }
}

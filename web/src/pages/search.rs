use askama::Template;
use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use jiff::Timestamp;
use recording::CommandSource;
use search::{Hit, HitKind, Hits, Order, OutcomeFilter, QueryError, Snippet};

use crate::{
    http::failure::Failure,
    pages::facets::{Narrowing, narrowings},
    pages::filters::Filters,
    pages::known::FilterOptions,
    pages::layout::{Layout, Part, render},
    pages::target::Target,
    pages::time_label::{self, TimeLabel},
    pages::visible_text::VisibleText,
    state::{Asked, Shared, sentence},
};
use identity::web_sessions::WebSession;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    page: Layout,
    filters: Filters,
    known: FilterOptions,
    action: &'static str,
    requests: bool,
    chips: Vec<Chip>,
    outcomes: [OutcomeFilter; 10],
    asked: bool,
    trouble: Option<Trouble>,
    orders: Vec<Chip>,
    narrowings: Vec<Narrowing>,
    hits: Vec<Line>,
    total: String,
    /// The page before, and what it is called; the name and address of the one after.
    previous: Option<(&'static str, String)>,
    next: Option<(&'static str, String)>,
}

/// A search that is not one.
struct Trouble {
    message: String,
    /// What was written: before the place, there, and after it. None where it is all of it.
    place: Option<(VisibleText, VisibleText, VisibleText)>,
}

/// A kind to narrow to, or an order.
struct Chip {
    label: &'static str,
    address: String,
    here: bool,
}

/// A hit in the list.
struct Line {
    /// The text in pieces, some of them marked.
    pieces: Vec<Piece>,
    label: &'static str,
    /// Where it leads: the session at that second.
    address: Option<String>,
    position: Option<String>,
    /// What a rebuilt command was rebuilt from.
    requests: Vec<VisibleText>,
    user: VisibleText,
    target: Target,
    at: TimeLabel,
}

/// Requests of one run that are shown; a watch or a large apply has many.
const REQUESTS: usize = 100;

/// How deep pages are counted; further ones are found by where the page before ended.
const COUNTED: usize = 10_000;

/// A stretch of a snippet.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: VisibleText,
    marked: bool,
}

/// `GET /search`
pub(crate) async fn page(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    list(&shared, &login, filters, Part::Search).await
}

/// `GET /requests`: what kubectl and others asked of the clusters, joined by run, newest first.
pub(crate) async fn requests(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    list(&shared, &login, Filters { source: "request".to_owned(), kind: String::new(), ..filters }, Part::Requests)
        .await
}

async fn list(shared: &Shared, login: &WebSession, filters: Filters, part: Part) -> Result<Response, Failure> {
    let requests = part == Part::Requests;
    let action = if requests { "/requests" } else { "/search" };
    let query = search::Query { facets: true, ..filters.query()? };
    let (offset, limit, order) = (query.offset, query.limit, query.order);
    let asked = requests || !query.text.is_empty() || filters.any() || query.source.is_some();
    let (found, trouble) = if asked { ask(shared, query).await? } else { Default::default() };
    let now = Timestamp::now();
    let title = match filters.q.trim() {
        "" if requests => "Requests".to_owned(),
        "" => "Search".to_owned(),
        text => format!("{text} – search"),
    };
    Ok(render(&SearchPage {
        page: Layout::new(shared, login, part, title),
        action,
        requests,
        orders: orders(&filters, action, order),
        narrowings: narrowings(&found.facets, &filters, action),
        chips: if requests { Vec::new() } else { chips(&filters) },
        known: FilterOptions::of(shared).await?,
        outcomes: OutcomeFilter::ALL,
        asked,
        trouble,
        hits: found.hits.iter().map(|hit| Line::new(hit, now)).collect(),
        total: if found.more { format!("{}+", found.total) } else { found.total.to_string() },
        previous: previous(&filters, action, offset, limit)
            .map(|(first, to)| (if first { "First page" } else { turns(order).0 }, to)),
        next: next(&filters, action, &found, offset + limit, limit).map(|to| (turns(order).1, to)),
        filters,
    }))
}

/// The page before; of a page beyond those that are counted it is the first one, and that is said.
fn previous(filters: &Filters, action: &str, offset: usize, limit: usize) -> Option<(bool, String)> {
    if !filters.after.trim().is_empty() {
        return Some((true, filters.address(action, &[])));
    }
    let to = offset.saturating_sub(limit).to_string();
    (offset > 0).then(|| (false, filters.address(action, &[("offset", &to)])))
}

/// The page behind `end` hits, `limit` to a page; none where this is the last, or where only counting would lead further.
fn next(filters: &Filters, action: &str, found: &Hits, end: usize, limit: usize) -> Option<String> {
    let deep = !filters.after.trim().is_empty() || end + limit > COUNTED;
    if deep {
        let cursor = found.next.as_ref()?.to_string();
        return Some(filters.address(action, &[("after", &cursor)]));
    }
    ((found.more || end < found.total) && !found.hits.is_empty())
        .then(|| filters.address(action, &[("offset", &end.to_string())]))
}

/// A query that is not one is told beside the box, with what was written still in it.
async fn ask(shared: &Shared, query: search::Query) -> Result<(Hits, Option<Trouble>), Failure> {
    let text = query.text.clone();
    match shared.ask(move |index| index.search(&query)).await? {
        Asked::Found(hits) => Ok((hits, None)),
        Asked::InvalidQuery(error) => Ok((Hits::default(), Some(Trouble::new(&error, &text)))),
    }
}

impl Trouble {
    fn new(error: &QueryError, text: &str) -> Self {
        let parts = error.place().and_then(|place| {
            let (before, after) = (text.get(..place.start)?, text.get(place.end..)?);
            Some((VisibleText::new(before), VisibleText::new(text.get(place)?), VisibleText::new(after)))
        });
        Self { message: sentence(&error.to_string()), place: parts }
    }
}

/// Which hits come first: chosen by a link each.
fn orders(filters: &Filters, action: &str, here: Order) -> Vec<Chip> {
    let orders = [
        ("Newest", "", Order::Newest),
        ("Oldest", "oldest", Order::Oldest),
        ("Best match", "relevance", Order::Relevance),
    ];
    let chip = |(label, name, order)| Chip {
        label,
        address: filters.address(action, &[("order", name)]),
        here: order == here,
    };
    orders.map(chip).into()
}

/// What the links to the pages before and after are called.
fn turns(order: Order) -> (&'static str, &'static str) {
    match order {
        Order::Newest => ("Newer", "Older"),
        Order::Oldest => ("Older", "Newer"),
        Order::Relevance => ("Previous", "Next"),
    }
}

fn chips(filters: &Filters) -> Vec<Chip> {
    let kinds = [
        ("Everything", "", ""),
        ("Commands", "command", ""),
        ("Output", "output", ""),
        ("Sessions", "session", ""),
        ("API requests", "", "request"),
    ];
    kinds
        .map(|(label, kind, source)| Chip {
            label,
            address: filters.address("/search", &[("kind", kind), ("source", source)]),
            here: filters.kind == kind && filters.source == source,
        })
        .into()
}

impl Line {
    fn new(hit: &Hit, now: Timestamp) -> Self {
        Self {
            pieces: pieces(
                &hit.snippet,
                if hit.kind == HitKind::Output { VisibleText::lines } else { VisibleText::new },
            ),
            label: label(hit),
            address: hit.session.map(|id| match hit.micros_in_session {
                Some(micros) => format!("/sessions/{id}?t={}", time_label::seconds(micros)),
                None => format!("/sessions/{id}"),
            }),
            position: hit.session.and(hit.micros_in_session).map(time_label::position),
            requests: hit.requests.iter().take(REQUESTS).map(|request| VisibleText::clipped(request, 400)).collect(),
            user: VisibleText::clipped(&hit.user, 120),
            target: Target::new(&hit.cluster, &hit.namespace, &hit.pod, &hit.container),
            at: TimeLabel::new(hit.at, now),
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
fn pieces(snippet: &Snippet, shown: fn(&str) -> VisibleText) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for range in &snippet.ranges {
        let (Some(before), Some(marked)) = (snippet.text.get(at..range.start), snippet.text.get(range.clone())) else {
            continue;
        };
        pieces.push(Piece { text: shown(before), marked: false });
        pieces.push(Piece { text: shown(marked), marked: true });
        at = range.end;
    }
    pieces.push(Piece { text: shown(snippet.text.get(at..).unwrap_or_default()), marked: false });
    pieces.retain(|piece| !piece.text.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, ranges: &[(usize, usize)]) -> Vec<(String, bool)> {
        let ranges = ranges.iter().map(|&(start, end)| start..end).collect();
        let pieces = pieces(&Snippet { text: text.to_owned(), ranges }, VisibleText::new);
        pieces.into_iter().map(|piece| (piece.text.to_string(), piece.marked)).collect()
    }

    fn piece(text: &str, marked: bool) -> (String, bool) {
        (text.to_owned(), marked)
    }

    #[test]
    fn a_snippet_is_cut_at_its_ranges() {
        assert_eq!(
            cut("cat /etc/passwd", &[(0, 3), (4, 15)]),
            [piece("cat", true), piece(" ", false), piece("/etc/passwd", true)]
        );
        assert_eq!(cut("plain", &[]), [piece("plain", false)]);
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
            micros_in_session: None,
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
        assert_eq!(cut("naïve", &[(3, 4)]), [piece("naïve", false)]);
        assert_eq!(cut("ab", &[(1, 9)]), [piece("ab", false)]);
        assert_eq!(cut("abc", &[(1, 2), (0, 1)]), [piece("a", false), piece("b", true), piece("c", false)]);
    }
}

use std::sync::Arc;

use askama::Template;
use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use identity::WebSession;
use jiff::Timestamp;
use recording::cast::{IMPORTED, SessionKind};
use search::{OutcomeFilter, SessionRow};
use verify::Standing;

use super::{
    badge::OutcomeBadge,
    facets::{FilterLink, FilterOptions},
    filters::Filters,
    layout::{Layout, NavItem, render},
    standing,
    time_label::TimeLabel,
    units,
    visible_text::{TargetText, VisibleText},
};
use crate::{
    context::{evidence::Evidence, inspector::INSPECTED_WITHIN, searcher::Searcher, site::Site},
    http::failure::Failure,
};

/// Characters of a command in a list.
const MAX_COMMAND: usize = 300;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    page: Layout,
    filters: Filters,
    options: FilterOptions,
    action: &'static str,
    quick_filters: Vec<FilterLink>,
    outcomes: [OutcomeFilter; 10],
    rows: Vec<SessionListItem>,
    total: usize,
    next: Option<String>,
    first: Option<String>,
    kubectl_hint: String,
}

/// A session in the list.
struct SessionListItem {
    /// What the recording is worth, where it is not known to be right.
    mark: Option<(&'static str, &'static str)>,
    id: String,
    badge: OutcomeBadge,
    /// It was made of a file; no gateway saw it.
    imported: bool,
    user: VisibleText,
    command: VisibleText,
    tty: bool,
    target: TargetText,
    started: TimeLabel,
    length: Option<String>,
}

/// `GET /`
pub(crate) async fn list(
    State(searcher): State<Arc<Searcher>>,
    State(evidence): State<Arc<Evidence>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let filter = filters.sessions()?;
    let found = searcher.sessions(&filter).await?;
    let now = Timestamp::now();
    let standings = evidence.inspector.standings(found.rows.iter().map(|row| row.id), INSPECTED_WITHIN).await;
    Ok(render(&SessionsPage {
        page: Layout::new(&site, &login, NavItem::Sessions, "Sessions"),
        action: "/",
        quick_filters: quick_filters(&filters),
        options: FilterOptions::load(&searcher).await?,
        outcomes: OutcomeFilter::ALL,
        rows: found
            .rows
            .iter()
            .map(|row| SessionListItem::new(&site, row, standings.get(&row.id).copied(), now))
            .collect(),
        total: found.total,
        next: found.next.map(|cursor| filters.address("/", &[("after", &cursor.to_string())])),
        first: (!filters.after.is_empty()).then(|| filters.address("/", &[])),
        kubectl_hint: site.kubectl_hint.clone(),
        filters,
    }))
}

fn quick_filters(filters: &Filters) -> Vec<FilterLink> {
    let quick = [
        ("All", ""),
        ("Live", "live"),
        ("Non-zero exit", "failed"),
        ("Did not start", "failed_to_start"),
        ("Ended by gateway", "ended_by_gateway"),
    ];
    quick
        .map(|(label, outcome)| FilterLink {
            label,
            address: filters.address("/", &[("outcome", outcome)]),
            active: filters.outcome == outcome,
        })
        .into()
}

impl SessionListItem {
    fn new(site: &Site, row: &SessionRow, standing: Option<Standing>, now: Timestamp) -> Self {
        Self {
            mark: standing::mark(standing),
            id: row.id.to_string(),
            badge: OutcomeBadge::new(row.outcome.as_ref(), site.has_outlived(&row.gateway, row.started)),
            imported: row.gateway == IMPORTED,
            user: VisibleText::clipped(&row.user, 120),
            command: command(row.kind, &row.command),
            tty: row.tty,
            target: TargetText::new(&row.cluster, &row.namespace, &row.pod, &row.container),
            started: TimeLabel::new(row.started, now),
            length: row.duration.map(units::length),
        }
    }
}

/// What a session ran, in a line; `quoted` is its argv.
pub(crate) fn command(kind: SessionKind, quoted: &str) -> VisibleText {
    match kind {
        SessionKind::Exec => VisibleText::clipped(quoted, MAX_COMMAND),
        SessionKind::Attach => VisibleText::new("attach"),
        SessionKind::PortForward => VisibleText::new("port-forward"),
    }
}

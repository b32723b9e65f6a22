use askama::Template;
use axum::{
    Extension,
    extract::{Query, State as With},
    response::Response,
};
use jiff::Timestamp;
use recording::cast::{IMPORTED, SessionKind};
use search::{OutcomeFilter, SessionRow};

use crate::{
    http::failure::Failure,
    pages::badge::OutcomeBadge,
    pages::filters::Filters,
    pages::known::FilterOptions,
    pages::layout::{Layout, Part, render},
    pages::target::Target,
    pages::time_label::{self, TimeLabel},
    pages::visible_text::VisibleText,
    state::{AppState, Shared},
};
use identity::web_sessions::WebSession;

/// Characters of a command in a list.
const COMMAND: usize = 300;

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    page: Layout,
    filters: Filters,
    known: FilterOptions,
    action: &'static str,
    chips: Vec<Chip>,
    outcomes: [OutcomeFilter; 10],
    rows: Vec<Row>,
    total: usize,
    next: Option<String>,
    first: Option<String>,
    kubectl_hint: String,
}

/// A quick filter.
struct Chip {
    label: &'static str,
    address: String,
    here: bool,
}

/// A session in the list.
struct Row {
    id: String,
    badge: OutcomeBadge,
    /// No gateway saw it.
    imported: bool,
    user: VisibleText,
    command: VisibleText,
    tty: bool,
    target: Target,
    started: TimeLabel,
    length: Option<String>,
}

/// `GET /`
pub(crate) async fn list(
    With(shared): With<Shared>,
    Extension(login): Extension<WebSession>,
    Query(filters): Query<Filters>,
) -> Result<Response, Failure> {
    let filter = filters.sessions()?;
    let found = shared.find(move |index| index.sessions(&filter)).await?;
    let now = Timestamp::now();
    Ok(render(&SessionsPage {
        page: Layout::new(&shared, &login, Part::Sessions, "Sessions"),
        action: "/",
        chips: chips(&filters),
        known: FilterOptions::of(&shared).await?,
        outcomes: OutcomeFilter::ALL,
        rows: found.rows.iter().map(|row| Row::new(&shared, row, now)).collect(),
        total: found.total,
        next: found.next.map(|cursor| filters.address("/", &[("after", &cursor.to_string())])),
        first: (!filters.after.is_empty()).then(|| filters.address("/", &[])),
        kubectl_hint: shared.kubectl_hint.clone(),
        filters,
    }))
}

fn chips(filters: &Filters) -> Vec<Chip> {
    let quick = [
        ("All", ""),
        ("Live", "live"),
        ("Non-zero exit", "failed"),
        ("Did not start", "failed_to_start"),
        ("Ended by gateway", "ended_by_gateway"),
    ];
    quick
        .map(|(label, outcome)| Chip {
            label,
            address: filters.address("/", &[("outcome", outcome)]),
            here: filters.outcome == outcome,
        })
        .into()
}

impl Row {
    fn new(shared: &AppState, row: &SessionRow, now: Timestamp) -> Self {
        Self {
            id: row.id.to_string(),
            badge: shared.badge(row.outcome.as_ref(), &row.gateway, row.started),
            imported: row.gateway == IMPORTED,
            user: VisibleText::clipped(&row.user, 120),
            command: command(row.kind, &row.command),
            tty: row.tty,
            target: Target::new(&row.cluster, &row.namespace, &row.pod, &row.container),
            started: TimeLabel::new(row.started, now),
            length: row.duration_micros.map(time_label::length),
        }
    }
}

/// What a session ran, in a line.
pub(crate) fn command(kind: SessionKind, quoted: &str) -> VisibleText {
    match kind {
        SessionKind::Exec => VisibleText::clipped(quoted, COMMAND),
        SessionKind::Attach => VisibleText::new("attach"),
        SessionKind::PortForward => VisibleText::new("port-forward"),
    }
}

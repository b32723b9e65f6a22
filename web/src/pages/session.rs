use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Response,
};
use jiff::Timestamp;
use recording::{
    CommandSource, Manifest, Outcome, RecordingId,
    cast::{Imported, SessionKind, SessionMetadata},
};
use serde::Deserialize;
use storage::Summary;

use crate::{
    context::commands,
    http::failure::Failure,
    pages::badge::OutcomeBadge,
    pages::connections::{self, Connection},
    pages::layout::{Layout, Part, render},
    pages::sessions::command,
    pages::target::Target,
    pages::time_label::{self, TimeLabel},
    pages::units::size,
    pages::visible_text::VisibleText,
    state::{Shared, recording, unreadable},
};
use identity::web_sessions::WebSession;

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    page: Layout,
    id: RecordingId,
    /// Seconds at which the player stands when the page opens; empty for the start.
    start: String,
    /// Seconds whose screen is shown until somebody presses play.
    poster: String,
    command: VisibleText,
    badge: OutcomeBadge,
    live: bool,
    /// The player follows what goes on, instead of playing what was.
    follows: bool,
    /// It was to play a moment that is not stored yet.
    ahead: bool,
    /// Who sees the page may end the session, from here.
    ends: bool,
    /// Why it could not be ended, and the reason that was given.
    trouble: Option<(String, String)>,
    /// No end is stored and none will be.
    lost: bool,
    /// Whether there is something to play: a process ran and may have printed.
    plays: bool,
    /// Where it came from, of a recording that no gateway made.
    imported: Option<Origin>,
    /// Why nothing ran or why it was ended, where somebody said so.
    reason: Option<VisibleText>,
    connections: Vec<Connection>,
    terminal: bool,
    piped_input: bool,
    target: Target,
    user: VisibleText,
    started: TimeLabel,
    ended: Option<TimeLabel>,
    length: Option<String>,
    steps: Vec<Step>,
    /// False where earlier ones are out of reach at the moment.
    all_steps: bool,
    more_steps: usize,
    anomalies: Vec<VisibleText>,
    facts: Vec<Fact>,
    argv: Vec<VisibleText>,
}

/// A command beside the player.
struct Step {
    seconds: String,
    position: String,
    source: &'static str,
    text: VisibleText,
}

/// A line of the facts; those of a client's own claims say so.
struct Fact {
    name: &'static str,
    value: VisibleText,
    claimed: bool,
}

/// The file that a recording was made of.
struct Origin {
    file: VisibleText,
    by: VisibleText,
    when: TimeLabel,
}

/// What the address may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct At {
    t: String,
}

/// Steps shown beside the player; the API has them all.
const STEPS: usize = 2000;

/// `GET /sessions/{id}?t=SECONDS`
pub(crate) async fn page(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    Query(at): Query<At>,
) -> Result<Response, Failure> {
    view(&shared, &login, recording(&id)?, &at, None).await
}

/// The page of a session that could not be ended: why, and the reason that was given.
pub(crate) async fn not_ended(
    shared: &Shared,
    login: &WebSession,
    id: RecordingId,
    trouble: String,
    reason: String,
) -> Result<Response, Failure> {
    view(shared, login, id, &At::default(), Some((trouble, reason))).await
}

async fn view(
    shared: &Shared,
    login: &WebSession,
    id: RecordingId,
    at: &At,
    trouble: Option<(String, String)>,
) -> Result<Response, Failure> {
    let summary = shared.player.summary(id).await.map_err(unreadable)?;
    shared.viewing(login, id).await?;
    let (steps, all_steps) = commands::of(shared, id, summary.manifest.as_ref()).await?;
    let session = &summary.header.kubetape;
    let command = command(session.kind, &crate::pages::visible_text::quoted(&session.argv));
    let title = format!("{} – {}", command.as_str(), VisibleText::clipped(&session.principal.name, 60));
    let now = Timestamp::now();
    let manifest = summary.manifest.as_ref();
    let target = &session.target;
    let began = time_label::from_micros(session.started_micros);
    let outlived = shared.outlived(&session.gateway, began);
    let live = manifest.is_none() && !outlived;
    let ahead = live && is_ahead(shared, id, &start(&at.t)).await;
    Ok(render(&SessionPage {
        page: Layout::new(shared, login, Part::Sessions, title),
        id,
        start: start(&at.t),
        poster: poster(session, manifest, &steps),
        command,
        badge: shared.badge(manifest.map(|manifest| &manifest.outcome), &session.gateway, began),
        live,
        follows: live && (start(&at.t).is_empty() || ahead),
        ahead,
        ends: live && shared.end_session.is_some() && session.gateway == shared.gateway_name,
        trouble,
        lost: manifest.is_none() && outlived,
        plays: plays(session, manifest),
        imported: session.imported.as_deref().map(|from| Origin::new(from, now)),
        reason: manifest.and_then(|manifest| reason(&manifest.outcome)),
        connections: connections::of(shared, session).await?,
        terminal: session.tty,
        piped_input: session.stores_input(),
        target: Target::new(&target.cluster, &target.namespace, &target.name, &target.container),
        user: VisibleText::clipped(&session.principal.name, 120),
        started: TimeLabel::new(began, now),
        ended: manifest.map(|manifest| TimeLabel::new(time_label::from_micros(manifest.ended_micros), now)),
        length: manifest.map(|manifest| time_label::length(manifest.duration_micros)),
        all_steps,
        more_steps: steps.len().saturating_sub(STEPS),
        steps: steps.iter().take(STEPS).map(Step::new).collect(),
        anomalies: manifest
            .iter()
            .flat_map(|m| &m.anomalies)
            .take(50)
            .map(|text| VisibleText::clipped(text, 400))
            .collect(),
        facts: facts(&summary),
        argv: session.argv.iter().map(|element| VisibleText::clipped(element, 4000)).collect(),
    }))
}

/// Whether the moment to play is not stored yet, of a session that goes on. Its start is played in any case; where it
/// cannot be said, the player is left to say why.
async fn is_ahead(shared: &Shared, id: RecordingId, start: &str) -> bool {
    let Some(seconds) = start.parse().ok().filter(|seconds: &f64| *seconds > 0.0) else { return false };
    shared.player.duration(id).await.is_ok_and(|stored| seconds * 1e6 >= stored as f64)
}

/// Seconds that are a number, or nothing: it goes into the page.
fn start(t: &str) -> String {
    let seconds = t.trim().parse::<f64>().ok().filter(|seconds| (0.0..1e9).contains(seconds));
    seconds.map_or_else(String::new, |seconds| seconds.to_string())
}

/// Port-forwards move no text, and what did not start has none.
fn plays(session: &SessionMetadata, manifest: Option<&Manifest>) -> bool {
    let failed = manifest.is_some_and(|manifest| matches!(manifest.outcome, Outcome::FailedToStart { .. }));
    session.kind != SessionKind::PortForward && !failed
}

fn reason(outcome: &Outcome) -> Option<VisibleText> {
    match outcome {
        Outcome::FailedToStart { message } => Some(VisibleText::clipped(message, 2000)),
        Outcome::EndedByGateway { reason, by } if by.is_empty() => Some(VisibleText::clipped(reason, 2000)),
        Outcome::EndedByGateway { reason, by } => Some(VisibleText::clipped(&format!("by {by}: {reason}"), 2000)),
        _ => None,
    }
}

/// A screen with something on it: the first typed command, or the end where nobody typed.
fn poster(session: &SessionMetadata, manifest: Option<&Manifest>, steps: &[recording::Command]) -> String {
    let typed = steps.iter().find(|step| step.source == CommandSource::Typed).filter(|_| session.tty);
    let end = manifest.map_or(0, |manifest| manifest.duration_micros);
    time_label::seconds(typed.map_or(end, |step| end.min(step.micros + 500_000)))
}

impl Origin {
    fn new(from: &Imported, now: Timestamp) -> Self {
        Self {
            file: VisibleText::clipped(&from.file, 200),
            by: VisibleText::clipped(&from.by, 120),
            when: TimeLabel::new(time_label::from_micros(from.at_micros), now),
        }
    }
}

impl Step {
    fn new(command: &recording::Command) -> Self {
        Self {
            seconds: time_label::seconds(command.micros),
            position: time_label::position(command.micros),
            source: match command.source {
                CommandSource::Argv => "argv",
                CommandSource::Typed => "typed",
                CommandSource::Request => "request",
            },
            text: VisibleText::clipped(&command.text, 500),
        }
    }
}

fn facts(summary: &Summary) -> Vec<Fact> {
    let session = &summary.header.kubetape;
    let mut facts = Vec::new();
    let mut add = |name, value: String, claimed| {
        if !value.is_empty() {
            facts.push(Fact { name, value: VisibleText::clipped(&value, 600), claimed });
        }
    };
    add("As", impersonated(session), false);
    if let Some(from) = &session.imported {
        add("Imported from", format!("{}, {}, {}", from.file, from.format, size(from.size)), false);
        add("Its SHA-256", from.sha256.clone(), false);
        add("Imported by", from.by.clone(), false);
    } else {
        add("Allowed by", format!("rule {}", session.rule), false);
        add("Credential", credential(session), false);
    }
    add("Kind", kind(session).to_owned(), false);
    add("Input", input(session).to_owned(), false);
    if let Some(manifest) = &summary.manifest {
        add("Outcome", outcome(manifest), false);
        add("Bytes", bytes(manifest), false);
        if !manifest.image.is_empty() {
            add("Image", manifest.image.clone(), false);
        }
        add("Transport", manifest.transport.clone(), false);
        add("Stored as", format!("{} chunks", manifest.chunks.len()), false);
    }
    add("Client", session.client.clone(), false);
    if session.imported.is_none() {
        add("Gateway", session.gateway.clone(), false);
    }
    add("User agent", session.user_agent.clone(), true);
    add("kubectl says", session.kubectl_command.clone(), true);
    add("kubectl run", session.kubectl_session.clone(), true);
    add("Recording", session.id.to_string(), false);
    facts
}

fn impersonated(session: &SessionMetadata) -> String {
    let as_whom = &session.impersonation;
    if as_whom.groups.is_empty() {
        as_whom.user.clone()
    } else {
        format!("{} in {}", as_whom.user, as_whom.groups.join(", "))
    }
}

fn credential(session: &SessionMetadata) -> String {
    let how = match session.principal.credential {
        access::Credential::ClientCertificate => "client certificate",
        access::Credential::Token => "token",
        access::Credential::Claimed => return String::new(),
    };
    format!("{how} {}", session.principal.credential_id)
}

fn kind(session: &SessionMetadata) -> &'static str {
    match (session.kind, session.tty) {
        (SessionKind::Exec, true) => "exec with a terminal",
        (SessionKind::Exec, false) => "exec without a terminal",
        (SessionKind::Attach, true) => "attach with a terminal",
        (SessionKind::Attach, false) => "attach without a terminal",
        (SessionKind::PortForward, _) => "port-forward",
    }
}

fn input(session: &SessionMetadata) -> &'static str {
    match (session.stdin, session.stores_input()) {
        (false, _) => "none was asked for",
        (true, true) => "recorded",
        (true, false) => "counted, not recorded",
    }
}

fn outcome(manifest: &Manifest) -> String {
    let badge = OutcomeBadge::new(&manifest.outcome);
    format!("{}. {}", badge.label, badge.more)
}

fn bytes(manifest: &Manifest) -> String {
    let totals = &manifest.totals;
    format!("{} in, {} out, {} errors", size(totals.stdin), size(totals.stdout), size(totals.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_number_or_nothing() {
        assert_eq!(start("12.5"), "12.5");
        assert_eq!(start(" 3 "), "3");
        for not in ["", "-1", "NaN", "inf", "1e99", "1\"><script>"] {
            assert_eq!(start(not), "", "{not}");
        }
    }
}

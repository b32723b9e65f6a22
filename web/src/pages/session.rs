use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Response,
};
use identity::WebSession;
use jiff::Timestamp;
use recording::{
    Command, CommandSource, Manifest, Micros, Outcome, RecordingId,
    cast::{Imported, SessionKind, SessionMetadata},
    shell_quoted,
};
use serde::Deserialize;
use storage::Summary;

use super::{
    badge::OutcomeBadge,
    connections::{self, ForwardedConnection},
    layout::{Layout, NavItem, render},
    sessions::command,
    standing::StandingBadge,
    time_label::{self, TimeLabel},
    units::{self, size},
    visible_text::{TargetText, VisibleText},
};
use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unreadable},
        site::Site,
    },
    http::failure::Failure,
};

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
    evidence: StandingBadge,
    live: bool,
    /// The player follows the session live, instead of playing what is stored.
    follows: bool,
    /// The address asks for a moment that is not stored yet.
    ahead: bool,
    /// The session can be ended from this page.
    can_end: bool,
    end_error: Option<EndError>,
    /// The person can be shut out from this page.
    can_lock: bool,
    /// Why the person is shut out; `None` if they are not.
    lock: Option<LockNotice>,
    /// No end is stored, and none will be: the gateway was restarted since.
    lost: bool,
    /// Whether there is something to play: a process ran and may have printed.
    plays: bool,
    /// The file that the recording was made of; `None` if a gateway made it.
    imported: Option<ImportedFrom>,
    /// Why nothing ran, or why the session was ended; `None` if nobody said.
    reason: Option<VisibleText>,
    connections: Vec<ForwardedConnection>,
    terminal: bool,
    piped_input: bool,
    target: TargetText,
    user: VisibleText,
    started: TimeLabel,
    ended: Option<TimeLabel>,
    length: Option<String>,
    commands: Vec<CommandRow>,
    /// False if earlier commands are out of reach at the moment.
    all_commands: bool,
    /// Commands beyond those that are shown.
    more_commands: usize,
    anomalies: Vec<VisibleText>,
    details: Vec<Detail>,
    argv: Vec<VisibleText>,
}

/// That the person is shut out.
struct LockNotice {
    by: VisibleText,
    reason: VisibleText,
    since: TimeLabel,
}

/// A command beside the player.
struct CommandRow {
    seconds: String,
    position: String,
    source: &'static str,
    text: VisibleText,
}

/// A line of the session's details.
struct Detail {
    name: &'static str,
    value: VisibleText,
    /// The client said so, and nobody checked it.
    claimed: bool,
}

/// The file that a recording was made of.
struct ImportedFrom {
    file: VisibleText,
    by: VisibleText,
    when: TimeLabel,
}

/// A session that could not be ended.
pub(crate) struct EndError {
    /// Why, as a sentence.
    pub(crate) message: String,
    /// The reason that was written for ending it; the form keeps it.
    pub(crate) reason: String,
}

/// Where the address asks the player to start.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StartParams {
    t: String,
}

/// Commands shown beside the player; the API has them all.
const MAX_COMMANDS: usize = 2000;

/// What the page of a session needs, for its own handler and for that of its form.
pub(crate) struct SessionContext {
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) journal: Arc<AccessJournal>,
    pub(crate) site: Arc<Site>,
}

/// `GET /sessions/{id}?t=SECONDS`
pub(crate) async fn page(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    Query(params): Query<StartParams>,
) -> Result<Response, Failure> {
    view(&SessionContext { evidence, journal, site }, &login, parse_id(&id)?, &params, None).await
}

/// The page of a session that could not be ended.
pub(crate) async fn not_ended(
    context: &SessionContext,
    login: &WebSession,
    id: RecordingId,
    error: EndError,
) -> Result<Response, Failure> {
    view(context, login, id, &StartParams::default(), Some(error)).await
}

async fn view(
    context: &SessionContext,
    login: &WebSession,
    id: RecordingId,
    params: &StartParams,
    end_error: Option<EndError>,
) -> Result<Response, Failure> {
    let SessionContext { evidence, journal, site } = context;
    let summary = evidence.player.summary(id).await.map_err(unreadable)?;
    journal.viewed(login, id).await?;
    let (session, manifest) = (&summary.header.kubetape, summary.manifest.as_ref());
    let found = evidence.commands(id, manifest).await?;
    let inspection = evidence.inspect(id).await;
    let command = command(session.kind, &shell_quoted(&session.argv));
    let title = format!("{} – {}", command.as_str(), VisibleText::clipped(&session.principal.name, 60));
    let (now, began) = (Timestamp::now(), time_label::timestamp(session.started));
    let target = &session.target;
    let outlived = site.has_outlived(&session.gateway, began);
    let live = manifest.is_none() && !outlived;
    let start = start(&params.t);
    let ahead = live && is_ahead(evidence, id, &start).await;
    Ok(render(&SessionPage {
        page: Layout::new(site, login, NavItem::Sessions, title),
        id,
        poster: poster(session, manifest, &found.commands),
        command,
        evidence: StandingBadge::new(&inspection),
        badge: OutcomeBadge::new(manifest.map(|manifest| &manifest.outcome), outlived),
        live,
        follows: live && (start.is_empty() || ahead),
        start,
        ahead,
        can_end: live && site.ends_sessions && site.is_of_this_gateway(&session.gateway),
        end_error,
        can_lock: site.locks_people && session.imported.is_none() && session.principal.name != login.user,
        lock: site.lock_of(&session.principal.name).map(|lock| LockNotice {
            by: VisibleText::clipped(&lock.by, 120),
            reason: VisibleText::clipped(&lock.reason, 600),
            since: TimeLabel::new(lock.since, now),
        }),
        lost: manifest.is_none() && outlived,
        plays: plays(session, manifest),
        imported: session.imported.as_deref().map(|from| ImportedFrom::new(from, now)),
        reason: manifest.and_then(|manifest| reason(&manifest.outcome)),
        connections: connections::load(evidence, session).await?,
        terminal: session.tty,
        piped_input: session.stores_input(),
        target: TargetText::new(&target.cluster, &target.namespace, &target.name, &target.container),
        user: VisibleText::clipped(&session.principal.name, 120),
        started: TimeLabel::new(began, now),
        ended: manifest.map(|manifest| TimeLabel::new(time_label::timestamp(manifest.ended), now)),
        length: manifest.map(|manifest| units::length(manifest.duration)),
        all_commands: found.complete,
        more_commands: found.commands.len().saturating_sub(MAX_COMMANDS),
        commands: found.commands.iter().take(MAX_COMMANDS).map(CommandRow::new).collect(),
        anomalies: manifest.map(anomalies).unwrap_or_default(),
        details: details(&summary),
        argv: session.argv.iter().map(|element| VisibleText::clipped(element, 4000)).collect(),
    }))
}

fn anomalies(manifest: &Manifest) -> Vec<VisibleText> {
    manifest.anomalies.iter().take(50).map(|text| VisibleText::clipped(text, 400)).collect()
}

/// Whether the moment to play is not stored yet, for a live session. Its start is played in any case. If nobody can say
/// how much is stored, the player is left to say why.
async fn is_ahead(evidence: &Evidence, id: RecordingId, start: &str) -> bool {
    let Some(seconds) = start.parse().ok().filter(|seconds: &f64| *seconds > 0.0) else { return false };
    evidence.player.duration(id).await.is_ok_and(|stored| Micros::from_secs_f64(seconds) >= stored)
}

/// The seconds as a number, or nothing if they are none: the text goes into the page.
fn start(t: &str) -> String {
    let seconds = t.trim().parse::<f64>().ok().filter(|seconds| (0.0..1e9).contains(seconds));
    seconds.map_or_else(String::new, |seconds| seconds.to_string())
}

/// Port-forwards move no text, and sessions that did not start have none.
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

/// The seconds of a screen with something on it: the first typed command, or the end if nobody typed.
fn poster(session: &SessionMetadata, manifest: Option<&Manifest>, commands: &[Command]) -> String {
    let typed = commands.iter().find(|command| command.source == CommandSource::Typed).filter(|_| session.tty);
    let end = manifest.map_or(Micros::ZERO, |manifest| manifest.duration);
    units::seconds(typed.map_or(end, |command| end.min(command.time + Duration::from_millis(500))))
}

impl ImportedFrom {
    fn new(from: &Imported, now: Timestamp) -> Self {
        Self {
            file: VisibleText::clipped(&from.file, 200),
            by: VisibleText::clipped(&from.by, 120),
            when: TimeLabel::new(time_label::timestamp(from.at), now),
        }
    }
}

impl CommandRow {
    fn new(command: &Command) -> Self {
        Self {
            seconds: units::seconds(command.time),
            position: units::position(command.time),
            source: match command.source {
                CommandSource::Argv => "argv",
                CommandSource::Typed => "typed",
                CommandSource::Request => "request",
            },
            text: VisibleText::clipped(&command.text, 500),
        }
    }
}

fn details(summary: &Summary) -> Vec<Detail> {
    let session = &summary.header.kubetape;
    let mut details = Vec::new();
    let mut add = |name, value: String, claimed| {
        if !value.is_empty() {
            details.push(Detail { name, value: VisibleText::clipped(&value, 600), claimed });
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
    details
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
    let badge = OutcomeBadge::ended(&manifest.outcome);
    format!("{}. {}", badge.label, badge.explanation)
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

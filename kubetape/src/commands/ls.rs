//! `kubetape ls`

use std::sync::Arc;

use anyhow::{Context, Result};
use jiff::Timestamp;
use recording::{Micros, Outcome, RecordingId, cast::SessionKind};
use search::OutcomeFilter;
use serde::Serialize;
use storage::{RecordingReader, Store, Summary};
use verify::{ListedCheck, Standing};

use super::evidence;
use crate::{
    cli::{self, Filter},
    config::Config,
    output::{self, Table, Tone, shell_words},
    time, wiring,
};

/// Recordings listed for people, unless --limit or --all is given.
const FOR_PEOPLE: usize = 50;

/// Recordings without an end for which the journal is asked. There are few of them: live ones, and those of gateways that died.
const UNFINISHED: usize = 100;

/// Recordings asked of the storage at once.
const PAGE: usize = 200;

pub async fn run(config: &Config, options: &cli::Ls) -> Result<()> {
    let limit = match options.limit {
        Some(limit) => limit,
        None if options.all || options.json => usize::MAX,
        None => FOR_PEOPLE,
    };
    let store = wiring::store_to_read(config).await?;
    let check = ListedCheck::new(&store, &wiring::trusted_keys(config)?).await.context("cannot read the keys")?;
    let lister = Lister { config, recordings: RecordingReader::new(store.clone()), store, check };
    let (rows, more) = lister.rows(options, limit).await?;
    if options.json {
        return output::json(&rows);
    }
    if rows.is_empty() {
        eprintln!("no recordings match");
        return Ok(());
    }
    table(&rows).print()?;
    for row in rows.iter().filter(|row| !row.why.is_empty()) {
        eprintln!("{}: {}: {}: see `kubetape verify`", row.id, row.evidence, output::plain(&row.why));
    }
    if more {
        eprintln!("there are more: --all lists all, --limit {} twice as many", limit.saturating_mul(2));
    }
    Ok(())
}

/// A recording in the output of `--json`.
#[derive(Debug, Serialize)]
struct RecordingRow {
    id: RecordingId,
    kind: SessionKind,
    user: String,
    cluster: String,
    namespace: String,
    pod: String,
    container: String,
    image: String,
    argv: Vec<String>,
    command: String,
    tty: bool,
    started: Timestamp,
    ended: Option<Timestamp>,
    duration_seconds: Option<f64>,
    outcome: &'static str,
    exit_code: Option<i64>,
    reason: Option<String>,
    bytes: Option<u64>,
    gateway: String,
    /// What header and manifest are worth: `signed`, `live`, or what is wrong with them.
    evidence: &'static str,
    #[serde(skip)]
    why: String,
}

impl RecordingRow {
    fn new(id: RecordingId, summary: Summary, (standing, why): (Standing, String)) -> Self {
        let session = summary.header.kubetape;
        let manifest = summary.manifest;
        let (outcome, exit_code, reason) = match manifest.as_ref().map(|manifest| &manifest.outcome) {
            None => ("live", None, None),
            Some(Outcome::Exited { exit_code }) => ("exited", Some(*exit_code), None),
            Some(Outcome::Ended) => ("ended", None, None),
            Some(Outcome::FailedToStart { message }) => ("failed_to_start", None, Some(message.clone())),
            Some(Outcome::EndedByGateway { reason, .. }) => ("ended_by_gateway", None, Some(reason.clone())),
            Some(Outcome::ClientGone) => ("client_gone", None, None),
            Some(Outcome::UpstreamGone) => ("upstream_gone", None, None),
            Some(Outcome::Interrupted) => ("interrupted", None, None),
            Some(Outcome::Unknown) => ("unknown", None, None),
        };
        Self {
            id,
            kind: session.kind,
            user: session.principal.name,
            cluster: session.target.cluster,
            namespace: session.target.namespace,
            pod: session.target.name,
            container: session.target.container,
            command: shell_words(&session.argv),
            argv: session.argv,
            image: manifest.as_ref().map(|manifest| manifest.image.clone()).unwrap_or_default(),
            tty: session.tty,
            started: time::timestamp(session.started),
            ended: manifest.as_ref().map(|manifest| time::timestamp(manifest.ended)),
            duration_seconds: manifest.as_ref().map(|manifest| manifest.duration.as_secs_f64()),
            outcome,
            exit_code,
            reason,
            bytes: manifest.as_ref().map(|m| m.totals.stdin + m.totals.stdout + m.totals.stderr),
            gateway: session.gateway,
            evidence: match standing {
                // The chunks and the journal were not looked at.
                Standing::Proven => "signed",
                other => other.label(),
            },
            why,
        }
    }

    fn ended_with(&self, outcome: OutcomeFilter) -> bool {
        match outcome {
            OutcomeFilter::Failed => self.exit_code.is_some_and(|code| code != 0),
            outcome => outcome.name() == self.outcome,
        }
    }

    fn matches(&self, options: &cli::Ls) -> bool {
        let Filter { user, cluster, namespace, pod, container, since, until } = &options.filter;
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(user, &self.user)
            && is(cluster, &self.cluster)
            && is(namespace, &self.namespace)
            && is(pod, &self.pod)
            && is(container, &self.container)
            && since.is_none_or(|since| self.started >= since)
            && until.is_none_or(|until| self.started < until)
            && options.outcome.is_none_or(|outcome| self.ended_with(outcome))
            && (!options.live || self.outcome == "live")
    }
}

/// Reads recordings for the list.
struct Lister<'a> {
    config: &'a Config,
    recordings: RecordingReader,
    store: Arc<dyn Store>,
    check: ListedCheck,
}

impl Lister<'_> {
    /// Reads the newest `limit` recordings that match, and whether there are more.
    async fn rows(&self, options: &cli::Ls, limit: usize) -> Result<(Vec<RecordingRow>, bool)> {
        let (mut rows, mut before, mut unfinished) = (Vec::new(), None, 0);
        loop {
            let page = self.recordings.page(before, PAGE).await.context("cannot list the recordings")?;
            let Some(last) = page.last().copied() else { return Ok((rows, false)) };
            before = Some(last);
            for id in page {
                let row = match self.recordings.summary(id).await {
                    Ok(summary) => RecordingRow::new(id, summary, self.standing(id, &mut unfinished).await?),
                    Err(error) => {
                        eprintln!("kubetape: {:#}", anyhow::Error::new(error).context(format!("{id} is left out")));
                        continue;
                    }
                };
                // Ids sort by start: what comes now is older still.
                if options.filter.since.is_some_and(|since| row.started.as_second() + 60 < since.as_second()) {
                    return Ok((rows, false));
                }
                if row.matches(options) {
                    if rows.len() == limit {
                        return Ok((rows, true));
                    }
                    rows.push(row);
                }
            }
        }
    }

    /// `unfinished` counts those without an end for which the journal was asked.
    async fn standing(&self, id: RecordingId, unfinished: &mut usize) -> Result<(Standing, String)> {
        let (standing, why) = self.check.standing(id).await.with_context(|| format!("cannot check {id}"))?;
        if standing != Standing::Live || *unfinished >= UNFINISHED {
            return Ok((standing, why));
        }
        *unfinished += 1;
        evidence::of_unfinished(self.config, &self.store, id).await
    }
}

fn table(rows: &[RecordingRow]) -> Table {
    // Only where there is something to say.
    let is_wrong = |row: &RecordingRow| !row.why.is_empty();
    let mut table = Table::new(["ID", "STARTED", "LENGTH", "USER", "CLUSTER", "POD", "OUTCOME", "COMMAND"]);
    for row in rows {
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        let container = if row.container.is_empty() { String::new() } else { format!("/{}", row.container) };
        let what = match row.kind {
            SessionKind::Exec => row.command.clone(),
            SessionKind::Attach => "(attach)".to_owned(),
            SessionKind::PortForward => "(port-forward)".to_owned(),
        };
        let length = row.duration_seconds.map(|seconds| time::length(Micros::from_secs_f64(seconds)));
        let length = length.unwrap_or_else(|| "…".to_owned());
        table.row([
            (row.id.to_string(), Tone::Faint),
            plain(&time::clock(row.started)),
            plain(&length),
            plain(&row.user),
            plain(&row.cluster),
            plain(&format!("{}/{}{container}", row.namespace, row.pod)),
            if is_wrong(row) { (row.evidence.to_uppercase(), Tone::Bad) } else { outcome(row) },
            plain(&what),
        ]);
    }
    table
}

fn outcome(row: &RecordingRow) -> (String, Tone) {
    match (row.outcome, row.exit_code) {
        ("exited", Some(0)) => ("exit 0".to_owned(), Tone::Plain),
        ("exited", Some(code)) => (format!("exit {code}"), Tone::Bad),
        // It is live, or its gateway died: storage does not tell the two apart.
        ("live", _) => ("no end yet".to_owned(), Tone::Good),
        ("ended", _) => ("ended".to_owned(), Tone::Plain),
        (other, _) => (other.replace('_', " "), Tone::Bad),
    }
}

//! `kubetape compare-audit`

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use futures_util::{StreamExt, stream};
use jiff::{Timestamp, tz::TimeZone};
use recording::{
    Key, Outcome, RecordingId,
    cast::SessionKind,
    journal::{ApiRequest, JournalEntry, JournalEvent},
};
use serde::Serialize;
use storage::{RecordingReader, Summary, journal::JournalReader};

use crate::{
    audit::{
        compare::{Comparison, ForwardedDebug, Known, Recorded, compare},
        lines::AuditLines,
        log::{AuditLog, BrokenLine, MOST_ACCESSES},
    },
    cli,
    config::Config,
    output::{self, Table, Tone, line},
    running::Exit,
    time, wiring,
};

/// Recordings read at once.
const PARALLEL: usize = 16;
/// Objects of a journal asked of the store at once.
const PAGE: usize = 1000;
/// How much later than its entries a journal's object may be stored: gateways keep them while storage is away.
const LATE: Duration = Duration::from_secs(7 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

pub async fn run(config: &Config, options: &cli::CompareAudit) -> Result<()> {
    let status = match check(config, options).await {
        Ok(status) => status,
        Err(error) if output::is_broken_pipe(&error) => return Err(error),
        Err(error) => {
            eprintln!("kubetape: {error:#}");
            2
        }
    };
    if status == 0 { Ok(()) } else { Err(Exit(status).into()) }
}

/// What `--json` writes.
#[derive(Serialize)]
struct Answer {
    cluster: String,
    lines: u64,
    events: u64,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    broken_lines: u64,
    broken: Vec<BrokenLine>,
    unreadable_recordings: u64,
    #[serde(flatten)]
    comparison: Comparison,
}

async fn check(config: &Config, options: &cli::CompareAudit) -> Result<u8> {
    let cluster = match &options.cluster {
        Some(name) => name.clone(),
        None => wiring::only_cluster(config)?,
    };
    let mut log = read_log(options)?;
    let (span, lines, events) = (log.span, log.lines, log.events);
    let (broken, broken_lines) = (std::mem::take(&mut log.broken), log.broken_lines);
    let accesses = log.into_accesses();
    let known = Known {
        cluster: cluster.clone(),
        gateway_users: options.gateway_users.clone(),
        skew: options.skew.0,
        ..Known::default()
    };
    let mut stored = Stored { known, unreadable: 0 };
    if let Some(span) = span {
        let named = accesses.iter().filter_map(|access| access.audit_id.parse().ok()).collect();
        stored.read(config, span, named).await?;
    }
    let comparison = compare(&stored.known, accesses, span);
    let answer = Answer {
        cluster,
        lines,
        events,
        from: span.map(|(first, _)| first),
        to: span.map(|(_, last)| last),
        broken_lines,
        broken,
        unreadable_recordings: stored.unreadable,
        comparison,
    };
    if options.json {
        output::json(&answer)?
    } else {
        print(&answer)?
    }
    Ok(match &answer {
        answer if !answer.comparison.findings.is_empty() => 1,
        answer if answer.broken_lines > 0 || answer.unreadable_recordings > 0 || answer.events == 0 => 2,
        _ => 0,
    })
}

fn read_log(options: &cli::CompareAudit) -> Result<AuditLog> {
    let mut log = AuditLog::new(options.since, options.until);
    for path in &options.files {
        let name = path.display().to_string();
        let mut lines = AuditLines::open(path).with_context(|| format!("cannot read {name}"))?;
        let mut number = 0;
        loop {
            number += 1;
            let next = lines.next().with_context(|| format!("cannot read {name} from line {number} on"))?;
            let Some(line) = next else { break };
            log.take(&name, number, &line).map_err(|_| {
                anyhow!("the log has more than {MOST_ACCESSES} accesses: compare parts of its time (--since, --until)")
            })?;
        }
    }
    Ok(log)
}

/// What the store has of a log's time.
struct Stored {
    known: Known,
    unreadable: u64,
}

impl Stored {
    /// Reads the recordings that began around that time, those that the log names, and the journals.
    async fn read(
        &mut self,
        config: &Config,
        (first, last): (Timestamp, Timestamp),
        named: Vec<RecordingId>,
    ) -> Result<()> {
        let store = wiring::store_to_read(config).await?;
        let recordings = RecordingReader::new(store.clone());
        let (from, to) = (day(earlier(first, DAY)), day(later(last, DAY)));
        let mut ids = named;
        for day in recordings.days().await.context("cannot list the recordings")? {
            if from <= day && day <= to {
                ids.extend(recordings.ids(&day).await.context("cannot list the recordings")?);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let mut summaries = stream::iter(ids)
            .map(|id| {
                let recordings = recordings.clone();
                async move { (id, recordings.summary(id).await) }
            })
            .buffer_unordered(PARALLEL);
        while let Some((id, summary)) = summaries.next().await {
            match summary {
                Ok(summary) => self.known.recordings.extend(recorded(summary).map(|recorded| (id, recorded))),
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    self.unreadable += 1;
                    eprintln!("kubetape: {:#}", anyhow::Error::new(error).context(format!("{id} is left out")));
                }
            }
        }
        let journals = JournalReader::new(store);
        for gateway in journals.gateways().await.context("cannot list the journals")? {
            self.read_journal(&journals, &gateway, (first, last)).await?;
        }
        Ok(())
    }

    async fn read_journal(
        &mut self,
        journals: &JournalReader,
        gateway: &str,
        (first, last): (Timestamp, Timestamp),
    ) -> Result<()> {
        let mut after = Key::journal(gateway, earlier(first, 2 * DAY), 0).ok();
        let end = Key::journal(gateway, later(last, LATE), 999_999_999_999).ok();
        loop {
            let objects = journals.list(gateway, after.as_ref(), PAGE).await;
            let objects = objects.with_context(|| format!("cannot list the journal of {gateway}"))?;
            let Some(newest) = objects.last().map(|object| object.key.clone()) else { return Ok(()) };
            for object in objects.into_iter().filter(|object| end.as_ref().is_none_or(|end| object.key <= *end)) {
                match journals.read(&object).await {
                    Ok(entries) => entries.into_iter().for_each(|entry| self.entry(entry)),
                    Err(error) => {
                        self.unreadable += 1;
                        let error = anyhow::Error::new(error).context(format!("{} is left out", object.key.as_str()));
                        eprintln!("kubetape: {error:#}");
                    }
                }
            }
            if end.as_ref().is_some_and(|end| newest > *end) {
                return Ok(());
            }
            after = Some(newest);
        }
    }

    fn entry(&mut self, entry: JournalEntry) {
        let (gateway, at) = (entry.gateway, time::timestamp(entry.time));
        match entry.what {
            JournalEvent::SessionOpened { session, request, .. } => {
                let opened = || opened(gateway, at, &request);
                if let Some(opened) = opened() {
                    self.known.recordings.entry(session).or_insert(opened);
                }
            }
            JournalEvent::Request(request) if self.is_debug(&request) => {
                let (namespace, pod) = (request.target.namespace, request.target.name);
                self.known.debugs.push(ForwardedDebug { gateway, namespace, pod, at });
            }
            _ => {}
        }
    }

    fn is_debug(&self, request: &ApiRequest) -> bool {
        let target = &request.target;
        target.cluster == self.known.cluster
            && (target.resource.as_str(), target.subresource.as_str()) == ("pods", "ephemeralcontainers")
            && request.verb != "get"
    }
}

/// A recording as it is compared; `None` for one that was imported, since no gateway saw it.
fn recorded(summary: Summary) -> Option<Recorded> {
    let session = summary.header.kubetape;
    if session.imported.is_some() {
        return None;
    }
    let outcome = summary.manifest.map(|manifest| manifest.outcome);
    Some(Recorded {
        gateway: session.gateway,
        kind: session.kind,
        cluster: session.target.cluster,
        namespace: session.target.namespace,
        pod: session.target.name,
        as_user: Some(session.impersonation.user),
        started: time::timestamp(session.started),
        failed_to_start: matches!(outcome, Some(Outcome::FailedToStart { .. })),
    })
}

/// A session of which the store has no recording, as the journal knows it.
fn opened(gateway: String, at: Timestamp, request: &ApiRequest) -> Option<Recorded> {
    let kind = match request.verb.as_str() {
        "exec" => SessionKind::Exec,
        "attach" => SessionKind::Attach,
        "portforward" => SessionKind::PortForward,
        _ => return None,
    };
    let access::Target { cluster, namespace, name, .. } = request.target.clone();
    Some(Recorded { gateway, kind, cluster, namespace, pod: name, as_user: None, started: at, failed_to_start: false })
}

fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

fn later(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// `YYYY/MM/DD`, as recordings are filed.
fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
}

fn print(answer: &Answer) -> Result<()> {
    let Comparison { matched, refused, unanswered, findings, not_in_log, senders } = &answer.comparison;
    match (answer.from, answer.to) {
        (Some(from), Some(to)) => line(format_args!(
            "cluster {}: {} events from {} to {}",
            output::plain(&answer.cluster),
            answer.events,
            time::clock(from),
            time::clock(to)
        ))?,
        _ => line("there are no events: nothing was compared")?,
    }
    line(format_args!("  {matched:>6} ways into a container that are recorded or journalled"))?;
    line(format_args!("  {refused:>6} that the API server refused"))?;
    line(format_args!("  {unanswered:>6} without an answer when the log ended: they are in the next one"))?;
    line(format_args!("  {:>6} that nobody recorded", findings.len()))?;
    if !findings.is_empty() {
        table(answer).print()?;
    }
    for (sender, times) in senders {
        line(format_args!("with a gateway's name: {times} from {}", output::plain(sender)))?;
    }
    if !not_in_log.is_empty() {
        let named: Vec<String> = not_in_log.iter().take(20).map(ToString::to_string).collect();
        let more = if not_in_log.len() > named.len() { ", …" } else { "" };
        line(format_args!(
            "{} recordings of that time are not in the log: {}{more}",
            not_in_log.len(),
            named.join(", ")
        ))?;
    }
    for BrokenLine { file, line: number, why } in &answer.broken {
        eprintln!("kubetape: {} line {number} cannot be read: {why}", output::plain(file));
    }
    if answer.broken_lines > 0 {
        eprintln!("kubetape: {} lines cannot be read, and were not compared", answer.broken_lines);
    }
    Ok(())
}

fn table(answer: &Answer) -> Table {
    let mut table = Table::new(["RECEIVED", "WAY", "PERSON", "SENT BY", "FROM", "POD", "AUDIT ID", "WHY"]);
    for finding in &answer.comparison.findings {
        let access = &finding.access;
        let plain = |text: &str| (text.to_owned(), Tone::Plain);
        let at = if access.namespace.is_empty() {
            access.name.clone()
        } else {
            format!("{}/{}", access.namespace, access.name)
        };
        table.row([
            plain(&time::clock(access.received)),
            plain(&access.way.to_string()),
            plain(&access.person),
            plain(&access.sent_by),
            plain(&access.source_ips.join(",")),
            plain(&at),
            (access.audit_id.clone(), Tone::Faint),
            (finding.why.clone(), Tone::Bad),
        ]);
    }
    table
}

//! `kubetape verify`

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use recording::{JournalHead, Key, RecordingId, UnixMicros};
use serde::Serialize;
use storage::{
    Disk, RecordingReader, Store,
    signing::{KeyStatement, PublicKey},
};
use verify::{BUNDLE_FILE, Progress, Question, Report, Trust, Verdict, verify};

use crate::{
    anchoring::{self, AnchoredHead},
    cli,
    config::Config,
    output::{self, Table, Tone, line},
    recorded,
    running::Exit,
    time, wiring,
};

/// A store to verify, or a part of one.
struct VerifyTarget {
    name: String,
    store: Arc<dyn Store>,
    within: String,
    excerpt: bool,
    trusted: Vec<Trust>,
    /// How far this gateway's journal had come, from its own state.
    head: Option<JournalHead>,
    /// Whose keys `trusted` are, for the output.
    whose: &'static str,
}

pub async fn run(options: &cli::Verify, config: impl Fn() -> Result<Config>) -> Result<()> {
    let status = match check(options, config).await {
        Ok(status) => status,
        Err(error) if output::is_broken_pipe(&error) => return Err(error),
        Err(error) => {
            eprintln!("kubetape: {error:#}");
            2
        }
    };
    if status == 0 { Ok(()) } else { Err(Exit(status).into()) }
}

async fn check(options: &cli::Verify, config: impl Fn() -> Result<Config>) -> Result<u8> {
    check_options(options)?;
    let trusted = options.keys.iter().map(|key| trust(key)).collect::<Result<Vec<_>>>()?;
    let heads = options.heads.as_deref().map(heads).transpose()?.unwrap_or_default();
    let settled = UnixMicros::from(Timestamp::now()) - options.grace.0;
    let (mut reports, mut ends, mut status) = (Vec::new(), Vec::new(), 0);
    for target in targets(options, &trusted, config).await? {
        let question = Question {
            trusted: target.trusted.clone(),
            within: target.within.clone(),
            excerpt: target.excerpt,
            heads: heads.iter().map(|known| known.head.clone()).chain(target.head.clone()).collect(),
            settled,
        };
        let report = verify_with_progress(&target, &question).await?;
        status = status.max(rank(report.verdict()));
        ends.extend(report.heads.clone());
        if options.json {
            reports.push(ReportRow { place: target.name, verdict: report.verdict(), report });
        } else {
            print_report(&target, &report, &heads)?;
        }
    }
    if let Some(file) = &options.save_heads {
        let json = serde_json::to_vec_pretty(&ends)?;
        std::fs::write(file, json).with_context(|| format!("cannot write {} (--save-heads)", file.display()))?;
    }
    if options.json {
        output::json(&reports)?;
    }
    Ok([0, 3, 1][usize::from(status)])
}

/// Refuses options that make no sense for a bundle.
fn check_options(options: &cli::Verify) -> Result<()> {
    let whole = "is of whole journals, and a bundle has parts of them only (--bundle): check the store with it";
    ensure!(!options.bundle || options.heads.is_none(), "--heads {whole}");
    ensure!(!options.bundle || options.save_heads.is_none(), "--save-heads {whole}");
    ensure!(!options.bundle || !options.places.is_empty(), "--bundle is of exported folders: name one");
    Ok(())
}

/// The graver of two verdicts has the higher rank.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Proven => 0,
        Verdict::NotVouched => 1,
        Verdict::Wrong => 2,
    }
}

/// A report in the output of `--json`.
#[derive(Serialize)]
struct ReportRow {
    place: String,
    verdict: Verdict,
    #[serde(flatten)]
    report: Report,
}

/// Reads a key from --key: a file, or an id.
fn trust(key: &str) -> Result<Trust> {
    let path = Path::new(key);
    if !path.exists()
        && let Ok(id) = key.parse()
    {
        return Ok(Trust::Pin(id));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the key {key} (--key)"))?;
    if text.trim_start().starts_with('{') {
        let statement = KeyStatement::parse(text.as_bytes());
        return Ok(Trust::Key(statement.with_context(|| format!("cannot use {key} (--key)"))?.public));
    }
    Ok(Trust::Key(PublicKey::from_pem(&text).with_context(|| format!("cannot use {key} (--key)"))?))
}

fn heads(file: &Path) -> Result<Vec<AnchoredHead>> {
    let read = || -> Result<_> { Ok(anchoring::parse(&std::fs::read_to_string(file)?)?) };
    read().with_context(|| format!("cannot use {} (--heads)", file.display()))
}

async fn targets(
    options: &cli::Verify,
    trusted: &[Trust],
    config: impl Fn() -> Result<Config>,
) -> Result<Vec<VerifyTarget>> {
    let mut targets = Vec::new();
    for name in &options.places {
        targets.push(if Path::new(name).is_dir() {
            folder(name, trusted, options.bundle).await?
        } else if options.bundle {
            bail!("{name} is no folder: --bundle is of folders that `kubetape export --format bundle` wrote");
        } else {
            configured(&config()?, Some(name), trusted).await?
        });
    }
    if targets.is_empty() {
        targets.push(configured(&config()?, None, trusted).await?);
    }
    Ok(targets)
}

/// Opens a folder. Only the caller says whether it is an excerpt: a file in the folder that said so could have been put
/// there by somebody who removed the rest.
async fn folder(name: &str, trusted: &[Trust], excerpt: bool) -> Result<VerifyTarget> {
    let path = Path::new(name);
    if !["recordings", "journal", "keys", "entries"].iter().any(|part| path.join(part).is_dir()) {
        bail!("{name} is no store and no export: it has none of the folders recordings, journal and keys");
    }
    let store = Disk::open_existing(path).await.with_context(|| format!("cannot read {name}"))?;
    Ok(VerifyTarget {
        name: name.to_owned(),
        store: Arc::new(store),
        within: String::new(),
        excerpt,
        trusted: trusted.to_vec(),
        head: None,
        whose: "given",
    })
}

async fn configured(config: &Config, name: Option<&str>, trusted: &[Trust]) -> Result<VerifyTarget> {
    let store = wiring::store_to_read(config).await?;
    let within = match name {
        None => String::new(),
        Some(name) if name.starts_with("recordings/") => name.to_owned(),
        Some(name) => Key::recording_prefix(recording(&store, name).await?),
    };
    let (trusted, whose) = match trusted {
        [] => (config.signing.public_key()?.map(Trust::Key).into_iter().collect(), "this gateway's own, of state.dir"),
        given => (given.to_vec(), "given"),
    };
    // Read before the store is: the journal may grow meanwhile.
    let head = wiring::journal_head(config)?;
    let name = name.unwrap_or("the configured store").to_owned();
    Ok(VerifyTarget { name, store, within, excerpt: false, trusted, head, whose })
}

async fn recording(store: &Arc<dyn Store>, name: &str) -> Result<RecordingId> {
    let found = recorded::find(&RecordingReader::new(Arc::clone(store)), name).await;
    found.with_context(|| format!("{name} is no folder, and no recording of the configured store"))
}

async fn verify_with_progress(target: &VerifyTarget, question: &Question) -> Result<Report> {
    // On stderr, and only if that is a terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg} ({elapsed})")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let told = &mut |Progress { journal_objects, recordings, bytes }| {
        let bytes = HumanBytes(bytes);
        bar.set_message(format!("{journal_objects} journal objects, {recordings} recordings, {bytes} checked"));
    };
    let report = verify(&target.store, question, told).await;
    bar.finish_and_clear();
    report.with_context(|| format!("cannot check {}", target.name))
}

/// Says how far a journal is as it was known elsewhere. What contradicts it is a finding.
fn print_anchor(end: &JournalHead, heads: &[AnchoredHead]) -> Result<()> {
    let known = heads.iter().filter(|known| known.head.gateway == end.gateway).max_by_key(|known| known.head.seq);
    let Some(AnchoredHead { head, time }) = known else { return Ok(()) };
    let since = time.map(|time| format!(", since {}", time::clock(time::timestamp(time)))).unwrap_or_default();
    let newer = end.seq.saturating_sub(head.seq);
    Ok(line(format_args!("      known elsewhere up to object {}{since}; {newer} newer ones are not", head.seq))?)
}

fn print_report(target: &VerifyTarget, report: &Report, heads: &[AnchoredHead]) -> Result<()> {
    line(output::plain(&target.name))?;
    let trusted = match target.trusted.len() {
        0 => "none given".to_owned(),
        count => format!("{count} trusted, {}", target.whose),
    };
    line(format_args!("  keys        {} in the store; {trusted}", report.keys))?;
    line(format_args!("  journal     {} objects, {} entries", report.journal_objects, report.journal_entries))?;
    for head in &report.heads {
        line(format_args!("    {} ends with object {}, {}", output::plain(&head.gateway), head.seq, head.sha256))?;
        print_anchor(head, heads)?;
    }
    line(format_args!("  recordings  {}, and {} without a manifest", report.recordings, report.unfinished))?;
    for note in &report.notes {
        line(format_args!("  note        {}", output::plain(note)))?;
    }
    if !report.findings.is_empty() {
        line("")?;
        let mut table = Table::new(["PROBLEM", "OBJECT", "WHY"]);
        for finding in &report.findings {
            let plain = |text: &str| (text.to_owned(), Tone::Plain);
            table.row([(finding.problem.name().to_owned(), Tone::Bad), plain(&finding.object), plain(&finding.detail)]);
        }
        table.print()?;
        if report.more_findings > 0 {
            line(format_args!("… and {} more", report.more_findings))?;
        }
        line("")?;
        if report.findings.iter().any(|finding| finding.object == BUNDLE_FILE) {
            line(format_args!(
                "{BUNDLE_FILE} lies at the top of exports: what you know to be one is checked with --bundle"
            ))?;
        }
    }
    Ok(line(verdict(report))?)
}

fn verdict(report: &Report) -> String {
    let wrong = report.findings.len() as u64 + report.more_findings;
    match report.verdict() {
        Verdict::Proven if report.excerpt => {
            "proven, as an excerpt: what is here is as it was written by holders of keys \
                                              that you trust; whether anything was left out of it cannot be told"
                .to_owned()
        }
        Verdict::NotVouched if report.excerpt => "not vouched for, and an excerpt: the signatures are right, but the \
                                                  keys come from the data itself, and whether anything was left out of \
                                                  it cannot be told. Give a key that you trust: --key"
            .to_owned(),
        Verdict::Proven => "proven: everything is as it was written by holders of keys that you trust".to_owned(),
        Verdict::NotVouched => "not vouched for: the signatures are right, but the keys come from the data itself: \
                                nothing vouches for them. Give a key that you trust: --key"
            .to_owned(),
        Verdict::Wrong if wrong == 1 => "WRONG: one finding".to_owned(),
        Verdict::Wrong => format!("WRONG: {wrong} findings"),
    }
}

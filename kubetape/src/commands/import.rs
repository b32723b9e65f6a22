//! `kubetape import`

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use import::{DeclaredIdentity, ImportError, ImportLimits, ImportedFile, Importer};
use indicatif::{ProgressBar, ProgressStyle};
use journal::{Journal, JournalSettings};
use recording::{
    Micros,
    journal::{JournalEvent, import_journal},
};
use serde::Serialize;
use storage::RecordingReader;

use crate::{cli, config::Config, output, time, wiring};

/// How often a file is read: for its digest, to see that it is whole, and to store it.
const READINGS: u64 = 3;

/// Endings of the files that are imported of a folder.
const ENDINGS: [&str; 6] = [".cast", ".cast.gz", ".cast.zst", ".json", ".json.gz", ".json.zst"];

pub async fn run(config: &Config, options: &cli::Import) -> Result<()> {
    for name in options.user.iter().chain(&options.groups) {
        access::name::check(name).context("--user and --group name the person who was recorded")?;
    }
    let files = files(&options.files)?;
    let store = wiring::store(config).await?;
    wiring::probe(&*store).await?;
    let signer = wiring::signer_beside_gateway(config, &store).await?;
    let settings =
        JournalSettings { object_age: Duration::from_secs(1), signer: signer.clone(), ..JournalSettings::default() };
    let journal = Journal::open(store.clone(), &import_journal(&config.gateway.name), settings).await?;
    let limits = ImportLimits { file_bytes: options.max_bytes.0, ..ImportLimits::default() };
    let player = wiring::player(config, RecordingReader::new(store.clone()));
    let importer = Importer::new(store, signer, limits);
    let bar = bar(&files)?;
    let claims = claims(options);
    let mut rows = Vec::new();
    for file in &files {
        bar.set_message(file.display().to_string());
        let ticks = bar.clone();
        let imported = importer.import(file, &claims, move |read| ticks.inc(read)).await;
        if let Err(error) = &imported
            && !error.is_of_file()
        {
            bar.finish_and_clear();
            return Err(anyhow::Error::from(imported.unwrap_err()).context(format!("cannot import {}", file.display())));
        }
        if let Ok(done) = &imported {
            note(&journal, &claims, file, done).await?;
            // So that a long recording opens at once. The index is derived: if this fails, it is made when somebody opens it.
            let _ = player.index(done.id).await;
        }
        let row = FileRow::new(file, imported);
        if !options.json {
            bar.suspend(|| row.print());
        }
        rows.push(row);
    }
    bar.finish_and_clear();
    journal.close().await.context("cannot write the journal's end")?;
    finish(&rows, options.json)
}

async fn note(journal: &Journal, claims: &DeclaredIdentity, file: &Path, done: &ImportedFile) -> Result<()> {
    let Some(stored) = &done.stored else { return Ok(()) };
    let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let what = JournalEvent::Imported { session: done.id, file, sha256: done.sha256.clone() };
    journal.note(&claims.by, what).await;
    journal.note_durably(&claims.by, stored.journal_event()).await.context("cannot write the journal")
}

fn claims(options: &cli::Import) -> DeclaredIdentity {
    let by = ["LOGNAME", "USER"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
    DeclaredIdentity {
        user: options.user.clone(),
        groups: options.groups.clone(),
        cluster: options.cluster.clone(),
        namespace: options.namespace.clone(),
        pod: options.pod.clone(),
        container: options.container.clone(),
        started: options.started,
        kind: None,
        keep_input: options.keep_input,
        by,
    }
}

/// The given files, and those in the given folders, in order.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() {
            let before = files.len();
            folder(path, &mut files)?;
            if files.len() == before {
                bail!("{} has no files that end in {}", path.display(), ENDINGS.join(", "));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn folder(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = || format!("cannot list {}", path.display());
    let mut entries =
        std::fs::read_dir(path).with_context(failed)?.collect::<Result<Vec<_>, _>>().with_context(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        // Links are not followed: they can lead round in a circle.
        let kind = entry.file_type().with_context(failed)?;
        let name = entry.file_name();
        if kind.is_dir() {
            folder(&entry.path(), files)?;
        } else if kind.is_file() && ENDINGS.iter().any(|ending| name.to_string_lossy().ends_with(ending)) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// A progress bar on stderr, if that is a terminal.
fn bar(files: &[PathBuf]) -> Result<ProgressBar> {
    let size = |file: &PathBuf| std::fs::metadata(file).map_or(0, |about| about.len());
    let bar = ProgressBar::new(files.iter().map(size).sum::<u64>() * READINGS);
    bar.set_style(ProgressStyle::with_template("{bar:30} {percent:>3} % {eta} left  {wide_msg}")?);
    Ok(bar)
}

/// A file in the output of `--json`.
#[derive(Debug, Serialize)]
struct FileRow {
    file: String,
    status: &'static str,
    #[serde(flatten)]
    done: Option<ImportedRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What was made of the file.
#[derive(Debug, Serialize)]
struct ImportedRow {
    id: recording::RecordingId,
    sha256: String,
    events: u64,
    duration_seconds: f64,
    dropped_inputs: u64,
    annotations: Vec<String>,
}

impl FileRow {
    fn new(file: &Path, imported: Result<ImportedFile, ImportError>) -> Self {
        let file = file.display().to_string();
        match imported {
            Ok(done) => Self {
                file,
                status: if done.already { "already" } else { "imported" },
                done: Some(ImportedRow {
                    id: done.id,
                    sha256: done.sha256,
                    events: done.events,
                    duration_seconds: done.duration.as_secs_f64(),
                    dropped_inputs: done.dropped_inputs,
                    annotations: done.annotations,
                }),
                error: None,
            },
            Err(error) => {
                Self { file, status: "broken", done: None, error: Some(format!("{:#}", anyhow::Error::from(error))) }
            }
        }
    }

    fn print(&self) {
        let Some(done) = &self.done else {
            eprintln!("{}: skipped: {}", self.file, self.error.as_deref().unwrap_or_default());
            return;
        };
        let said = if self.status == "already" { "is there already" } else { "imported" };
        let length = time::length(Micros::from_secs_f64(done.duration_seconds));
        println!("{}  {said}: {} ({length}, {} events)", done.id, self.file, done.events);
        if self.status == "already" {
            return;
        }
        if done.dropped_inputs > 0 {
            let number = done.dropped_inputs;
            eprintln!("{}: {number} input events were left out (--keep-input stores them)", self.file);
        }
        done.annotations.iter().for_each(|annotation| eprintln!("{}: {annotation}", self.file));
    }
}

fn finish(rows: &[FileRow], json: bool) -> Result<()> {
    if json {
        output::json(&rows)?;
    }
    let broken = rows.iter().filter(|row| row.done.is_none()).count();
    match broken {
        0 => Ok(()),
        _ => bail!("{broken} of {} files were not imported", rows.len()),
    }
}

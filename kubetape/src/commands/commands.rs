//! `kubetape commands`

use anyhow::Result;
use jiff::Timestamp;
use recording::{Command, CommandSource, Evidence, Micros, RecordingId, UnixMicros};
use serde::Serialize;
use storage::{RecordingReader, Summary};
use transcript::Commands;

use super::viewing::{self, Viewing};
use crate::{
    cli,
    config::Config,
    output::{self, Table, Tone, shell_words},
    recorded, time, wiring,
};

pub async fn run(config: &Config, options: &cli::Commands) -> Result<()> {
    let recordings = wiring::recordings(config).await?;
    let id = recorded::find(&recordings, &options.id).await?;
    let summary = recorded::summary(&recordings, id).await?;
    viewing::note(config, id, Viewing::Play).await?;
    let started = summary.header.kubetape.started;
    let commands = commands(&recordings, id, summary).await?;
    let rows: Vec<CommandRow> = commands.into_iter().map(|command| CommandRow::new(started, command)).collect();
    if options.json {
        return output::json(&rows);
    }
    if rows.is_empty() {
        eprintln!("no commands in this recording");
        return Ok(());
    }
    Ok(table(&rows).print()?)
}

/// The manifest's commands if the gateway read them from the screen, else those that the recording's lines show.
async fn commands(recordings: &RecordingReader, id: RecordingId, summary: Summary) -> Result<Vec<Command>> {
    let session = summary.header.kubetape;
    if let Some(manifest) = summary.manifest
        && session.imported.is_none()
        && (!session.tty || manifest.commands.iter().any(|command| command.typed.is_some()))
    {
        return Ok(manifest.commands);
    }
    let argv =
        Command { time: Micros::ZERO, source: CommandSource::Argv, text: shell_words(&session.argv), typed: None };
    let mut commands: Vec<Command> = if argv.text.is_empty() { Vec::new() } else { vec![argv] };
    if session.tty {
        let mut typed = Commands::new();
        recorded::each_event(recordings, id, &mut |event| {
            typed.event(&event);
            Ok(())
        })
        .await?;
        commands.extend(typed.finish());
    }
    Ok(commands)
}

/// A command in the output of `--json`. Offsets are seconds since the recording's start.
#[derive(Debug, Serialize)]
struct CommandRow {
    offset: f64,
    time: Timestamp,
    text: String,
    source: CommandSource,
    ready: Option<f64>,
    ended: Option<f64>,
    output: Option<(f64, f64)>,
    prompt: Option<String>,
    evidence: Option<Evidence>,
    status: Option<u8>,
}

impl CommandRow {
    fn new(started: UnixMicros, command: Command) -> Self {
        let typed = command.typed;
        let typed = typed.as_ref();
        Self {
            offset: command.time.as_secs_f64(),
            time: time::timestamp(started + command.time),
            text: command.text,
            source: command.source,
            ready: typed.map(|typed| typed.ready.as_secs_f64()),
            ended: typed.and_then(|typed| typed.ended).map(Micros::as_secs_f64),
            output: typed.and_then(|typed| typed.output).map(|(first, last)| (first.as_secs_f64(), last.as_secs_f64())),
            prompt: typed.map(|typed| typed.prompt.clone()),
            evidence: typed.map(|typed| typed.evidence),
            status: typed.and_then(|typed| typed.status),
        }
    }
}

fn table(rows: &[CommandRow]) -> Table {
    let mut table = Table::new(["TIME", "AT", "TOOK", "SOURCE", "COMMAND"]);
    for row in rows {
        let took = row.ended.map_or_else(String::new, |ended| length(ended - row.offset));
        let source = match row.source {
            CommandSource::Argv => "argv",
            CommandSource::Typed => "typed",
            CommandSource::Request => "request",
        };
        table.row([
            (time::clock(row.time), Tone::Faint),
            (length(row.offset), Tone::Plain),
            (took, Tone::Faint),
            (source.to_owned(), Tone::Faint),
            (row.text.clone(), Tone::Plain),
        ]);
    }
    table
}

fn length(seconds: f64) -> String {
    time::length(Micros::from_secs_f64(seconds))
}

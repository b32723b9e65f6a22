//! `kubetape text`

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use jiff::Timestamp;
use recording::{Direction, UnixMicros};
use serde::Serialize;
use transcript::{Bounds, Line, Lines, Stream};

use super::viewing::{self, Viewing};
use crate::{cli, config::Config, output::plain, recorded, time, wiring};

pub async fn run(config: &Config, options: &cli::Text) -> Result<()> {
    let recordings = wiring::recordings(config).await?;
    let id = recorded::find(&recordings, &options.id).await?;
    let summary = recorded::summary(&recordings, id).await?;
    let session = summary.header.kubetape;
    let copied = summary.manifest.and_then(|manifest| manifest.contents.copied);
    viewing::note(config, id, Viewing::Play).await?;
    let mut out = LineWriter { out: BufWriter::new(io::stdout()), started: session.started, json: options.json };
    let mut lines = Lines::new(session.tty, Bounds::NONE);
    if copied.is_some_and(|copied| copied.direction == Direction::ToPod) {
        // It is no text. That it is there is said, since what looks like an archive may be something else besides.
        eprintln!(
            "kubetape: a tar archive was piped in, which is not shown: `kubetape export {id} --format raw --stream stdin`"
        );
    } else {
        lines = lines.showing_input(Bounds::NONE);
    }
    recorded::each_event(&recordings, id, &mut |event| {
        let mut written = Ok(());
        lines.event(&event, &mut |line| written = out.line(line).and(std::mem::replace(&mut written, Ok(()))));
        Ok(written?)
    })
    .await?;
    let mut written = Ok(());
    lines.finish(&mut |line| written = out.line(line).and(std::mem::replace(&mut written, Ok(()))));
    written?;
    Ok(out.out.flush()?)
}

/// Writes lines to stdout.
struct LineWriter {
    out: BufWriter<io::Stdout>,
    started: UnixMicros,
    json: bool,
}

/// A line in the output of `--json`.
#[derive(Serialize)]
struct LineRow<'a> {
    offset: f64,
    time: Timestamp,
    stream: &'static str,
    text: &'a str,
}

impl LineWriter {
    fn line(&mut self, line: Line) -> io::Result<()> {
        let Line { time, stream, text } = line;
        if !self.json {
            let mark = match stream {
                Stream::Stdout => ' ',
                Stream::Stderr => '!',
                Stream::FullScreen => '|',
                Stream::Stdin => '<',
                Stream::LeftOut => '…',
            };
            return writeln!(self.out, "{:>8} {mark} {}", time::length(time), plain(&text));
        }
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::FullScreen => "full_screen",
            Stream::Stdin => "stdin",
            Stream::LeftOut => "left_out",
        };
        let row =
            LineRow { offset: time.as_secs_f64(), time: time::timestamp(self.started + time), stream, text: &text };
        serde_json::to_writer(&mut self.out, &row)?;
        writeln!(self.out)
    }
}

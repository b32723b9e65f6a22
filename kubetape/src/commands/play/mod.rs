//! `kubetape play`

mod clock;
mod harmless;
mod interactive;
mod keys;
mod places;
mod reel;

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use harmless::Harmless;
use reel::{Reel, Shown, What};

use super::viewing::{self, How};
use crate::{cli, config::Config, lookup, wiring};

pub async fn run(config: &Config, wanted: &cli::Play) -> Result<()> {
    let recordings = wiring::recordings(config).await?;
    let id = lookup::recording(&recordings, &wanted.id).await?;
    let reel = Reel::open(&recordings, id).await.with_context(|| format!("cannot play {id}: see `kubetape ls`"))?;
    let live = wanted.follow && reel.manifest.is_none();
    viewing::note(config, id, if live { How::Live } else { How::Play }).await?;
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let player = wiring::player(config, recordings);
        return interactive::play(reel, &player, id, wanted).await;
    }
    stream(reel, wanted).await
}

/// Writes the recording out in its own time.
async fn stream(mut reel: Reel, wanted: &cli::Play) -> Result<()> {
    let from = u64::try_from(wanted.from.0.as_micros())?;
    let clock = clock::Clock::new(wanted.speed, wanted.idle_limit.map(|limit| limit.0));
    let mut screen = Screen::new(reel.header.kubetape.tty || !io::stdout().is_terminal());
    let mut at = 0;
    loop {
        let Some(shown) = reel.next().await? else {
            if !wanted.follow || reel.manifest.is_some() {
                return Ok(());
            }
            tokio::time::sleep(reel::LOOK).await;
            reel.look().await?;
            continue;
        };
        // What was before the start is shown at once: the screen is made of it.
        if shown.micros > from {
            tokio::time::sleep(clock.pause(at.max(from), shown.micros)).await;
        }
        at = at.max(shown.micros);
        screen.show(&shown)?;
    }
}

/// The terminal that is played on.
struct Screen {
    filter: Harmless,
    /// Whether lines end as in a terminal's output.
    raw: bool,
    last: char,
}

impl Screen {
    /// `raw`: newlines are written as they come.
    fn new(raw: bool) -> Self {
        Self { filter: Harmless::default(), raw, last: ' ' }
    }

    fn show(&mut self, shown: &Shown) -> io::Result<()> {
        match &shown.what {
            What::Output(bytes) => self.write(bytes),
            What::Size(..) => Ok(()),
            What::Note(text) => {
                let text = crate::output::plain(text);
                let mut out = io::stdout().lock();
                write!(out, "\r\n[{text}]\r\n")?;
                out.flush()
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        let mut safe = String::with_capacity(text.len());
        self.filter.filter(&text, &mut safe);
        let safe = if self.raw { safe } else { self.with_returns(&safe) };
        let mut out = io::stdout().lock();
        out.write_all(safe.as_bytes())?;
        out.flush()
    }

    /// Without a terminal a process writes `\n` alone.
    fn with_returns(&mut self, text: &str) -> String {
        let mut lines = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if c == '\n' && self.last != '\r' {
                lines.push('\r');
            }
            lines.push(c);
            self.last = c;
        }
        lines
    }
}

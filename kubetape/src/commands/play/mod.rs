//! `kubetape play`

mod clock;
mod commands;
mod harmless;
mod interactive;
mod keys;
mod places;
mod progress;
mod reel;
mod screen;

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use reel::PlaybackCursor;
use screen::Screen;

use super::viewing::{self, How};
use crate::{cli, config::Config, lookup, wiring};

pub async fn run(config: &Config, wanted: &cli::Play) -> Result<()> {
    let recordings = wiring::recordings(config).await?;
    let id = lookup::recording(&recordings, &wanted.id).await?;
    let reel =
        PlaybackCursor::open(&recordings, id).await.with_context(|| format!("cannot play {id}: see `kubetape ls`"))?;
    let live = wanted.follow && reel.manifest.is_none();
    viewing::note(config, id, if live { How::Live } else { How::Play }).await?;
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let player = wiring::player(config, recordings);
        return interactive::play(reel, &player, id, wanted).await;
    }
    stream(reel, wanted).await
}

/// Writes the recording out in its own time.
async fn stream(mut reel: PlaybackCursor, wanted: &cli::Play) -> Result<()> {
    let from = u64::try_from(wanted.from.0.as_micros())?;
    let clock = clock::Clock::new(wanted.speed, wanted.idle_limit.map(|limit| limit.0));
    let mut screen = Screen::of(reel.header.kubetape.tty);
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

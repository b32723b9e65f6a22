//! `kubetape play`

mod bookmarks;
mod clock;
mod commands;
mod cursor;
mod interactive;
mod keys;
mod progress;
mod sanitizer;
mod screen;

use std::io::{self, IsTerminal};

use anyhow::{Context, Result};
use cursor::{POLL_INTERVAL, PlaybackCursor};
use recording::Micros;
use screen::Screen;

use super::viewing::{self, Viewing};
use crate::{cli, config::Config, recorded, wiring};

pub async fn run(config: &Config, options: &cli::Play) -> Result<()> {
    let recordings = wiring::recordings(config).await?;
    let id = recorded::find(&recordings, &options.id).await?;
    let cursor =
        PlaybackCursor::open(&recordings, id).await.with_context(|| format!("cannot play {id}: see `kubetape ls`"))?;
    let live = options.follow && cursor.manifest.is_none();
    viewing::note(config, id, if live { Viewing::Live } else { Viewing::Play }).await?;
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let player = wiring::player(config, recordings);
        return interactive::play(cursor, &player, id, options).await;
    }
    stream(cursor, options).await
}

/// Writes the recording to stdout at its own pace.
async fn stream(mut cursor: PlaybackCursor, options: &cli::Play) -> Result<()> {
    let from = Micros::from(options.from.0);
    let clock = clock::Clock::new(options.speed, options.idle_limit.map(|limit| limit.0));
    let mut screen = Screen::of(cursor.header.kubetape.tty);
    let mut at = Micros::ZERO;
    loop {
        let Some(event) = cursor.next().await? else {
            if !options.follow || cursor.manifest.is_some() {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
            cursor.poll().await?;
            continue;
        };
        // What comes before the start is shown at once: the screen is made of it.
        if event.time > from {
            tokio::time::sleep(clock.pause(at.max(from), event.time)).await;
        }
        at = at.max(event.time);
        screen.show(&event)?;
    }
}

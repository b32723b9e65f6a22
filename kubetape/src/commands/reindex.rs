//! `kubetape reindex`

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use search::Progress;

use crate::{config::Config, wiring};

pub async fn run(config: &Config) -> Result<()> {
    let store = wiring::store_to_read(config).await?;
    let began = Instant::now();
    // On stderr, and only if that is a terminal.
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {percent}%, {msg} ({elapsed}, {eta} left)")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut show = |progress: Progress| {
        bar.set_length(progress.recordings);
        bar.set_position(progress.read + progress.live);
        bar.set_message(format!("{} documents", progress.documents));
    };
    let done = search::rebuild(store, &config.index, config.masks.clone(), &mut show).await;
    bar.finish_and_clear();
    let done = done.with_context(|| format!("cannot make the index in {}", config.index.display()))?;
    eprintln!("{} in {:.1} s: {}", summary(done), began.elapsed().as_secs_f64(), config.index.display());
    if done.damaged > 0 {
        eprintln!("{} of them are damaged and were left out; the log says which", done.damaged);
    }
    Ok(())
}

fn summary(progress: Progress) -> String {
    format!(
        "{} recordings, {} of them live, and {} journal objects read: {} documents",
        progress.finished + progress.live,
        progress.live,
        progress.journal_objects,
        progress.documents
    )
}

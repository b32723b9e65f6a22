//! Recordings, for commands that read all of one: found by the beginning of its id, summarized, gone through.

use anyhow::{Context, Result, bail, ensure};
use recording::{
    RecordingId,
    cast::{Event, events},
};
use storage::{RecordingError, RecordingReader, Summary, recordings::ChunkOrGap};

/// The recording whose id is `text` or begins with it.
///
/// # Errors
/// None or several do, or the store fails.
pub async fn find(recordings: &RecordingReader, text: &str) -> Result<RecordingId> {
    let text = text.to_ascii_lowercase();
    if text.len() == 36
        && let Ok(id) = text.parse()
    {
        return Ok(id);
    }
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    ensure!(hex && (4..36).contains(&text.len()), "{text:?} is no recording's id: see `kubetape ls`");
    let mut matching = Vec::new();
    for day in recordings.days().await.context("cannot list the recordings")? {
        let ids = recordings.ids(&day).await.context("cannot list the recordings")?;
        matching.extend(ids.into_iter().filter(|id| id.to_string().starts_with(&text)));
    }
    match matching.as_slice() {
        [] => bail!("no recording's id begins with {text}: see `kubetape ls`"),
        [one] => Ok(*one),
        several => {
            let named: Vec<_> = several.iter().take(5).map(ToString::to_string).collect();
            let more = if several.len() > 5 { ", …" } else { "" };
            bail!("{} recordings' ids begin with {text}: {}{more}", several.len(), named.join(", "))
        }
    }
}

/// Reads header and manifest.
///
/// # Errors
/// There is no such recording, or it cannot be read.
pub async fn summary(recordings: &RecordingReader, id: RecordingId) -> Result<Summary> {
    match recordings.summary(id).await {
        Err(error) if error.is_not_found() => bail!("there is no recording {id}: see `kubetape ls`"),
        other => other.with_context(|| format!("cannot read {id}")),
    }
}

/// Goes through all events, chunk by chunk. What is missing or damaged is named on stderr, and the rest is read.
///
/// # Errors
/// The store's, and those of `take`.
pub async fn each_event(
    recordings: &RecordingReader,
    id: RecordingId,
    take: &mut dyn FnMut(Event) -> Result<()>,
) -> Result<()> {
    let mut chunks = recordings.chunks(id).await.with_context(|| format!("cannot read {id}"))?;
    let mut damaged = 0_usize;
    loop {
        match chunks.next().await {
            Ok(None) => break,
            Ok(Some(ChunkOrGap::Gap { from, to })) => eprintln!("kubetape: chunks {from} to {to} are missing"),
            Ok(Some(ChunkOrGap::Lines { lines, .. })) => {
                for event in events(&lines) {
                    match event {
                        Ok(event) => take(event)?,
                        Err(_) => damaged += 1,
                    }
                }
            }
            Err(error @ (RecordingError::Chunk { .. } | RecordingError::Gap { .. })) => {
                eprintln!("kubetape: {:#}", anyhow::Error::new(error));
            }
            Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot read {id}"))),
        }
    }
    if damaged > 0 {
        eprintln!("kubetape: {damaged} lines of the recording cannot be read");
    }
    Ok(())
}

//! What is in a recording, for commands that read all of it.

use anyhow::{Context, Result, bail};
use recording::{
    RecordingId,
    cast::{Event, events},
};
use storage::{RecordingError, RecordingReader, Summary, recordings::Piece};

/// Header and manifest.
pub async fn summary(recordings: &RecordingReader, id: RecordingId) -> Result<Summary> {
    match recordings.summary(id).await {
        Err(error) if error.is_not_found() => bail!("there is no recording {id}: see `kubetape ls`"),
        other => other.with_context(|| format!("cannot read {id}")),
    }
}

/// Goes through all events, chunk by chunk. What is missing or damaged is said on stderr, and the rest is read.
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
            Ok(Some(Piece::Gap { from, to })) => eprintln!("kubetape: chunks {from} to {to} are missing"),
            Ok(Some(Piece::Lines { lines, .. })) => {
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

//! Recordings by the beginning of their id.

use anyhow::{Context, Result, bail, ensure};
use recording::RecordingId;
use storage::RecordingReader;

/// The recording that is meant.
pub async fn recording(recordings: &RecordingReader, text: &str) -> Result<RecordingId> {
    let text = text.to_ascii_lowercase();
    if text.len() == 36
        && let Ok(id) = text.parse()
    {
        return Ok(id);
    }
    let hex = text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    ensure!(hex && (4..36).contains(&text.len()), "{text:?} is no recording's id: see `kubetape ls`");
    let mut found = Vec::new();
    for day in recordings.days().await.context("cannot list the recordings")? {
        let ids = recordings.ids(&day).await.context("cannot list the recordings")?;
        found.extend(ids.into_iter().filter(|id| id.to_string().starts_with(&text)));
    }
    match found.as_slice() {
        [] => bail!("no recording's id begins with {text}: see `kubetape ls`"),
        [one] => Ok(*one),
        several => {
            let shown: Vec<_> = several.iter().take(5).map(ToString::to_string).collect();
            let more = if several.len() > 5 { ", …" } else { "" };
            bail!("{} recordings' ids begin with {text}: {}{more}", several.len(), shown.join(", "))
        }
    }
}

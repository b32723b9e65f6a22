//! `kubetape export`

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use player::{Player, PlayerError, PlayerSettings};
use recording::RecordingId;
use storage::RecordingReader;
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use super::viewing::{self, How};
use crate::{
    cli::{self, Format, StreamName},
    commands::bundle::Bundle,
    config::Config,
    lookup, wiring,
};

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;

pub async fn run(config: &Config, wanted: &cli::Export) -> Result<()> {
    let Some(format) = format(wanted)? else { return to_folder(config, wanted).await };
    let recordings = wiring::recordings(config).await?;
    let id = lookup::recording(&recordings, &wanted.id).await?;
    if let Err(error) = recordings.header(id).await
        && error.is_not_found()
    {
        bail!("there is no recording {id}: see `kubetape ls`");
    }
    viewing::note(config, id, How::Export).await?;
    let player = Player::new(recordings, PlayerSettings::default());
    match &wanted.output {
        None => write(&player, id, format, tokio::io::stdout()).await,
        Some(file) => to_file(&player, id, format, file).await,
    }
}

async fn to_folder(config: &Config, wanted: &cli::Export) -> Result<()> {
    let folder = wanted.output.as_deref().context("--format bundle is a folder: name it with --output")?;
    let store = wiring::store_to_read(config).await?;
    let id = lookup::recording(&RecordingReader::new(store.clone()), &wanted.id).await?;
    let bundle = Bundle::gather(&store, id, folder).await?;
    viewing::note(config, id, How::Export).await?;
    bundle.write().await
}

/// None for what is not one file.
fn format(wanted: &cli::Export) -> Result<Option<player::Format>> {
    ensure!(wanted.format == Format::Raw || wanted.stream.is_none(), "--stream is for --format raw: leave it out");
    Ok(Some(match wanted.format {
        Format::Bundle => return Ok(None),
        Format::Cast2 => player::Format::Cast2,
        Format::Cast3 => player::Format::Cast3,
        Format::Text => player::Format::Text,
        Format::Raw => player::Format::Raw(match wanted.stream.unwrap_or(StreamName::Stdout) {
            StreamName::Stdout => player::StreamName::Stdout,
            StreamName::Stderr => player::StreamName::Stderr,
            StreamName::Stdin => player::StreamName::Stdin,
        }),
    }))
}

/// The file is there when it is whole. A device or a pipe, such as `/dev/null`, is written to and not replaced.
async fn to_file(player: &Player, id: RecordingId, format: player::Format, file: &Path) -> Result<()> {
    let failed = || format!("cannot write {}", file.display());
    if std::fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        let out = tokio::fs::OpenOptions::new().write(true).open(file).await.with_context(failed)?;
        return write(player, id, format, out).await.with_context(failed);
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (part, path) = tempfile::NamedTempFile::new_in(folder).with_context(failed)?.into_parts();
    write(player, id, format, tokio::fs::File::from_std(part)).await?;
    path.persist(file).with_context(failed)?;
    Ok(())
}

async fn write(
    player: &Player,
    id: RecordingId,
    format: player::Format,
    out: impl AsyncWrite + Unpin + Send,
) -> Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let exported = player.export(id, format, &mut out).await;
    // What came before a failure is given all the same, whole.
    out.flush().await?;
    match exported {
        Ok(()) => {}
        Err(PlayerError::Write(error)) => return Err(error.into()),
        Err(error) if error.is_not_found() => bail!("there is no recording {id}: see `kubetape ls`"),
        Err(error) => return Err(anyhow::Error::new(error).context(format!("cannot export {id}"))),
    }
    out.flush().await?;
    Ok(())
}

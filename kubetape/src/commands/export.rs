//! `kubetape export`

use std::{io::Write, path::Path, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use player::{Player, PlayerError, PlayerSettings};
use recording::RecordingId;
use storage::{RecordingReader, Store};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};
use verify::Bundle;

use super::{
    bundle, evidence,
    viewing::{self, Viewing},
};
use crate::{
    cli::{self, Format, StreamName},
    config::Config,
    recorded, wiring,
};

/// Bytes gathered before they are written.
const BUFFER: usize = 256 << 10;

pub async fn run(config: &Config, options: &cli::Export) -> Result<()> {
    let Some(format) = format(options)? else { return to_examiner(config, options).await };
    let recordings = wiring::recordings(config).await?;
    let id = recorded::find(&recordings, &options.id).await?;
    if let Err(error) = recordings.header(id).await
        && error.is_not_found()
    {
        bail!("there is no recording {id}: see `kubetape ls`");
    }
    viewing::note(config, id, Viewing::Export).await?;
    let player = Player::new(recordings, PlayerSettings::default());
    match &options.output {
        None => write(&player, id, format, tokio::io::stdout()).await,
        Some(file) => to_file(&player, id, format, file).await,
    }
}

/// A bundle, as a folder or as a page.
async fn to_examiner(config: &Config, options: &cli::Export) -> Result<()> {
    let store = wiring::store_to_read(config).await?;
    let recordings = RecordingReader::new(store.clone());
    let id = recorded::find(&recordings, &options.id).await?;
    evidence::require_right(config, &store, id, options.unproven).await?;
    if options.format == Format::Bundle {
        let folder = options.output.as_deref().context("--format bundle is a folder: name it with --output")?;
        bundle::prepare(folder)?;
        let bundle = gathered(&store, id).await?;
        viewing::note_unchecked(config, id, Viewing::Export).await?;
        return bundle::write(&bundle, folder).await;
    }
    let bundle = gathered(&store, id).await?;
    let header = recordings.header(id).await.with_context(|| format!("cannot read {id}"))?;
    let page = web::evidence_page(&bundle, &header).await.with_context(|| format!("cannot export {id}"))?;
    viewing::note_unchecked(config, id, Viewing::Export).await?;
    match &options.output {
        None => tokio::io::stdout().write_all(&page).await?,
        Some(file) => write_page(file, &page)?,
    }
    Ok(())
}

/// A file that has its name once it is whole, and that only its owner may read. A device or a pipe is written to.
fn write_page(file: &Path, page: &[u8]) -> Result<()> {
    if std::fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        return std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut part = tempfile::NamedTempFile::new_in(folder)?;
        part.write_all(page)?;
        part.persist(file).map_err(|error| error.error)
    };
    write().map(drop).with_context(|| format!("cannot write {}", file.display()))
}

async fn gathered(store: &Arc<dyn Store>, id: RecordingId) -> Result<Bundle> {
    let bundle = Bundle::gather(store, id, bundle::WRITTEN_BY).await.context("cannot read the storage")?;
    bundle.with_context(|| format!("there is no recording {id}: see `kubetape ls`"))
}

/// Returns `None` for a bundle, be it a folder or a page.
fn format(options: &cli::Export) -> Result<Option<player::Format>> {
    let is_bundle = matches!(options.format, Format::Bundle | Format::Html);
    ensure!(is_bundle || !options.unproven, "--unproven is for --format bundle and html: leave it out");
    ensure!(options.format == Format::Raw || options.stream.is_none(), "--stream is for --format raw: leave it out");
    Ok(Some(match options.format {
        Format::Bundle | Format::Html => return Ok(None),
        Format::Cast2 => player::Format::Cast2,
        Format::Cast3 => player::Format::Cast3,
        Format::Text => player::Format::Text,
        Format::Raw => player::Format::Raw(match options.stream.unwrap_or(StreamName::Stdout) {
            StreamName::Stdout => player::StreamName::Stdout,
            StreamName::Stderr => player::StreamName::Stderr,
            StreamName::Stdin => player::StreamName::Stdin,
        }),
    }))
}

/// Writes a file that has its name once it is whole. A device or a pipe, such as `/dev/null`, is written to and not replaced.
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
    // What came before a failure is written all the same.
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

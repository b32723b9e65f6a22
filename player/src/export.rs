//! Recordings in other formats, written chunk by chunk: memory stays at about one chunk.

mod cast2;
mod cast3;
mod raw;
mod text;

use recording::{RecordingId, cast::Header};
use storage::{RecordingReader, recordings::Chunks};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::PlayerError;

/// What a recording can be exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// asciicast v2, which asciinema and others play: the stored lines.
    Cast2,
    /// asciicast v3.
    Cast3,
    /// What a person could have read: of a terminal the lines that were scrolled away and those that stood there at
    /// the end, wrapped ones joined; without a terminal stdout and stderr in order, without escape sequences.
    Text,
    /// One stream's exact bytes.
    Raw(StreamName),
}

/// A stream of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamName {
    /// What the person sent.
    Stdin,
    /// What the process printed; everything, where there is a terminal.
    Stdout,
    /// What the process printed as errors, where there is no terminal.
    Stderr,
}

/// Where an export goes.
struct Out<'a>(&'a mut (dyn AsyncWrite + Unpin + Send));

impl Out<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), PlayerError> {
        self.0.write_all(bytes).await.map_err(PlayerError::Write)
    }
}

/// A recording that is being exported.
struct Source {
    header: Header,
    chunks: Chunks,
}

pub(crate) async fn write(
    recordings: &RecordingReader,
    id: RecordingId,
    format: Format,
    out: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<(), PlayerError> {
    let header = recordings.header(id).await?;
    let source = Source { header, chunks: recordings.chunks(id).await? };
    let mut out = Out(out);
    match format {
        Format::Cast2 => cast2::write(source, &mut out).await?,
        Format::Cast3 => cast3::write(source, &mut out).await?,
        Format::Text => text::write(source, &mut out).await?,
        Format::Raw(stream) => raw::write(source, stream, &mut out).await?,
    }
    out.0.flush().await.map_err(PlayerError::Write)
}

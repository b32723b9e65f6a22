use std::{io, sync::Arc, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, header};
use identity::WebSession;
use player::{Format, PlayerError, StreamName};
use recording::cast::SessionMetadata;
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    task::JoinHandle,
};
use tokio_util::io::ReaderStream;

use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unplayable, unreadable},
    },
    http::failure::{ApiFailure, Failure},
};

/// Bytes between the export and the connection; when they are full, the export waits.
const BUFFER_BYTES: usize = 256 * 1024;

/// A download that takes longer is cut off.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// In which format, and which stream of it, a recording is taken away.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DownloadParams {
    format: String,
    stream: String,
}

/// `GET /api/v1/sessions/{id}/download?format=cast2|cast3|text|raw&stream=stdout|stderr|stdin`
pub(crate) async fn download(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    Query(params): Query<DownloadParams>,
) -> Result<Response, ApiFailure> {
    let id = parse_id(&id)?;
    let format = params.format()?;
    let header = evidence.recordings.header(id).await.map_err(unreadable)?;
    let turn = evidence.export_turn(&login.user)?;
    journal.exported(&login, id).await?;
    let (mut writer, mut reader) = tokio::io::duplex(BUFFER_BYTES);
    let player = evidence.player.clone();
    let export = tokio::spawn(async move {
        let exported = tokio::time::timeout(EXPORT_TIMEOUT, player.export(id, format, &mut writer)).await;
        drop(turn);
        exported.unwrap_or_else(|_| Err(PlayerError::Write(io::ErrorKind::TimedOut.into())))
    });
    // The first bytes come before the status: an export that fails at once is told as a failure.
    let mut first = vec![0; 16 * 1024];
    let read = reader.read(&mut first).await.map_err(|error| Failure::internal("cannot export", error))?;
    first.truncate(read);
    if read == 0 {
        finished(export).await?;
        return Ok(attachment(&header.kubetape, format, Body::empty()));
    }
    Ok(attachment(&header.kubetape, format, body(first, reader, export)))
}

impl DownloadParams {
    fn format(&self) -> Result<Format, Failure> {
        match (self.format.as_str(), self.stream.as_str()) {
            ("cast2", _) => Ok(Format::Cast2),
            ("cast3", _) => Ok(Format::Cast3),
            ("text", _) => Ok(Format::Text),
            ("raw", "" | "stdout") => Ok(Format::Raw(StreamName::Stdout)),
            ("raw", "stderr") => Ok(Format::Raw(StreamName::Stderr)),
            ("raw", "stdin") => Ok(Format::Raw(StreamName::Stdin)),
            ("raw", _) => Err(Failure::invalid("stream takes stdout, stderr or stdin.")),
            _ => Err(Failure::invalid("format takes cast2, cast3, text or raw.")),
        }
    }
}

async fn finished(export: JoinHandle<Result<(), PlayerError>>) -> Result<(), Failure> {
    match export.await {
        Ok(exported) => exported.map_err(unplayable),
        Err(error) => Err(Failure::internal("cannot export", error)),
    }
}

/// The export as a body. An export that fails on its way ends the connection before the body's end, so that a part is
/// not taken for the whole.
fn body(first: Vec<u8>, rest: DuplexStream, export: JoinHandle<Result<(), PlayerError>>) -> Body {
    let end = stream::once(async move {
        match export.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "an export ended early");
                Some(Err(io::Error::other(error)))
            }
            Err(error) => Some(Err(io::Error::other(error))),
        }
    });
    let first = stream::once(async move { Ok(Bytes::from(first)) });
    let rest = ReaderStream::with_capacity(rest, 64 * 1024);
    Body::from_stream(first.chain(rest).chain(end.filter_map(|end| async move { end })))
}

/// A response that a browser saves and never shows, whatever is in it.
fn attachment(session: &SessionMetadata, format: Format, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    let kind = match format {
        Format::Raw(_) => "application/octet-stream",
        Format::Cast2 | Format::Cast3 | Format::Text => "text/plain; charset=utf-8",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = format!("attachment; filename=\"{}\"", file_name(session, format));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment")),
    );
    response
}

/// Pod and id, made of plain characters only: the pod's name comes from a client.
fn file_name(session: &SessionMetadata, format: Format) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let pod: String = session.target.name.chars().take(60).map(plain).collect();
    let ending = match format {
        Format::Cast2 => "v2.cast",
        Format::Cast3 => "v3.cast",
        Format::Text => "txt",
        Format::Raw(StreamName::Stdin) => "stdin.bin",
        Format::Raw(StreamName::Stdout) => "stdout.bin",
        Format::Raw(StreamName::Stderr) => "stderr.bin",
    };
    format!("{pod}-{}.{ending}", session.id)
}

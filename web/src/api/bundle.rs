use std::{io, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use identity::WebSession;
use jiff::Timestamp;
use recording::RecordingId;
use serde::Deserialize;
use verify::{Bundle, BundleFile, Inspection};

use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unreadable},
        turns::Turn,
    },
    evidence_page::{PageError, evidence_page},
    http::failure::{ApiFailure, Failure},
};

/// What this program calls itself in what it writes.
const WRITTEN_BY: &str = concat!("kubetape ", env!("CARGO_PKG_VERSION"));
/// Tar's files, and its end, are multiples of so many bytes.
const BLOCK: usize = 512;

/// As what a recording's evidence is taken away.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BundleParams {
    form: String,
    unproven: bool,
}

/// `GET /api/v1/sessions/{id}/bundle?form=tar|html&unproven=true`
pub(crate) async fn bundle(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    Query(params): Query<BundleParams>,
) -> Result<Response, ApiFailure> {
    let id = parse_id(&id)?;
    let is_page = match params.form.as_str() {
        "tar" => false,
        "html" => true,
        _ => return Err(Failure::invalid("form takes tar or html.").into()),
    };
    let header = evidence.recordings.header(id).await.map_err(unreadable)?;
    let inspection = evidence.inspect(id).await;
    if inspection.standing.is_wrong() && !params.unproven {
        return Err(unproven(&inspection).into());
    }
    let turn = evidence.export_turn(&login.user)?;
    let bundle = Bundle::gather(&evidence.store, id, WRITTEN_BY).await;
    let bundle = bundle.map_err(|error| Failure::internal("cannot gather a bundle", error))?;
    let bundle = bundle.ok_or_else(|| Failure::not_found("There is no such recording."))?;
    journal.exported(&login, id).await?;
    if !is_page {
        let body = Body::from_stream(archive(bundle, id, turn));
        return Ok(attachment(body, "application/x-tar", &format!("kubetape-{id}.tar")));
    }
    let page = evidence_page(&bundle, &header).await.map_err(|error| match error {
        PageError::TooLarge(_) => {
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large", format!("{error}."))
        }
        PageError::Store(error) => Failure::internal("cannot make a page of a bundle", error),
    })?;
    Ok(attachment(Body::from(page), "text/html; charset=utf-8", &format!("kubetape-{id}.html")))
}

fn unproven(inspection: &Inspection) -> Failure {
    let what = inspection.findings.first().map(|finding| format!(" {}: {}.", finding.object, finding.detail));
    let message = format!(
        "This recording is {}, so an excerpt of it proves nothing.{} Add unproven=true to take it all the same.",
        inspection.standing.label(),
        what.unwrap_or_default()
    );
    Failure::new(StatusCode::CONFLICT, "unproven", "Not proven", message)
}

/// The files in a folder named after the recording. A file that cannot be read ends the connection before the archive's end, so
/// that a part is not taken for the whole.
fn archive(bundle: Bundle, id: RecordingId, turn: Turn) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let written = Timestamp::now().as_second().unsigned_abs();
    let files = bundle.files().to_vec();
    let bundle = Arc::new(bundle);
    let members = stream::iter(files).then(move |file| {
        let bundle = Arc::clone(&bundle);
        async move { member(&bundle, &file, id, written).await }
    });
    let end = stream::once(async move {
        drop(turn);
        Ok(Bytes::from(vec![0; 2 * BLOCK]))
    });
    members.chain(end)
}

/// A file with its header, filled up to whole blocks.
async fn member(bundle: &Bundle, file: &BundleFile, id: RecordingId, written: u64) -> io::Result<Bytes> {
    let contents = bundle.read(file).await.map_err(io::Error::other)?;
    let mut header = tar::Header::new_ustar();
    header.set_path(format!("{id}/{}", file.path))?;
    header.set_size(contents.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(written);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    let mut bytes = BytesMut::with_capacity(contents.len() + 2 * BLOCK);
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&contents);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    Ok(bytes.freeze())
}

/// A response that a browser saves and never shows.
fn attachment(body: Body, kind: &'static str, name: &str) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    headers.insert(header::CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
    response
}

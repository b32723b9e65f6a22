use std::{collections::HashMap, sync::LazyLock};

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

/// Style, script, icons and the player; compiled into the program.
#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// The first 16 hexadecimal digits of each file's SHA-256, by path.
static DIGESTS: LazyLock<HashMap<String, String>> =
    LazyLock::new(|| Files::iter().filter_map(|path| Some((path.to_string(), digest(&Files::get(&path)?)))).collect());

fn digest(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The address of a file. Its digest is part of it, so a browser may keep the file for ever.
pub(crate) fn url(path: &str) -> String {
    format!("/assets/{}/{path}", DIGESTS.get(path).map_or("missing", String::as_str))
}

/// A file of text, for a page that has it in itself. Empty if there is no such file.
pub(crate) fn text(path: &str) -> String {
    Files::get(path).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default()
}

/// The paths of all files.
#[cfg(test)]
pub(crate) fn paths() -> impl Iterator<Item = String> {
    Files::iter().map(|path| path.to_string())
}

/// `GET /assets/{digest}/{*path}`
pub(crate) async fn serve(Path((digest, path)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(file) = Files::get(&path).filter(|_| DIGESTS.get(&path) == Some(&digest)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let tag = format!("\"{digest}\"");
    let unchanged = headers.get_all(header::IF_NONE_MATCH).iter().any(|given| given.as_bytes() == tag.as_bytes());
    let mut response =
        if unchanged { StatusCode::NOT_MODIFIED.into_response() } else { file.data.into_owned().into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(&path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "text/plain; charset=utf-8",
    }
}

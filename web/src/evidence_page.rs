//! A bundle as one page: opened without a network it plays the recording, and checks it by the keys that the examiner gives it.

use std::collections::BTreeMap;

use askama::Template;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use recording::{RecordingId, cast::Header};
use sha2::{Digest, Sha256};
use storage::StoreError;
use thiserror::Error;
use verify::Bundle;

use crate::http::assets;

/// Bytes of a bundle that become a page. A third more are in it, as base64, and a browser holds all of it at once.
pub const LARGEST_PAGE: u64 = 48 << 20;

/// Of a bundle's files the page has those that its script reads.
const FOLDERS: [&str; 4] = ["recordings/", "entries/", "journal/", "keys/"];

/// Why there is no page.
#[derive(Debug, Error)]
pub enum PageError {
    /// The store failed.
    #[error("the storage failed")]
    Store(#[from] StoreError),
    /// It is too large for a browser.
    #[error("the recording has {0} bytes, and a page at most {LARGEST_PAGE}: take a bundle instead")]
    TooLarge(u64),
}

#[derive(Template)]
#[template(path = "evidence_page.html")]
struct Page<'a> {
    policy: String,
    title: String,
    id: RecordingId,
    bundle: String,
    player: &'a str,
    player_style: &'a str,
    unpacker: &'a str,
    script: &'a str,
    style: &'a str,
}

/// Makes the page of a bundle. `header` is that of its recording.
///
/// # Errors
/// [`PageError`]
pub async fn evidence_page(bundle: &Bundle, header: &Header) -> Result<Bytes, PageError> {
    let files = || bundle.files().iter().filter(|file| FOLDERS.iter().any(|folder| file.path.starts_with(folder)));
    let size = files().map(|file| file.size).sum();
    if size > LARGEST_PAGE {
        return Err(PageError::TooLarge(size));
    }
    let mut packed = BTreeMap::new();
    for file in files() {
        packed.insert(file.path.as_str(), STANDARD.encode(bundle.read(file).await?));
    }
    let text = assets::text;
    let page = Page {
        policy: String::new(),
        title: title(header),
        id: header.kubetape.id,
        // Paths of objects and base64: nothing in it ends a script or needs an escape.
        bundle: serde_json::to_string(&packed).unwrap_or_default(),
        player: &text("vendor/asciinema-player-3.18.0/asciinema-player.min.js"),
        player_style: &text("vendor/asciinema-player-3.18.0/asciinema-player.css"),
        unpacker: &text("vendor/fzstd-0.1.1/fzstd.min.js"),
        script: &text("evidence.js"),
        style: &text("evidence.css"),
    };
    let policy = policy(&[page.player, page.unpacker, page.script], &[page.player_style, page.style]);
    let page = Page { policy, ..page };
    Ok(page.render().unwrap_or_default().into())
}

/// Only the scripts and styles that this program put into the page run there, and nothing is asked of anybody. The player is
/// WebAssembly that is part of its script.
fn policy(scripts: &[&str], styles: &[&str]) -> String {
    let hashes = |texts: &[&str]| {
        let hash = |text: &&str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        texts.iter().map(hash).collect::<Vec<_>>().join(" ")
    };
    let (scripts, styles) = (hashes(scripts), hashes(styles));
    format!(
        "default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; style-src {styles}; img-src data:; font-src data:; \
         base-uri 'none'; form-action 'none'"
    )
}

fn title(header: &Header) -> String {
    let session = &header.kubetape;
    let target = &session.target;
    let place = [&target.cluster, &target.namespace, &target.name].map(String::as_str).join(" / ");
    format!("{} in {place}", session.principal.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_put_into_the_page_ends_its_script_or_style() {
        for path in assets::paths().filter(|path| path.ends_with(".js") || path.ends_with(".css")) {
            let text = assets::text(&path).to_ascii_lowercase();
            assert!(!text.contains("</script") && !text.contains("</style") && !text.contains("<!--"), "{path}");
        }
    }
}

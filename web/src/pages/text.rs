use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use identity::WebSession;
use player::{Format, PlayerError};
use recording::{RecordingId, shell_quoted};
use tokio::io::AsyncWrite;

use super::{
    layout::{Layout, NavItem, render},
    sessions::command,
    standing::StandingBadge,
    visible_text::VisibleText,
};
use crate::{
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unplayable, unreadable},
        site::Site,
    },
    http::failure::Failure,
};

/// Bytes of text on the page; the download has the rest.
const MAX_TEXT: usize = 512 * 1024;

#[derive(Template)]
#[template(path = "text.html")]
struct TextPage {
    page: Layout,
    id: RecordingId,
    command: VisibleText,
    evidence: StandingBadge,
    text: String,
    cut: bool,
}

/// `GET /sessions/{id}/text`: the recording as it can be read without a script.
pub(crate) async fn page(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(site): State<Arc<Site>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse_id(&id)?;
    let header = evidence.player.header(id).await.map_err(unreadable)?;
    journal.viewed(&login, id).await?;
    let mut beginning = Beginning::default();
    match evidence.player.export(id, Format::Text, &mut beginning).await {
        Ok(()) => {}
        Err(PlayerError::Write(_)) if beginning.cut => {}
        Err(error) => return Err(unplayable(error)),
    }
    let inspection = evidence.inspect(id).await;
    let session = &header.kubetape;
    let command = command(session.kind, &shell_quoted(&session.argv));
    Ok(render(&TextPage {
        page: Layout::new(&site, &login, NavItem::Sessions, format!("{} – text", command.as_str())),
        id,
        command,
        evidence: StandingBadge::new(&inspection),
        text: readable(&beginning.bytes),
        cut: beginning.cut,
    }))
}

/// The text with invisible characters made visible, except for line ends and tabs.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut visible = String::with_capacity(text.len());
    for line in text.split_inclusive(['\n', '\t']) {
        let piece = line.trim_end_matches(['\n', '\t']);
        visible.push_str(VisibleText::new(piece.trim_end_matches('\r')).as_str());
        visible.push_str(&line[piece.len()..]);
    }
    visible
}

/// Takes the first [`MAX_TEXT`] bytes and refuses the rest, which ends the export.
#[derive(Default)]
struct Beginning {
    bytes: Vec<u8>,
    cut: bool,
}

impl AsyncWrite for Beginning {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(MAX_TEXT - self.bytes.len());
        if taken == 0 && !bytes.is_empty() {
            self.cut = true;
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.bytes.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_tabs_stay_and_other_controls_become_visible() {
        assert_eq!(readable(b"a\tb\r\nc\x1b[1m\n"), "a\tb\nc\u{27e8}ESC\u{27e9}[1m\n");
    }
}

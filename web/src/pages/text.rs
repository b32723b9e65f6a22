use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use player::{Format, PlayerError};
use recording::RecordingId;
use tokio::io::AsyncWrite;

use crate::{
    http::failure::Failure,
    pages::layout::{Layout, Part, render},
    pages::visible_text::VisibleText,
    state::{Shared, recording, unplayable, unreadable},
};
use identity::web_sessions::WebSession;

/// Bytes of text on the page; the download has the rest.
const MOST: usize = 512 * 1024;

#[derive(Template)]
#[template(path = "text.html")]
struct TextPage {
    page: Layout,
    id: RecordingId,
    command: VisibleText,
    text: String,
    cut: bool,
}

/// `GET /sessions/{id}/text`: the recording as it can be read without a script.
pub(crate) async fn page(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = recording(&id)?;
    let header = shared.player.header(id).await.map_err(unreadable)?;
    shared.viewing(&login, id).await?;
    let mut start = Start::default();
    match shared.player.export(id, Format::Text, &mut start).await {
        Ok(()) => {}
        Err(PlayerError::Write(_)) if start.cut => {}
        Err(error) => return Err(unplayable(error)),
    }
    let session = &header.kubetape;
    let command = super::sessions::command(session.kind, &crate::pages::visible_text::quoted(&session.argv));
    Ok(render(&TextPage {
        page: Layout::new(&shared, &login, Part::Sessions, format!("{} – text", command.as_str())),
        id,
        command,
        text: readable(&start.bytes),
        cut: start.cut,
    }))
}

/// Piece by piece, so that line ends and tabs stay what they are.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive(['\n', '\t']) {
        let piece = line.trim_end_matches(['\n', '\t']);
        shown.push_str(VisibleText::new(piece.trim_end_matches('\r')).as_str());
        shown.push_str(&line[piece.len()..]);
    }
    shown
}

/// Takes the first [`MOST`] bytes and refuses the rest, which ends the export.
#[derive(Default)]
struct Start {
    bytes: Vec<u8>,
    cut: bool,
}

impl AsyncWrite for Start {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(MOST - self.bytes.len());
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
    fn lines_and_tabs_stay_and_the_rest_is_shown() {
        assert_eq!(readable(b"a\tb\r\nc\x1b[1m\n"), "a\tb\nc\u{27e8}ESC\u{27e9}[1m\n");
    }
}

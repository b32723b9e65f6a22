//! Lines of a session's output that are one document.

use recording::Micros;
use serde::{Deserialize, Serialize};

use super::{mask::goes_on, session::SessionContext};

/// Longest line of output, in bytes; a longer one is cut into several.
pub(crate) const LINE_BYTES: usize = 4096;

/// A line of at least this many bytes may have been cut. A terminal's line is cut before the row that would make it longer
/// than [`LINE_BYTES`], and few terminals have rows of more than 512 bytes.
const POSSIBLY_CUT: usize = LINE_BYTES - 512;

/// Bytes of a token that are searched on each side of a cut: as many as of any token, see
/// [`crate::analyzer::MAX_TOKEN_BYTES`].
const SEAM_BYTES: usize = crate::analyzer::MAX_TOKEN_BYTES;

/// Some lines of a session's output that followed each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputPassage {
    #[serde(rename = "of")]
    pub(crate) session: SessionContext,
    /// Counts the passages of a session.
    pub(crate) number: u32,
    pub(crate) stage: OutputStage,
    /// Each line, and when it appeared.
    pub(crate) lines: Vec<(Micros, String)>,
}

/// How far a session was when its output was read. All of it is read again at the session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStage {
    /// The session was live and the passage full: it stays until the session's end.
    Live,
    /// The session was live and the passage may grow: the session's last, replaced whenever it does.
    Growing,
    /// The session was over.
    #[serde(rename = "over")]
    Final,
}

impl OutputPassage {
    /// The lines as one text.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|(_, line)| line.as_str()).collect();
        lines.join("\n")
    }

    /// The lines, and each token that the cut of a long line may have gone through.
    pub(crate) fn searched_text(&self) -> String {
        let mut text = self.text();
        for pair in self.lines.windows(2) {
            if let Some(token) = token_over_cut(&pair[0].1, &pair[1].1) {
                text.push('\n');
                text.push_str(&token);
            }
        }
        text
    }

    /// When the first line appeared.
    pub(crate) fn offset(&self) -> Micros {
        self.lines.first().map_or(Micros::ZERO, |(offset, _)| *offset)
    }
}

/// The token that ends one line and begins the next, if the line is so long that it may have been cut there: from the last
/// blank of the one to the first blank of the other, at most [`SEAM_BYTES`] of each.
fn token_over_cut(line: &str, next: &str) -> Option<String> {
    if line.len() < POSSIBLY_CUT || !goes_on(line, next) {
        return None;
    }
    let before = &line[line.ceil_char_boundary(line.len() - SEAM_BYTES)..];
    let after = &next[..next.floor_char_boundary(SEAM_BYTES)];
    let start = before.rfind(char::is_whitespace).unwrap_or(0);
    let end = after.find(char::is_whitespace).unwrap_or(after.len());
    Some(format!("{}{}", before[start..].trim_start(), &after[..end]))
}

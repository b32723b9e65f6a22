use avt::Terminal;
use serde::{Deserialize, Serialize};

use crate::{projector::ProjectedEvent, terminal_size::TerminalSize};

/// A screen as text that draws it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSnapshot {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
    /// Draws the screen on a new terminal of that size, modes and unfinished sequences included.
    pub init: String,
}

/// The screen at one time of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Screen {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
    /// The rows' text from the top, without blanks at their ends.
    pub lines: Vec<String>,
    /// Draws the screen on a terminal of that size.
    pub init: String,
}

impl SegmentSnapshot {
    /// An empty screen.
    pub(crate) fn blank(size: TerminalSize) -> Self {
        Self { cols: size.cols, rows: size.rows, init: String::new() }
    }

    /// What the terminal shows.
    pub(crate) fn of(terminal: &Terminal) -> Self {
        let (cols, rows) = terminal.size();
        let narrow = |size: usize| u16::try_from(size).unwrap_or(u16::MAX);
        Self { cols: narrow(cols), rows: narrow(rows), init: terminal.dump() }
    }

    /// A terminal that shows this screen. `None` if the emulator refuses the size, which the clamping of sizes rules out.
    pub(crate) fn to_terminal(&self) -> Option<Terminal> {
        let mut terminal = Terminal::new(self.cols.into(), self.rows.into()).ok()?;
        terminal.feed(self.init.as_str());
        Some(terminal)
    }
}

impl Screen {
    pub(crate) fn of(terminal: &Terminal) -> Self {
        let lines = terminal.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect();
        let SegmentSnapshot { cols, rows, init } = SegmentSnapshot::of(terminal);
        Self { cols, rows, lines, init }
    }
}

/// Applies an event to the terminal.
pub(crate) fn draw(terminal: &mut Terminal, event: &ProjectedEvent) {
    match event {
        ProjectedEvent::Output(text) => terminal.feed(text.as_str()),
        ProjectedEvent::Resize(size) => terminal.resize(size.cols.into(), size.rows.into()),
        ProjectedEvent::Marker(_) => {}
    }
}

/// Removes the characters that change the direction of the text around them: terminals do not obey them, browsers do,
/// and would show `txt.exe` for `exe.txt`. The text and the other exports keep them.
pub(crate) fn without_bidi_controls(text: String) -> String {
    let is_control = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(is_control) { text.replace(is_control, "") } else { text }
}

#[cfg(test)]
mod tests {
    use super::without_bidi_controls;

    #[test]
    fn no_text_changes_direction() {
        assert_eq!(without_bidi_controls("rm \u{202e}txt.exe\u{202c} \u{2067}x\u{2069}".to_owned()), "rm txt.exe x");
        assert_eq!(without_bidi_controls("grüße שלום".to_owned()), "grüße שלום");
    }
}

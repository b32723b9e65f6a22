//! Backspaces of the terminal's own line editing, for programs without a line editor.

use super::super::{Commands, EditState, EvictionCounter};

impl Commands {
    /// Feeds text to the emulator. While the cursor waits, backspaces have the meaning of the terminal's own line
    /// editing: it erases a line over several rows with BS, blank, BS, although BS stays in its row.
    pub(in crate::commands) fn feed(&mut self, text: &str) {
        if !matches!(self.state, EditState::Output(Some(_))) {
            self.emulator.feed(text, EvictionCounter(&mut self.evicted));
            return;
        }
        for part in text.split_inclusive('\x08') {
            let shown = part.trim_end_matches('\x08');
            self.emulator.feed(shown, EvictionCounter(&mut self.evicted));
            if shown.len() < part.len() {
                self.go_back();
            }
        }
    }

    fn go_back(&mut self) {
        let terminal = self.emulator.terminal();
        let (columns, cursor) = (terminal.size().0, terminal.cursor());
        let above = cursor.row.checked_sub(1).and_then(|row| terminal.screen().visible_lines().nth(row));
        let back = match cursor.col {
            0 if above.is_some_and(avt::Line::is_wrapped) => format!("\x1b[A\x1b[{columns}G\x1b[K"),
            column if column >= columns => format!("\x1b[{columns}G"),
            _ => "\x08".to_owned(),
        };
        self.emulator.feed(&back, EvictionCounter(&mut self.evicted));
    }
}

//! The signals of line editors and shells, and line feeds.

use avt::ScreenKind;

use recording::{Evidence, Micros};

use super::{
    super::{
        Commands, EditState, Editing, EvictionCounter,
        entry::resolve,
        screen::{capture::ScreenCapture, scanner::OutputSignal},
    },
    plain_program::prompt_of,
};

/// What zsh prints last before it waits: its prompt stands on the screen by then. A right prompt ends with a cursor
/// movement to the left.
const BEHIND: &[&str] = &["\x1b[K\x1b[?2004h", "\x1b=\x1b[?2004h", "D\x1b[?2004h"];

impl Commands {
    pub(in crate::commands) fn signal(&mut self, time: Micros, signal: OutputSignal) {
        self.look_before(time, signal);
        match signal {
            OutputSignal::LineFeed | OutputSignal::CursorOff => {}
            OutputSignal::Erase => self.line_begins(),
            OutputSignal::PasteOn => self.paste_on(time),
            OutputSignal::PasteOff => self.paste_off(time),
            OutputSignal::Prompt => self.prompted(time),
            OutputSignal::Input => self.input_begins(time),
            OutputSignal::Output => self.output_begins(time),
            OutputSignal::Ended(status) => {
                if let Some(entry) = self.entries.last_mut() {
                    entry.status = entry.status.or(status);
                    entry.ended.get_or_insert(time);
                }
            }
        }
    }

    /// A line begins at the cursor, even if the row above wraps into it.
    pub(in crate::commands) fn line_begins(&mut self) {
        let terminal = self.emulator.terminal();
        let cursor = terminal.cursor();
        if cursor.col == 0 && terminal.active_screen_kind() == ScreenKind::Primary {
            self.start = Some(self.row());
        }
    }

    /// The cursor's row, counted from the session's start.
    pub(in crate::commands) fn row(&self) -> u64 {
        let terminal = self.emulator.terminal();
        let above = terminal.screen().all_lines().count().saturating_sub(terminal.screen().visible_lines().len());
        self.evicted + (above + terminal.cursor().row) as u64
    }

    /// A line editor begins, before its prompt (readline, fish) or behind it (zsh).
    fn paste_on(&mut self, time: Micros) {
        if self.emulator.terminal().active_screen_kind() == ScreenKind::Alternate {
            return;
        }
        if let EditState::Editing(editing) = &mut self.state {
            if let Some(done) = editing.done.take() {
                // A new editor before the cursor left the line: that line was abandoned.
                self.enter(done);
                self.entries.last_mut().into_iter().for_each(|entry| entry.interrupted = true);
            } else if editing.evidence == Evidence::Osc133 && editing.sure {
                return;
            }
        }
        self.line_begins();
        let behind = BEHIND.iter().any(|end| self.recent.ends_with(end));
        let prompt = if behind { self.capture().as_ref().and_then(prompt_of) } else { None };
        self.beside = !behind && self.emulator.terminal().cursor().col > 0;
        self.editors = true;
        let evidence = if self.marks { Evidence::Osc133 } else { Evidence::Bracketed };
        self.ready(time);
        let sure = prompt.is_some();
        self.state = EditState::Editing(Editing {
            evidence,
            ready: time,
            prompt,
            sure,
            readline: !behind,
            behind: sure,
            done: None,
        });
    }

    /// readline assumes that its prompt begins at the left edge, even if output without a line end stands there, and
    /// breaks lines accordingly: on the screen their rows get mixed up. Here the prompt is moved to the left edge.
    pub(in crate::commands) fn left_edge(&mut self) {
        let terminal = self.emulator.terminal();
        let beside = std::mem::take(&mut self.beside) && terminal.cursor().col > 0;
        if beside && terminal.active_screen_kind() == ScreenKind::Primary {
            self.emulator.feed("\r\n", EvictionCounter(&mut self.evicted));
            self.line_begins();
        }
    }

    fn paste_off(&mut self, time: Micros) {
        let EditState::Editing(Editing { behind, .. }) = self.state else { return };
        if !behind && self.left.as_ref().is_none_or(|left| left.below) {
            // fish moves no further down from an empty row: output begins in it.
            let at_edge = self.capture().and_then(ScreenCapture::without_empty_row);
            if at_edge.is_some() {
                self.left = at_edge;
                self.line_begins();
            }
        }
        if self.left.is_none() && behind {
            self.left = self.capture_of_buffer();
            self.leaving = true;
        } else if self.left.is_none() {
            if let EditState::Editing(editing) = &mut self.state {
                editing.done = Some(time);
            }
            return;
        }
        self.enter(time);
    }

    pub(in crate::commands) fn prompted(&mut self, time: Micros) {
        if let EditState::Output(_) = self.state {
            self.ready(time);
        }
    }

    pub(in crate::commands) fn input_begins(&mut self, time: Micros) {
        let Some(prompt) = self.capture().as_ref().and_then(prompt_of) else { return };
        self.marks = true;
        let (ready, readline, behind) = match &self.state {
            EditState::Editing(editing) => (editing.ready, editing.readline, editing.behind),
            EditState::Output(_) => (time, false, false),
        };
        self.ready(time);
        let evidence = Evidence::Osc133;
        self.state = EditState::Editing(Editing {
            evidence,
            ready,
            prompt: Some(prompt),
            sure: true,
            readline,
            behind,
            done: None,
        });
    }

    pub(in crate::commands) fn output_begins(&mut self, time: Micros) {
        if let EditState::Editing(editing) = &self.state
            && (self.left.is_some() || editing.done.is_some())
        {
            self.enter(time);
        }
    }

    /// A prompt is about to wait: the command before it has ended.
    pub(in crate::commands) fn ready(&mut self, time: Micros) {
        self.tmux_ended(time);
        if let Some(entry) = self.entries.last_mut() {
            entry.ended.get_or_insert(time);
        }
        self.left = None;
        self.keys.ready();
    }

    /// The cursor is about to move down from its row.
    pub(in crate::commands) fn line_feed(&mut self, time: Micros) {
        self.leaving = false;
        match &mut self.state {
            EditState::Editing(editing) if editing.done.is_some() => {
                self.left = self.capture_of_left_line();
                self.enter(time);
            }
            EditState::Editing(_) => self.left = self.capture_of_left_line(),
            EditState::Output(waiting) => match waiting.take() {
                Some(waiting) => self.waiting_line_left(time, waiting),
                None => self.unseen_line_left(time),
            },
        }
    }

    /// Keeps the first line of a command's output: a shell prints there what `!!` expanded to.
    pub(in crate::commands) fn output_line_left(&mut self) {
        if let Some(entry) = self.entries.last()
            && entry.ended.is_none()
            && entry.after.is_empty()
            && resolve::expands(entry)
            && let Some(capture) = self.capture()
            && let Some(line) = capture.last().filter(|line| line.row >= self.floor)
            && let Some(entry) = self.entries.last_mut()
        {
            entry.after = line.text.trim_end().to_owned();
        }
    }
}

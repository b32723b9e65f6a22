//! What became of the edited line between two views of a pane.

use super::{
    super::{entry::Prompt, prompt},
    EditedLine, LookTime, PaneEvent, Panes,
    entered::is_search,
    pane_view::PaneView,
};

/// What became of the edited line.
enum LineOutcome {
    Edited,
    /// It is drawn again, from this row on.
    Moved(usize),
    Entered,
    GivenUp,
    /// It was output, not a line: more was printed behind it.
    Printed,
}

/// Where the edited line stands now.
struct LinePosition {
    /// By how many rows the pane scrolled.
    shift: usize,
    /// The line is still there, perhaps with more behind it.
    firm: bool,
}

impl Panes {
    /// Compares a view of the pane with the one before.
    pub(super) fn compare(
        &mut self,
        before: &PaneView,
        view: &PaneView,
        now: LookTime,
        emit: &mut dyn FnMut(PaneEvent),
    ) {
        let Some(line) = self.line.take() else {
            return self.continue_running(before, view, now, emit);
        };
        let top = usize::try_from(line.row.saturating_sub(self.first_row)).unwrap_or(0);
        let Some(LinePosition { shift, firm }) = self.place(&line, top, before, view) else {
            return self.vanished(line, top, before, view, now, emit);
        };
        self.first_row += shift as u64;
        let new_top = top - shift;
        let extent = before.buffer(top, line.reach, self.first_row).rows();
        let end = view.line_end(new_top).max(new_top + extent - 1);
        let typed = before.line(top);
        let bare = view.line(new_top).trim_end() == line.prompt.text.trim_end();
        let cleared = !firm && bare && self.cleared(&typed);
        if cleared && view.cursor >= new_top {
            return self.vanished(line, top, before, view, now, emit);
        }
        let on_it = (new_top..=end).contains(&view.cursor) || self.is_behind_edge(view, end);
        if on_it || view.cursor < new_top {
            return self.edited(line, view, now);
        }
        match self.outcome(&line, new_top, &typed, view) {
            LineOutcome::Edited => self.edited(line, view, now),
            LineOutcome::Moved(row) => self.edited(EditedLine { row: self.first_row + row as u64, ..line }, view, now),
            LineOutcome::Printed => self.continue_running_from(view, new_top, now, emit),
            outcome => {
                let given_up = matches!(outcome, LineOutcome::GivenUp);
                let (lines, end) = self.entered_lines(&line, (top, before), (new_top, view), extent);
                self.take(line, lines, given_up, now, emit);
                self.floor = self.first_row + end as u64 + 1;
                self.output_follows(view, end + 1, now, emit);
                self.continue_running_from(view, end + 1, now, emit);
            }
        }
    }

    /// Finds the edited line by the rows above it.
    fn place(&self, line: &EditedLine, top: usize, before: &PaneView, view: &PaneView) -> Option<LinePosition> {
        let (text, prompt) = (before.line(top), line.prompt.text.trim_end());
        let text = text.trim_end();
        let shifts = (0..=top).filter_map(|shift| Some((shift, before.same_above(view, shift, top)?)));
        let mut likely = None;
        for (shift, same) in shifts {
            let row = top - shift;
            // If no row above identifies it, any other prompt in the top row looks like an empty line.
            let typed = same > 0 || shift == 0 || text.len() > line.prompt.text.len() || view.cursor == row;
            if typed && view.line_starts_with(row, text) {
                return Some(LinePosition { shift, firm: true });
            }
            if likely.is_some() || !(same > 0 || shift == 0) {
                continue;
            }
            // Something else stands there: a history search, or another prompt.
            let near = shift == 0 || (self.keys.seen() && !self.keys.pasted());
            let changed = near && (same > 0 || top == 0) && self.may_change(&view.rows[row].text, view, top, same > 0);
            if changed || view.line_starts_with(row, prompt) {
                likely = Some(LinePosition { shift, firm: false });
            }
        }
        likely
    }

    fn may_change(&self, now: &str, view: &PaneView, top: usize, same: bool) -> bool {
        if self.keys.seen() {
            return !self.keys.pasted() || (same && view.cursor > top);
        }
        same || is_search(now)
    }

    /// Whether a line of which only the prompt is left was entered rather than erased: `clear`.
    fn cleared(&self, typed: &str) -> bool {
        if self.keys.seen() { self.keys.entered() } else { typed.trim_end().ends_with("clear") }
    }

    /// Whether the cursor only moved to the row below a full one.
    fn is_behind_edge(&self, view: &PaneView, end: usize) -> bool {
        let empty = view.before.is_empty() && view.rows[view.cursor].text.is_empty();
        let full = view.is_full(end) || (self.edits && view.is_nearly_full(end));
        view.cursor == end + 1 && empty && full && !(self.keys.seen() && self.keys.pasted())
    }

    /// The cursor is below the line: what became of it?
    fn outcome(&mut self, line: &EditedLine, top: usize, typed: &str, view: &PaneView) -> LineOutcome {
        let typed = typed.trim_end();
        let reset = drawn_from(view, &line.prompt, top + 1);
        let again = reset.filter(|row| typed.len() > line.prompt.text.len() && view.line_starts_with(*row, typed));
        // fish draws the further lines of a command behind the prompt, indented by its width.
        let width = line.prompt.text.chars().count();
        let indented = |row: &str| row.chars().take(width).all(|c| c == ' ');
        let further = view.rows[top + 1..view.cursor].iter().all(|row| indented(&row.text));
        let drawn_in = view.before.len() >= width && indented(&view.before) && further;
        let prompted = self.is_known(&view.before)
            || prompt::shape(&view.before) == prompt::shape(&line.prompt.text)
            || prompt::goes_on(&view.before, &line.prompt.text);
        if self.keys.seen() {
            if self.keys.entered() {
                // The command continues, or fish refused it and shows it again below an error.
                let more = again.map(LineOutcome::Moved).or(drawn_in.then_some(LineOutcome::Edited));
                more.iter().for_each(|_| self.keys.taken());
                return more.unwrap_or(LineOutcome::Entered);
            }
            if self.keys.pasted() {
                // Without a line editor that knows pastes, each pasted line is entered.
                return if prompted { LineOutcome::Entered } else { LineOutcome::Edited };
            }
            return match (self.keys.interrupted(), reset) {
                (true, _) => LineOutcome::GivenUp,
                (false, Some(row)) => LineOutcome::Moved(row),
                (false, None) if prompted || !prompt::ends_like_one(&line.prompt.text) => LineOutcome::Printed,
                (false, None) => LineOutcome::Edited,
            };
        }
        if let Some(row) = again {
            return LineOutcome::Moved(row);
        }
        // A line editor is still at work, and what stands before the cursor does not look like a prompt.
        let like_prompt = prompted || prompt::ends_like_one(&view.before) || view.before.ends_with(' ');
        let typed_on =
            self.edits && !view.before.is_empty() && (!like_prompt || (!prompted && view.is_wrapped_down_from(top)));
        if drawn_in || typed_on { LineOutcome::Edited } else { LineOutcome::Entered }
    }

    /// The line is gone, and so are the rows above it.
    fn vanished(
        &mut self,
        line: EditedLine,
        top: usize,
        before: &PaneView,
        view: &PaneView,
        now: LookTime,
        emit: &mut dyn FnMut(PaneEvent),
    ) {
        let text = before.line(top);
        let typed = text.trim_end();
        let reset = drawn_from(view, &line.prompt, 0);
        let again = reset.is_some_and(|row| typed.len() > line.prompt.text.len() && view.line_starts_with(row, typed));
        let entered = if self.keys.seen() { self.keys.pasted() } else { !again };
        if entered {
            let ahead = self.keys.seen() && (line.edited || prompt::ends_like_one(&line.prompt.text));
            let lines = self.entered_of(before.buffer(top, line.reach, self.first_row), &line.prompt);
            self.take(line, lines, false, now, emit);
            self.reset();
            self.running = true;
            self.output_follows(view, 0, now, emit);
            let from = if ahead { 0 } else { view.cursor };
            self.continue_running_from(view, from, now, emit);
        } else {
            self.line = Some(line);
            self.start_over(view, now, emit);
        }
    }

    /// The pane is another one or closed: the line was entered if it ended the shell.
    pub(super) fn gone(&mut self, before: Option<&PaneView>, now: LookTime, emit: &mut dyn FnMut(PaneEvent)) {
        let Some(line) = self.line.take() else { return };
        let top = usize::try_from(line.row.saturating_sub(self.first_row)).unwrap_or(0);
        let Some(before) = before.filter(|before| top < before.rows.len()) else {
            self.line = Some(line);
            return;
        };
        let lines = self.entered_of(before.buffer(top, line.reach, self.first_row), &line.prompt);
        let text = lines.lines.first().map_or("", |line| line.text.as_str());
        let typed = text.strip_prefix(line.prompt.text.as_str()).unwrap_or_default();
        let entered = if self.keys.seen() { self.keys.entered() } else { ends_pane(typed) };
        if entered {
            self.take(line, lines, false, now, emit);
            emit(PaneEvent::Ended(now.last));
            self.running = false;
        } else {
            self.line = Some(line);
        }
    }

    /// Forgets all about the pane.
    pub(super) fn reset(&mut self) {
        self.next_rows();
        (self.line, self.running, self.full_screen) = (None, false, false);
    }

    /// Numbers the rows reset, so that none equals an earlier one.
    pub(super) fn next_rows(&mut self) {
        self.first_row += 1 << 16;
        self.floor = 1;
    }
}

/// The row at or below `from` in which a line with this prompt begins that reaches down to the cursor.
pub(super) fn drawn_from(view: &PaneView, prompt: &Prompt, from: usize) -> Option<usize> {
    let begins = |row: &usize| view.rows[*row].text.starts_with(prompt.text.trim_end());
    (from..=view.cursor).rev().find(begins).filter(|row| view.is_wrapped_down_from(*row))
}

/// Whether a line ends its shell or its pane.
fn ends_pane(typed: &str) -> bool {
    let typed = typed.trim();
    matches!(typed, "exit" | "logout") || typed.starts_with("exit ") || typed.starts_with("tmux ")
}

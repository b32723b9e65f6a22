//! From one look at a pane to the next: what became of the line that was edited.

use super::{
    super::{entry::Prompt, prompt},
    Found, Line, Moment, Panes,
    entered::is_search,
    pane_view::View,
};

/// What became of the line that was edited.
enum Fate {
    Edited,
    /// It is drawn again, from this row on.
    Moved(usize),
    Entered,
    GivenUp,
    /// It was none: output went on behind what was printed.
    Printed,
}

/// Where the line that was edited stands now.
struct Place {
    /// Rows that were scrolled.
    shift: usize,
    /// It is still there, perhaps with more behind it.
    firm: bool,
}

impl Panes {
    /// From one look at the pane to the next.
    pub(super) fn compare(&mut self, before: &View, view: &View, now: Moment, found: &mut dyn FnMut(Found)) {
        let Some(line) = self.line.take() else {
            return self.went_on(before, view, now, found);
        };
        let top = usize::try_from(line.row.saturating_sub(self.first_row)).unwrap_or(0);
        let Some(Place { shift, firm }) = self.place(&line, top, before, view) else {
            return self.vanished(line, top, before, view, now, found);
        };
        self.first_row += shift as u64;
        let new_top = top - shift;
        let extent = before.buffer(top, line.reach, self.first_row).rows();
        let end = view.line_end(new_top).max(new_top + extent - 1);
        let typed = before.line(top);
        let bare = view.line(new_top).trim_end() == line.prompt.text.trim_end();
        let cleared = !firm && bare && self.cleared(&typed);
        if cleared && view.cursor >= new_top {
            return self.vanished(line, top, before, view, now, found);
        }
        let on_it = (new_top..=end).contains(&view.cursor) || self.is_behind_edge(view, end);
        if on_it || view.cursor < new_top {
            return self.edited(line, view, now);
        }
        match self.fate(&line, new_top, &typed, view) {
            Fate::Edited => self.edited(line, view, now),
            Fate::Moved(row) => self.edited(Line { row: self.first_row + row as u64, ..line }, view, now),
            Fate::Printed => self.went_on_from(view, new_top, now, found),
            fate => {
                let given_up = matches!(fate, Fate::GivenUp);
                let (lines, end) = self.entered_lines(&line, (top, before), (new_top, view), extent);
                self.take(line, lines, given_up, now, found);
                self.floor = self.first_row + end as u64 + 1;
                self.output_follows(view, end + 1, now, found);
                self.went_on_from(view, end + 1, now, found);
            }
        }
    }

    /// Where the edited line is, by the rows above it.
    fn place(&self, line: &Line, top: usize, before: &View, view: &View) -> Option<Place> {
        let (text, prompt) = (before.line(top), line.prompt.text.trim_end());
        let text = text.trim_end();
        let shifts = (0..=top).filter_map(|shift| Some((shift, before.same_above(view, shift, top)?)));
        let mut likely = None;
        for (shift, same) in shifts {
            let row = top - shift;
            // Where no row above tells, any other prompt in the top row looks like a line in which nothing was typed.
            let typed = same > 0 || shift == 0 || text.len() > line.prompt.text.len() || view.cursor == row;
            if typed && view.line_starts_with(row, text) {
                return Some(Place { shift, firm: true });
            }
            if likely.is_some() || !(same > 0 || shift == 0) {
                continue;
            }
            // Something else stands there: a search in the history, or another prompt.
            let near = shift == 0 || (self.typing.seen() && !self.typing.pasted());
            let changed = near && (same > 0 || top == 0) && self.may_change(&view.rows[row].text, view, top, same > 0);
            if changed || view.line_starts_with(row, prompt) {
                likely = Some(Place { shift, firm: false });
            }
        }
        likely
    }

    fn may_change(&self, now: &str, view: &View, top: usize, same: bool) -> bool {
        if self.typing.seen() {
            return !self.typing.pasted() || (same && view.cursor > top);
        }
        same || is_search(now)
    }

    /// Whether a line of which only the prompt is left was entered rather than erased: `clear`.
    fn cleared(&self, typed: &str) -> bool {
        if self.typing.seen() { self.typing.entered() } else { typed.trim_end().ends_with("clear") }
    }

    /// Whether the cursor only went on to the row behind a full one.
    fn is_behind_edge(&self, view: &View, end: usize) -> bool {
        let empty = view.before.is_empty() && view.rows[view.cursor].text.is_empty();
        let full = view.is_full(end) || (self.edits && view.is_nearly_full(end));
        view.cursor == end + 1 && empty && full && !(self.typing.seen() && self.typing.pasted())
    }

    /// The cursor is below the line.
    fn fate(&mut self, line: &Line, top: usize, typed: &str, view: &View) -> Fate {
        let typed = typed.trim_end();
        let anew = drawn_from(view, &line.prompt, top + 1);
        let again = anew.filter(|row| typed.len() > line.prompt.text.len() && view.line_starts_with(*row, typed));
        // fish draws the further lines of a command behind the prompt, indented as it is.
        let width = line.prompt.text.chars().count();
        let indented = |row: &str| row.chars().take(width).all(|c| c == ' ');
        let further = view.rows[top + 1..view.cursor].iter().all(|row| indented(&row.text));
        let drawn_in = view.before.len() >= width && indented(&view.before) && further;
        let prompted = self.is_known(&view.before)
            || prompt::shape(&view.before) == prompt::shape(&line.prompt.text)
            || prompt::goes_on(&view.before, &line.prompt.text);
        if self.typing.seen() {
            if self.typing.entered() {
                // It goes on, or fish did not take it, and shows it again below what is wrong with it.
                let more = again.map(Fate::Moved).or(drawn_in.then_some(Fate::Edited));
                more.iter().for_each(|_| self.typing.taken());
                return more.unwrap_or(Fate::Entered);
            }
            if self.typing.pasted() {
                // Without a line editor that knows pastes, each line of one is entered.
                return if prompted { Fate::Entered } else { Fate::Edited };
            }
            return match (self.typing.interrupted(), anew) {
                (true, _) => Fate::GivenUp,
                (false, Some(row)) => Fate::Moved(row),
                (false, None) if prompted || !prompt::ends_like_one(&line.prompt.text) => Fate::Printed,
                (false, None) => Fate::Edited,
            };
        }
        if let Some(row) = again {
            return Fate::Moved(row);
        }
        // A line editor is still at work, and what stands before the cursor does not look like a prompt.
        let like_prompt = prompted || prompt::ends_like_one(&view.before) || view.before.ends_with(' ');
        let typed_on =
            self.edits && !view.before.is_empty() && (!like_prompt || (!prompted && view.is_wrapped_down_from(top)));
        if drawn_in || typed_on { Fate::Edited } else { Fate::Entered }
    }

    /// The line is gone, and what stood above it.
    fn vanished(
        &mut self,
        line: Line,
        top: usize,
        before: &View,
        view: &View,
        now: Moment,
        found: &mut dyn FnMut(Found),
    ) {
        let text = before.line(top);
        let typed = text.trim_end();
        let anew = drawn_from(view, &line.prompt, 0);
        let again = anew.is_some_and(|row| typed.len() > line.prompt.text.len() && view.line_starts_with(row, typed));
        let entered = if self.typing.seen() { self.typing.pasted() } else { !again };
        if entered {
            let ahead = self.typing.seen() && (line.edited || prompt::ends_like_one(&line.prompt.text));
            let lines = self.entered_of(before.buffer(top, line.reach, self.first_row), &line.prompt);
            self.take(line, lines, false, now, found);
            self.anew();
            self.running = true;
            self.output_follows(view, 0, now, found);
            let from = if ahead { 0 } else { view.cursor };
            self.went_on_from(view, from, now, found);
        } else {
            self.line = Some(line);
            self.look_elsewhere(view, now, found);
        }
    }

    /// The pane is another one, or gone: a line was entered before that, if it ended the shell.
    pub(super) fn gone(&mut self, before: Option<&View>, now: Moment, found: &mut dyn FnMut(Found)) {
        let Some(line) = self.line.take() else { return };
        let top = usize::try_from(line.row.saturating_sub(self.first_row)).unwrap_or(0);
        let Some(before) = before.filter(|before| top < before.rows.len()) else {
            self.line = Some(line);
            return;
        };
        let lines = self.entered_of(before.buffer(top, line.reach, self.first_row), &line.prompt);
        let text = lines.lines.first().map_or("", |line| line.text.as_str());
        let typed = text.strip_prefix(line.prompt.text.as_str()).unwrap_or_default();
        let entered = if self.typing.seen() { self.typing.entered() } else { ends_pane(typed) };
        if entered {
            self.take(line, lines, false, now, found);
            found(Found::Ended(now.last));
            self.running = false;
        } else {
            self.line = Some(line);
        }
    }

    /// Nothing is known of this pane.
    pub(super) fn anew(&mut self) {
        self.next_rows();
        (self.line, self.running, self.full_screen) = (None, false, false);
    }

    /// Rows that come are none of those before.
    pub(super) fn next_rows(&mut self) {
        self.first_row += 1 << 16;
        self.floor = 1;
    }
}

/// The row from which on, down to the cursor, a line with this prompt is drawn; none above `from`.
pub(super) fn drawn_from(view: &View, prompt: &Prompt, from: usize) -> Option<usize> {
    let begins = |row: &usize| view.rows[*row].text.starts_with(prompt.text.trim_end());
    (from..=view.cursor).rev().find(begins).filter(|row| view.is_wrapped_down_from(*row))
}

/// Whether a line ends its shell, or its pane.
fn ends_pane(typed: &str) -> bool {
    let typed = typed.trim();
    matches!(typed, "exit" | "logout") || typed.starts_with("exit ") || typed.starts_with("tmux ")
}

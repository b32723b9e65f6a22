//! The line that is edited: a prompt waits, and nothing was entered yet.

use super::{
    super::{entry::Prompt, prompt},
    EditedLine, LookTime, PaneEvent, Panes,
    line_outcome::drawn_from,
    pane_view::PaneView,
};

impl Panes {
    /// Finds the line that waits, if there is one.
    pub(super) fn wait(&mut self, view: &PaneView, now: LookTime, emit: &mut dyn FnMut(PaneEvent)) {
        if now.mid_output {
            return;
        }
        let prompt = prompt_of(view);
        if prompt.text.trim().is_empty() || prompt.text.len() > prompt::LONGEST {
            self.full_screen |= !view.is_last();
            return;
        }
        let (known, like_one) = (self.is_known(&prompt.text), prompt::ends_like_one(&prompt.text));
        let long = prompt.text.trim_end().chars().count() > 2;
        if !view.is_last() {
            // In a full-screen program, what is typed stands above something.
            self.full_screen = true;
            return;
        }
        // vim's last row may hold `:s/x$`.
        let shell = long && (known || (like_one && prompt.text.ends_with(' ')));
        if self.full_screen && !shell {
            return;
        }
        self.full_screen = false;
        if known || like_one || self.edits {
            if now.waits {
                self.keys.waits();
                self.layout.settle();
            }
            if std::mem::take(&mut self.running) {
                emit(PaneEvent::Ended(now.last));
            }
        }
        let row = self.first_row + view.line_start() as u64;
        self.line = Some(EditedLine { row, prompt, ready: now.last, sure: now.waits, edited: self.edits, reach: 1 });
    }

    /// The line is still being edited.
    pub(super) fn edited(&mut self, mut line: EditedLine, view: &PaneView, now: LookTime) {
        let at_prompt = self.first_row + view.line_start() as u64 == line.row;
        if now.waits && !line.sure {
            if at_prompt && !view.before.trim().is_empty() && view.before.len() <= prompt::LONGEST {
                line.prompt = prompt_of(view);
            }
            line.sure = true;
            self.keys.waits();
            self.layout.settle();
        }
        line.edited |= self.edits;
        let top = usize::try_from(line.row.saturating_sub(self.first_row)).unwrap_or(0);
        line.reach = line.reach.max((view.cursor + 1).saturating_sub(top));
        self.line = Some(line);
    }

    /// The view is equal to the one before.
    pub(super) fn unchanged(&mut self, view: &PaneView, now: LookTime, emit: &mut dyn FnMut(PaneEvent)) {
        let Some(line) = &mut self.line else {
            return self.wait(view, now, emit);
        };
        if now.waits && !line.sure {
            line.sure = true;
            self.keys.waits();
        } else if now.waits && now.first != now.last && view.before == line.prompt.text {
            // Enter in an empty line, below lines that look the same.
            self.keys.waits();
        }
    }

    /// The pane, the window or the size is another one.
    pub(super) fn start_over(&mut self, view: &PaneView, now: LookTime, emit: &mut dyn FnMut(PaneEvent)) {
        let before = self.line.take();
        self.reset();
        self.wait(view, now, emit);
        let Some(before) = before else { return };
        if let Some(row) = drawn_from(view, &before.prompt, 0) {
            self.line = Some(EditedLine { row: self.first_row + row as u64, ..before });
        }
    }

    /// No line is being edited, and none was before.
    pub(super) fn continue_running(
        &mut self,
        before: &PaneView,
        view: &PaneView,
        now: LookTime,
        emit: &mut dyn FnMut(PaneEvent),
    ) {
        let cursor = before.cursor;
        let shift = (0..=cursor).find(|shift| {
            before.same_above(view, *shift, cursor).is_some_and(|same| same > 0 || (*shift == 0 && cursor == 0))
        });
        let from = match shift {
            Some(shift) => {
                self.first_row += shift as u64;
                cursor - shift
            }
            None => {
                // Nothing of the earlier view is left. The lines may be old ones, as when a pager gives the screen
                // back.
                self.next_rows();
                view.cursor
            }
        };
        self.continue_running_from(view, from, now, emit);
    }

    /// Finds lines in the rows from `from` on that were typed before their prompts came, and the line that waits now.
    pub(super) fn continue_running_from(
        &mut self,
        view: &PaneView,
        from: usize,
        now: LookTime,
        emit: &mut dyn FnMut(PaneEvent),
    ) {
        let prompted = self.known.iter().any(|known| view.before.starts_with(known.as_str()));
        let mut row = from;
        while prompted && row < view.cursor {
            let end = view.line_end(row).min(view.cursor - 1);
            let text = view.line(row);
            let known = self
                .known
                .iter()
                .filter(|known| text.starts_with(known.as_str()) && text.trim_end().len() > known.len());
            let known = known
                .filter(|known| !self.keys.seen() && view.before == **known || self.keys.seen() && self.keys.pasted());
            if let Some(known) = known.max_by_key(|known| known.len()) {
                let prompt = Prompt { text: known.clone(), right: String::new() };
                let line = EditedLine {
                    row: self.first_row + row as u64,
                    prompt,
                    ready: now.first,
                    sure: false,
                    edited: false,
                    reach: 1,
                };
                let lines = view.lines(row, end, self.first_row);
                self.take(line, lines, false, LookTime { first: now.last, ..now }, emit);
                self.floor = self.first_row + end as u64 + 1;
            }
            row = end + 1;
        }
        self.wait(view, now, emit);
    }

    /// Whether a known prompt waits, perhaps with other numbers in it.
    pub(super) fn is_known(&self, before: &str) -> bool {
        let shape = prompt::shape(before);
        self.known.iter().any(|known| before.starts_with(known.as_str()) || prompt::shape(known) == shape)
    }
}

fn prompt_of(view: &PaneView) -> Prompt {
    let start = view.line_start();
    let mut text: String = if start < view.cursor {
        view.lines(start, view.cursor - 1, 0).lines.iter().map(|line| line.text.as_str()).collect()
    } else {
        String::new()
    };
    text.push_str(&view.before);
    Prompt { text, right: view.behind.clone() }
}

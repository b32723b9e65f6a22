//! The line that is edited: where a prompt waits, and nothing was entered yet.

use super::{
    super::{entry::Prompt, prompt},
    Found, Line, Moment, Panes,
    line_outcome::drawn_from,
    pane_view::View,
};

impl Panes {
    /// Is there a line that waits?
    pub(super) fn wait(&mut self, view: &View, now: Moment, found: &mut dyn FnMut(Found)) {
        if now.hasty {
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
            // A full-screen program: what is typed there stands above something.
            self.full_screen = true;
            return;
        }
        // In vim's own last row there may be `:s/x$`.
        let shell = long && (known || (like_one && prompt.text.ends_with(' ')));
        if self.full_screen && !shell {
            return;
        }
        self.full_screen = false;
        if known || like_one || self.edits {
            if now.waits {
                self.typing.waits();
                self.layout.settle();
            }
            if std::mem::take(&mut self.running) {
                found(Found::Ended(now.last));
            }
        }
        let row = self.first_row + view.line_start() as u64;
        self.line = Some(Line { row, prompt, ready: now.last, sure: now.waits, edited: self.edits, reach: 1 });
    }

    /// The line is still edited.
    pub(super) fn edited(&mut self, mut line: Line, view: &View, now: Moment) {
        let at_prompt = self.first_row + view.line_start() as u64 == line.row;
        if now.waits && !line.sure {
            if at_prompt && !view.before.trim().is_empty() && view.before.len() <= prompt::LONGEST {
                line.prompt = prompt_of(view);
            }
            line.sure = true;
            self.typing.waits();
            self.layout.settle();
        }
        line.edited |= self.edits;
        let top = usize::try_from(line.row.saturating_sub(self.first_row)).unwrap_or(0);
        line.reach = line.reach.max((view.cursor + 1).saturating_sub(top));
        self.line = Some(line);
    }

    /// Nothing else stands there.
    pub(super) fn unchanged(&mut self, view: &View, now: Moment, found: &mut dyn FnMut(Found)) {
        let Some(line) = &mut self.line else {
            return self.wait(view, now, found);
        };
        if now.waits && !line.sure {
            line.sure = true;
            self.typing.waits();
        } else if now.waits && now.first != now.last && view.before == line.prompt.text {
            // Enter in an empty line, below lines that look the same.
            self.typing.waits();
        }
    }

    /// Another pane, or another window, or a pane of another size.
    pub(super) fn look_elsewhere(&mut self, view: &View, now: Moment, found: &mut dyn FnMut(Found)) {
        let before = self.line.take();
        self.anew();
        self.wait(view, now, found);
        let Some(before) = before else { return };
        if let Some(row) = drawn_from(view, &before.prompt, 0) {
            self.line = Some(Line { row: self.first_row + row as u64, ..before });
        }
    }

    /// Something ran before as well as now.
    pub(super) fn went_on(&mut self, before: &View, view: &View, now: Moment, found: &mut dyn FnMut(Found)) {
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
                // Nothing of before is left: lines that stand there may be old ones, as when a pager gives the screen back.
                self.next_rows();
                view.cursor
            }
        };
        self.went_on_from(view, from, now, found);
    }

    /// Finds lines in rows from `from` on that were typed before their prompts came, and the line that waits now.
    pub(super) fn went_on_from(&mut self, view: &View, from: usize, now: Moment, found: &mut dyn FnMut(Found)) {
        let prompted = self.known.iter().any(|known| view.before.starts_with(known.as_str()));
        let mut row = from;
        while prompted && row < view.cursor {
            let end = view.line_end(row).min(view.cursor - 1);
            let text = view.line(row);
            let known = self
                .known
                .iter()
                .filter(|known| text.starts_with(known.as_str()) && text.trim_end().len() > known.len());
            let known = known.filter(|known| {
                !self.typing.seen() && view.before == **known || self.typing.seen() && self.typing.pasted()
            });
            if let Some(known) = known.max_by_key(|known| known.len()) {
                let prompt = Prompt { text: known.clone(), right: String::new() };
                let line = Line {
                    row: self.first_row + row as u64,
                    prompt,
                    ready: now.first,
                    sure: false,
                    edited: false,
                    reach: 1,
                };
                let lines = view.lines(row, end, self.first_row);
                self.take(line, lines, false, Moment { first: now.last, ..now }, found);
                self.floor = self.first_row + end as u64 + 1;
            }
            row = end + 1;
        }
        self.wait(view, now, found);
    }

    /// Whether a known prompt waits, perhaps with other numbers in it.
    pub(super) fn is_known(&self, before: &str) -> bool {
        let shape = prompt::shape(before);
        self.known.iter().any(|known| before.starts_with(known.as_str()) || prompt::shape(known) == shape)
    }
}

fn prompt_of(view: &View) -> Prompt {
    let start = view.line_start();
    let mut text: String = if start < view.cursor {
        view.lines(start, view.cursor - 1, 0).lines.iter().map(|line| line.text.as_str()).collect()
    } else {
        String::new()
    };
    text.push_str(&view.before);
    Prompt { text, right: view.behind.clone() }
}

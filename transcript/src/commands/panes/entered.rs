//! What was entered: the text of a line that was left, and what tells its shell.

use recording::Evidence;

use super::{
    super::{
        PROMPTS,
        entry::{self, Entry, Prompt},
        prompt,
    },
    Found, Line, Moment, Panes,
    pane_view::{Lines, View},
};

impl Panes {
    /// The lines of a command that was entered, and its last row now: what stands there, where that is the line, since
    /// keys may have come after the look before; else what stood there.
    pub(super) fn entered_lines(
        &self,
        line: &Line,
        (top, before): (usize, &View),
        (new_top, view): (usize, &View),
        extent: usize,
    ) -> (Lines, usize) {
        let then = before.buffer(top, line.reach, self.first_row);
        let above = view.cursor.saturating_sub(1).max(new_top);
        let end = (new_top + extent - 1).min(above);
        let now = view.lines(new_top, end, self.first_row);
        let same = |one: &Lines, other: &Lines| {
            one.lines.len() == other.lines.len()
                && one.lines.iter().zip(&other.lines).all(|(one, other)| one.text.trim_end() == other.text.trim_end())
        };
        if same(&then, &now) {
            return (self.entered_of(Lines { cursor: then.cursor, ..now }, &line.prompt), end);
        }
        let end = if then.lines.len() > 1 { end } else { view.line_end(new_top).min(above) };
        let now = view.lines(new_top, end, self.first_row);
        let prompted = now.lines.first().is_some_and(|now| now.text.starts_with(line.prompt.text.trim_end()));
        if prompted { (now, end) } else { (self.entered_of(then, &line.prompt), end) }
    }

    /// A line without what stands in its prompt's place: a search in the history, or rows that got mixed up since readline
    /// takes it that its prompt begins at the left edge, also behind output without a line end.
    pub(super) fn entered_of(&self, mut lines: Lines, prompt: &Prompt) -> Lines {
        let Some(first) = lines.lines.first_mut().filter(|first| !first.text.starts_with(prompt.text.trim_end()))
        else {
            return lines;
        };
        let text = if is_search(&first.text) {
            first.text.split_once("': ").map(|(_, text)| text.to_owned())
        } else {
            self.prompt_beside(prompt).map(|width| first.text.chars().skip(width).collect())
        };
        if let Some(text) = text {
            first.text = format!("{}{text}", prompt.text);
            first.rows.clear();
            lines.cursor = lines.lines.last().map_or(0, |last| last.text.len());
        }
        lines
    }

    /// The width of a known prompt that another one ends with: it stands behind output.
    fn prompt_beside(&self, prompt: &Prompt) -> Option<usize> {
        let shape = prompt::shape(&prompt.text);
        let known = self.known.iter().filter(|known| known.len() < prompt.text.len());
        known.filter(|known| shape.ends_with(&prompt::shape(known))).map(|known| known.chars().count()).max()
    }

    /// Lists a line.
    pub(super) fn take(&mut self, line: Line, lines: Lines, given_up: bool, now: Moment, found: &mut dyn FnMut(Found)) {
        if self.running {
            found(Found::Ended(line.ready));
        }
        let prompt = line.prompt.text.clone();
        let interrupted = given_up || (self.typing.interrupted() && !self.typing.entered());
        if !given_up {
            self.typing.taken();
        }
        if line.sure && !self.known.contains(&prompt) && self.known.len() < PROMPTS {
            self.known.push(prompt.clone());
        }
        let Lines { mut lines, mut cursor } = lines;
        entry::bound(&mut lines, &mut cursor);
        found(Found::Entered(Entry {
            evidence: Evidence::Prompt,
            ready: line.ready,
            micros: now.first,
            prompt: Some(line.prompt),
            sure: line.sure,
            lines,
            cursor,
            floor: self.floor,
            interrupted,
            readline: self.is_readline(&prompt),
            edited: line.edited,
            ..Entry::default()
        }));
        self.running = true;
    }

    /// Whether bash's line editor shows this prompt, as far as that can be told.
    pub(super) fn is_readline(&self, prompt: &str) -> bool {
        match self.layout.program.as_deref() {
            Some("bash") => true,
            Some("zsh" | "fish" | "dash" | "sh" | "ash" | "busybox") => false,
            _ => prompt.trim_end().ends_with(['$', '#']),
        }
    }

    /// The command that was just entered has printed something already.
    pub(super) fn output_follows(&mut self, view: &View, from: usize, now: Moment, found: &mut dyn FnMut(Found)) {
        if from < view.cursor {
            found(Found::Printed { first: now.first, last: now.last, line: view.line(from) });
        }
    }
}

/// Whether readline shows a search in the history.
pub(super) fn is_search(text: &str) -> bool {
    ["(reverse-i-search)", "(i-search)", "(failed reverse-i-search)", "(failed i-search)"]
        .iter()
        .any(|sign| text.starts_with(sign))
}

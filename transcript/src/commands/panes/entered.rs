//! The text of a line that was entered, and signs of which shell it was entered in.

use recording::Evidence;

use super::{
    super::{
        MAX_PROMPTS,
        entry::{self, Entry, Prompt},
        prompt,
    },
    EditedLine, LookTime, PaneEvent, Panes,
    pane_view::{PaneLines, PaneView},
};

impl Panes {
    /// The lines of a command that was entered, and the row it ends in now. They are read from the present view if the
    /// line stands there, since keys may have come after the earlier one; else from the earlier view.
    pub(super) fn entered_lines(
        &self,
        line: &EditedLine,
        (top, before): (usize, &PaneView),
        (new_top, view): (usize, &PaneView),
        extent: usize,
    ) -> (PaneLines, usize) {
        let then = before.buffer(top, line.reach, self.first_row);
        let above = view.cursor.saturating_sub(1).max(new_top);
        let end = (new_top + extent - 1).min(above);
        let now = view.lines(new_top, end, self.first_row);
        let same = |one: &PaneLines, other: &PaneLines| {
            one.lines.len() == other.lines.len()
                && one.lines.iter().zip(&other.lines).all(|(one, other)| one.text.trim_end() == other.text.trim_end())
        };
        if same(&then, &now) {
            return (self.entered_of(PaneLines { cursor: then.cursor, ..now }, &line.prompt), end);
        }
        let end = if then.lines.len() > 1 { end } else { view.line_end(new_top).min(above) };
        let now = view.lines(new_top, end, self.first_row);
        let prompted = now.lines.first().is_some_and(|now| now.text.starts_with(line.prompt.text.trim_end()));
        if prompted { (now, end) } else { (self.entered_of(then, &line.prompt), end) }
    }

    /// Puts the prompt back in its place if something else stands there: a history search, or rows that are mixed up
    /// because readline assumes that its prompt begins at the left edge.
    pub(super) fn entered_of(&self, mut lines: PaneLines, prompt: &Prompt) -> PaneLines {
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

    /// The width of the longest known prompt that `prompt` ends with: it stands behind output.
    fn prompt_beside(&self, prompt: &Prompt) -> Option<usize> {
        let shape = prompt::shape(&prompt.text);
        let known = self.known.iter().filter(|known| known.len() < prompt.text.len());
        known.filter(|known| shape.ends_with(&prompt::shape(known))).map(|known| known.chars().count()).max()
    }

    /// Emits an entered line.
    pub(super) fn take(
        &mut self,
        line: EditedLine,
        lines: PaneLines,
        given_up: bool,
        now: LookTime,
        emit: &mut dyn FnMut(PaneEvent),
    ) {
        if self.running {
            emit(PaneEvent::Ended(line.ready));
        }
        let prompt = line.prompt.text.clone();
        let interrupted = given_up || (self.keys.interrupted() && !self.keys.entered());
        if !given_up {
            self.keys.taken();
        }
        if line.sure && !self.known.contains(&prompt) && self.known.len() < MAX_PROMPTS {
            self.known.push(prompt.clone());
        }
        let PaneLines { mut lines, mut cursor } = lines;
        entry::bound(&mut lines, &mut cursor);
        emit(PaneEvent::Entered(Entry {
            evidence: Evidence::Prompt,
            ready: line.ready,
            time: now.first,
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

    /// Whether the prompt is bash's, as far as that can be reported.
    pub(super) fn is_readline(&self, prompt: &str) -> bool {
        match self.layout.program.as_deref() {
            Some("bash") => true,
            Some("zsh" | "fish" | "dash" | "sh" | "ash" | "busybox") => false,
            _ => prompt.trim_end().ends_with(['$', '#']),
        }
    }

    /// Emits the output that the entered command has printed already.
    pub(super) fn output_follows(
        &mut self,
        view: &PaneView,
        from: usize,
        now: LookTime,
        emit: &mut dyn FnMut(PaneEvent),
    ) {
        if from < view.cursor {
            emit(PaneEvent::Printed { first: now.first, last: now.last, line: view.line(from) });
        }
    }
}

/// Whether readline shows a history search.
pub(super) fn is_search(text: &str) -> bool {
    ["(reverse-i-search)", "(i-search)", "(failed reverse-i-search)", "(failed i-search)"]
        .iter()
        .any(|sign| text.starts_with(sign))
}

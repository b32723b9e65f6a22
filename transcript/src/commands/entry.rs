mod expansion;
mod known_prompts;
pub(super) mod resolve;

use recording::Evidence;

use super::{TEXT_BYTES, screen::capture::Logical};

/// Most bytes of what was typed before its prompt came, and of that prompt, where the line is known by having it twice.
const ECHO: usize = 32;
const ECHOED_PROMPT: usize = 100;

/// The line in front of what is typed, up to the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) text: String,
    /// What stood at the right edge of the same line.
    pub(super) right: String,
}

/// A line that was left with Enter, as far as that is known when it is left.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) evidence: Evidence,
    /// When its prompt waited, when Enter was answered, when the next prompt came.
    pub(super) ready: u64,
    pub(super) micros: u64,
    pub(super) ended: Option<u64>,
    pub(super) prompt: Option<Prompt>,
    /// The prompt was seen while the cursor waited behind it.
    pub(super) sure: bool,
    /// The lines from the prompt's on; where that is not sure, also lines before.
    pub(super) lines: Vec<Logical>,
    pub(super) cursor: usize,
    /// The row behind the entry before: a prompt that stands there followed no output.
    pub(super) floor: u64,
    /// Ctrl-C came last, or was shown.
    pub(super) interrupted: bool,
    /// The first line of output.
    pub(super) after: String,
    pub(super) first_output: Option<u64>,
    pub(super) last_output: Option<u64>,
    pub(super) status: Option<u8>,
    /// A line editor that waits before its prompt is printed: readline, as bash has it.
    pub(super) readline: bool,
    /// In a pane of tmux, whose signs are not worth more: a line editor was at work.
    pub(super) edited: bool,
}

impl Entry {
    /// Bytes of text that it keeps.
    pub(super) fn bytes(&self) -> usize {
        let prompt = self.prompt.as_ref().map_or(0, |prompt| prompt.text.len() + prompt.right.len());
        prompt + self.lines.iter().map(|line| line.text.trim_end().len()).sum::<usize>()
    }

    /// Where the prompt stands: the line's place among `lines`, and the offset in that line. It begins a row; a line
    /// editor that draws its line anew after a change of size may leave rows of before above it.
    pub(super) fn prompted(&self, prompt: &str) -> Option<(usize, usize)> {
        self.lines.iter().enumerate().rev().find_map(|(at, line)| {
            let starts = line.rows.iter().rev().copied().chain([0]);
            let offset = starts
                .filter(|start| line.text.is_char_boundary(*start))
                .find(|start| line.text.get(*start..).is_some_and(|rest| starts_with(rest, prompt)))?;
            Some((at, offset))
        })
    }

    /// Where the prompt stands behind what was typed before it came: the terminal showed that, and the line editor does
    /// once more, behind its prompt. `known`: whether it is a prompt.
    pub(super) fn behind_echo(&self, known: impl Fn(&str) -> bool) -> Option<((usize, usize), Prompt)> {
        let last = self.lines.len().checked_sub(1)?;
        let line = &self.lines[last].text;
        let near = |length: usize| line.floor_char_boundary(length.min(line.len()));
        for at in (1..near(ECHO)).filter(|at| line.is_char_boundary(*at)) {
            let (echo, rest) = line[..near(at + ECHOED_PROMPT)].split_at(at);
            let again = rest.match_indices(echo).map(|(length, _)| &rest[..length]);
            if let Some(text) = again.into_iter().find(|text| known(text)) {
                return Some(((last, at), Prompt { text: text.to_owned(), right: String::new() }));
            }
        }
        None
    }

    /// What stands behind the prompt of the line at `at`, down to the cursor's line; and whether it was drawn in, as fish
    /// does with the further lines of a buffer.
    pub(super) fn behind(&self, (at, offset): (usize, usize), prompt: &Prompt) -> (String, bool) {
        let last = self.lines.len().saturating_sub(1);
        let width = prompt.text.chars().count();
        let mut text = String::new();
        let indented = |line: &Logical| line.text.chars().take(width).all(|c| c == ' ');
        // Below each other, behind the prompt, with an indentation that is not in the text.
        let drawn_in = width > 0 && self.lines.len() > at + 1 && self.lines[at + 1..].iter().all(indented);
        for (number, line) in self.lines.iter().enumerate().skip(at) {
            let mut rest = line.text.as_str();
            if number == at {
                let start = offset + prompt.text.len();
                rest = rest.get(start.min(rest.len())..).unwrap_or_default();
                let cursor = (number == last).then(|| self.cursor.saturating_sub(start));
                rest = without_right(rest, &prompt.right, cursor);
            } else {
                // fish goes to the next row by itself where a wide character does not fit.
                if self.readline || drawn_in || !self.lines[number - 1].full {
                    text.push('\n');
                }
                if drawn_in {
                    rest = rest.trim_start();
                }
            }
            text.push_str(rest.trim_end());
        }
        (text, drawn_in)
    }
}

/// Leaves out lines, and the end of one, where there is more than is kept for a command.
pub(super) fn bound(lines: &mut Vec<Logical>, cursor: &mut usize) {
    let mut kept = 0;
    let enough = lines.iter().rposition(|line| {
        kept += line.text.len();
        kept > TEXT_BYTES
    });
    lines.drain(..enough.map_or(0, |at| (at + 1).min(lines.len().saturating_sub(1))));
    if let Some(last) = lines.last_mut() {
        last.text.truncate(last.text.floor_char_boundary(TEXT_BYTES));
        *cursor = (*cursor).min(last.text.len());
    }
}

/// As `str::starts_with`, but a prompt's blank at the end may be missing where nothing follows it.
fn starts_with(line: &str, prompt: &str) -> bool {
    line.starts_with(prompt) || (line.len() < prompt.len() && line.trim_end() == prompt.trim_end())
}

/// A right prompt is what stood at the right edge already when the prompt waited.
fn without_right<'a>(rest: &'a str, right: &str, cursor: Option<usize>) -> &'a str {
    let trimmed = rest.trim_end();
    if !right.is_empty()
        && let Some(before) = trimmed.strip_suffix(right)
        && (before.ends_with(' ') || before.is_empty())
    {
        return before;
    }
    // It may have changed since, as a clock does: text at the edge, away from the cursor, where there was such text.
    if !right.is_empty()
        && let Some((before, after)) = cursor.and_then(|cursor| rest.split_at_checked(cursor.min(rest.len())))
        && after.starts_with("  ")
    {
        return before;
    }
    rest
}

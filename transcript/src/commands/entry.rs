mod expansion;
mod known_prompts;
pub(super) mod resolve;

use recording::{Evidence, Micros};

use super::{TEXT_BYTES, screen::capture::LogicalLine};

/// Most bytes of what was typed before its prompt came, and of that prompt, if the line is recognized by the repeated
/// text.
const ECHO: usize = 32;
const ECHOED_PROMPT: usize = 100;

/// What stands on the line in front of what is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) text: String,
    /// What stood at the right edge of the line: a right prompt.
    pub(super) right: String,
}

/// A line that was left with Enter, as far as it is known when it is left.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) evidence: Evidence,
    /// When its prompt waited, when Enter was answered, when the next prompt came.
    pub(super) ready: Micros,
    pub(super) time: Micros,
    pub(super) ended: Option<Micros>,
    pub(super) prompt: Option<Prompt>,
    /// The cursor was seen to wait behind the prompt.
    pub(super) sure: bool,
    /// The lines from the prompt on; if the prompt is uncertain, also lines above it.
    pub(super) lines: Vec<LogicalLine>,
    pub(super) cursor: usize,
    /// The row below the entry before: if the prompt stands there, nothing was printed in between.
    pub(super) floor: u64,
    /// Ctrl-C came last, or was echoed as `^C`.
    pub(super) interrupted: bool,
    /// The first line of output.
    pub(super) after: String,
    pub(super) first_output: Option<Micros>,
    pub(super) last_output: Option<Micros>,
    pub(super) status: Option<u8>,
    /// The line editor signals before its prompt is printed: readline, as in bash.
    pub(super) readline: bool,
    /// In a pane of tmux, which merges the signals of its programs: a line editor was at work.
    pub(super) edited: bool,
}

impl Entry {
    /// Bytes of text that the entry holds.
    pub(super) fn bytes(&self) -> usize {
        let prompt = self.prompt.as_ref().map_or(0, |prompt| prompt.text.len() + prompt.right.len());
        prompt + self.lines.iter().map(|line| line.text.trim_end().len()).sum::<usize>()
    }

    /// Where the prompt stands: the index in `lines`, and the offset in that line. A prompt begins a row; a line editor
    /// that draws its line again after a change of size may leave earlier rows above it.
    pub(super) fn prompted(&self, prompt: &str) -> Option<(usize, usize)> {
        self.lines.iter().enumerate().rev().find_map(|(at, line)| {
            let starts = line.rows.iter().rev().copied().chain([0]);
            let offset = starts
                .filter(|start| line.text.is_char_boundary(*start))
                .find(|start| line.text.get(*start..).is_some_and(|rest| starts_with(rest, prompt)))?;
            Some((at, offset))
        })
    }

    /// Where the prompt stands behind what was typed before it came: the terminal echoed that, and the line editor
    /// prints it again behind its prompt. `known`: whether a text is a prompt.
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

    /// What stands behind the prompt at `at`, down to the cursor's line, and whether its further lines are indented by
    /// the prompt's width, as fish draws them.
    pub(super) fn behind(&self, (at, offset): (usize, usize), prompt: &Prompt) -> (String, bool) {
        let last = self.lines.len().saturating_sub(1);
        let width = prompt.text.chars().count();
        let mut text = String::new();
        let indented = |line: &LogicalLine| line.text.chars().take(width).all(|c| c == ' ');
        // The further lines stand below each other behind the prompt. The indentation is not part of the text.
        let drawn_in = width > 0 && self.lines.len() > at + 1 && self.lines[at + 1..].iter().all(indented);
        for (number, line) in self.lines.iter().enumerate().skip(at) {
            let mut rest = line.text.as_str();
            if number == at {
                let start = offset + prompt.text.len();
                rest = rest.get(start.min(rest.len())..).unwrap_or_default();
                let cursor = (number == last).then(|| self.cursor.saturating_sub(start));
                rest = without_right(rest, &prompt.right, cursor);
            } else {
                // fish moves to the next row by itself if a wide character does not fit.
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

/// Drops lines, and the end of a long one, beyond what is kept for a command.
pub(super) fn bound(lines: &mut Vec<LogicalLine>, cursor: &mut usize) {
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

/// As `str::starts_with`, but the prompt's trailing blank may be missing if nothing follows it.
fn starts_with(line: &str, prompt: &str) -> bool {
    line.starts_with(prompt) || (line.len() < prompt.len() && line.trim_end() == prompt.trim_end())
}

/// Removes a right prompt: what stood at the right edge already when the prompt waited.
fn without_right<'a>(rest: &'a str, right: &str, cursor: Option<usize>) -> &'a str {
    let trimmed = rest.trim_end();
    if !right.is_empty()
        && let Some(before) = trimmed.strip_suffix(right)
        && (before.ends_with(' ') || before.is_empty())
    {
        return before;
    }
    // It may have changed since, as a clock does: then text at the edge, outside_pane from the cursor, is taken for it.
    if !right.is_empty()
        && let Some((before, after)) = cursor.and_then(|cursor| rest.split_at_checked(cursor.min(rest.len())))
        && after.starts_with("  ")
    {
        return before;
    }
    rest
}

//! A line on which the cursor waited, over the rows that a line editor broke it into.

use std::collections::HashSet;

use recording::Micros;

use super::super::{
    MAX_BROKEN_ROWS,
    entry::Prompt,
    screen::capture::{LogicalLine, ScreenCapture},
};

/// A line on which the cursor waited, of a program without a line editor's signals.
pub(in crate::commands) struct WaitingLine {
    pub(in crate::commands) row: u64,
    pub(in crate::commands) prompt: Prompt,
    pub(in crate::commands) sure: bool,
    pub(in crate::commands) ready: Micros,
    /// Rows that the line editor broke at the terminal's edge, and with how many blanks they end.
    broken: Vec<(u64, usize)>,
    /// The line up to a full row that the cursor has left: it continues below, or it was entered.
    pub(in crate::commands) full: Option<ScreenCapture>,
    /// Full rows below which the line is known to continue.
    goes_on: Vec<u64>,
    /// The row that was left last without Enter.
    pub(in crate::commands) left: Option<u64>,
    /// Rows whose line end is part of the text: readline prints a line of several rows from its history that way.
    ended: Vec<u64>,
}

impl WaitingLine {
    pub(in crate::commands) fn new(row: u64, prompt: Prompt, sure: bool, ready: Micros) -> Self {
        Self {
            row,
            prompt,
            sure,
            ready,
            broken: Vec::new(),
            full: None,
            goes_on: Vec::new(),
            left: None,
            ended: Vec::new(),
        }
    }

    /// A carriage return followed the line feed, as readline moves within its line.
    pub(in crate::commands) fn goes_on_below(&mut self) {
        note(&mut self.ended, self.left.take());
    }

    /// The column at which the prompt begins, if it stands behind output without a line end and another line has the
    /// same prompt.
    pub(in crate::commands) fn beside(&self, prompts: &HashSet<String>) -> usize {
        let own = self.prompt.text.as_str();
        let known = prompts.iter().filter_map(|prompt| own.strip_suffix(prompt.as_str()));
        known.map(|before| before.chars().count()).min().unwrap_or(0)
    }

    /// Whether it has several rows, each printed by itself.
    pub(in crate::commands) fn is_broken(&self) -> bool {
        !self.broken.is_empty() || !self.ended.is_empty()
    }

    /// Whether it continues below `row`, or did.
    pub(in crate::commands) fn has_further(&self, row: u64) -> bool {
        self.ended.contains(&row) || self.broken.iter().any(|broken| broken.0 == row)
    }

    /// The row that the cursor leaves was broken at the terminal's edge.
    pub(in crate::commands) fn is_broken_in(&mut self, capture: &ScreenCapture) {
        let blanks = capture.around_cursor().map_or(0, |(before, _)| before.len() - before.trim_end().len());
        self.broken.retain(|broken| broken.0 != capture.row);
        if self.broken.len() < MAX_BROKEN_ROWS {
            self.broken.push((capture.row, blanks));
        }
    }

    /// The line up to its full row, unless it is known to continue below. `broken`: the row below was broken at the
    /// edge too.
    pub(in crate::commands) fn full_at_last(&mut self, broken: bool) -> Option<ScreenCapture> {
        let full = self.full.take()?;
        if broken {
            note(&mut self.goes_on, Some(full.row));
        }
        Some(full).filter(|full| !self.goes_on.contains(&full.row))
    }

    /// The whole line if a row that was broken is its last; else `None`.
    pub(in crate::commands) fn ending_with(&self, capture: ScreenCapture) -> Option<ScreenCapture> {
        if self.broken.iter().any(|broken| broken.0 == capture.row) { self.whole(capture) } else { None }
    }

    /// Whether the cursor waits in another row of this line.
    pub(in crate::commands) fn has(&mut self, capture: &ScreenCapture) -> bool {
        let Some(line) = capture.last() else { return false };
        if self.full.is_some() {
            return self.goes_on_in(line, capture.cursor);
        }
        self.is_broken() && self.row < line.row && self.whole(capture.clone()).is_some()
    }

    /// As [`Self::has`], if the row before was full and may have been the last.
    fn goes_on_in(&mut self, line: &LogicalLine, cursor: usize) -> bool {
        let full = self.full.as_ref().map(|full| full.row);
        if line.text.starts_with(&self.prompt.text) {
            // The cursor went back up, to change something.
            let back = line.row == self.row && line.text.trim_end().len() > self.prompt.text.len();
            note(&mut self.goes_on, full.filter(|_| back));
            return back;
        }
        if line.row <= self.row {
            return false;
        }
        // If the row is empty, the line may have been entered as well as continued.
        let empty = cursor == 0 && line.text.trim().is_empty();
        note(&mut self.goes_on, full.filter(|_| !empty));
        true
    }

    /// The line, joined from all rows that the line editor broke it into. `None` if the cursor is on another line.
    pub(in crate::commands) fn whole(&self, mut capture: ScreenCapture) -> Option<ScreenCapture> {
        let first = capture.lines.iter().position(|line| line.row == self.row)?;
        let lines = capture.lines.split_off(first);
        let (last, before) = lines.split_last()?;
        let mut whole = LogicalLine { row: self.row, ..LogicalLine::default() };
        for (line, next) in before.iter().zip(&lines[1..]) {
            let rows = line.row..next.row;
            whole.text.push_str(&line.text);
            if self.ended.iter().any(|row| rows.contains(row)) {
                whole.text.push('\n');
            } else if !line.full {
                let (_, blanks) = self.broken.iter().find(|broken| rows.contains(&broken.0))?;
                whole.text.extend(std::iter::repeat_n(' ', *blanks));
            }
        }
        capture.cursor += whole.text.len();
        whole.text.push_str(&last.text);
        capture.lines = vec![whole];
        Some(capture)
    }
}

/// Adds a row, unless a hostile session has added too many.
fn note(rows: &mut Vec<u64>, row: Option<u64>) {
    if let Some(row) = row.filter(|row| rows.len() < MAX_BROKEN_ROWS && !rows.contains(row)) {
        rows.push(row);
    }
}

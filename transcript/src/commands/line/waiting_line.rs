//! A line on which the cursor waited, over the rows that a line editor broke it into.

use std::collections::HashSet;

use super::super::{
    BROKEN,
    entry::Prompt,
    screen::capture::{Logical, Shot},
};

/// A line on which the cursor waited, of a program without a sign for it.
pub(in crate::commands) struct Waiting {
    pub(in crate::commands) row: u64,
    pub(in crate::commands) prompt: Prompt,
    pub(in crate::commands) sure: bool,
    pub(in crate::commands) ready: u64,
    /// Rows that the line editor broke at the terminal's edge, and how many blanks they end with.
    broken: Vec<(u64, usize)>,
    /// The last row was full and the cursor went to the next: the line goes on there, or it was entered.
    pub(in crate::commands) full: Option<Shot>,
    /// Rows that were full, and below which the cursor waited.
    goes_on: Vec<u64>,
    /// The row that was left last, without Enter.
    pub(in crate::commands) left: Option<u64>,
    /// Rows that end with a line end that is part of the text: readline's, of a line out of its history.
    ended: Vec<u64>,
}

impl Waiting {
    pub(in crate::commands) fn new(row: u64, prompt: Prompt, sure: bool, ready: u64) -> Self {
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

    /// A carriage return came right behind the line feed, as readline moves in the line it draws.
    pub(in crate::commands) fn goes_on_below(&mut self) {
        note(&mut self.ended, self.left.take());
    }

    /// The column at which its prompt begins, behind output without a line end, where that is another one's prompt too.
    pub(in crate::commands) fn beside(&self, prompts: &HashSet<String>) -> usize {
        let own = self.prompt.text.as_str();
        let known = prompts.iter().filter_map(|prompt| own.strip_suffix(prompt.as_str()));
        known.map(|before| before.chars().count()).min().unwrap_or(0)
    }

    /// Whether it has several rows, each printed by itself.
    pub(in crate::commands) fn is_broken(&self) -> bool {
        !self.broken.is_empty() || !self.ended.is_empty()
    }

    /// Whether it goes on below a row, or did.
    pub(in crate::commands) fn has_further(&self, row: u64) -> bool {
        self.ended.contains(&row) || self.broken.iter().any(|broken| broken.0 == row)
    }

    /// The row that the cursor leaves was broken at the terminal's edge.
    pub(in crate::commands) fn is_broken_in(&mut self, shot: &Shot) {
        let blanks = shot.around_cursor().map_or(0, |(before, _)| before.len() - before.trim_end().len());
        self.broken.retain(|broken| broken.0 != shot.row);
        if self.broken.len() < BROKEN {
            self.broken.push((shot.row, blanks));
        }
    }

    /// The line up to its full row, unless it is known to go on below that: `broken` says that the row below was broken
    /// at the edge again.
    pub(in crate::commands) fn full_at_last(&mut self, broken: bool) -> Option<Shot> {
        let full = self.full.take()?;
        if broken {
            note(&mut self.goes_on, Some(full.row));
        }
        Some(full).filter(|full| !self.goes_on.contains(&full.row))
    }

    /// The whole line, where a row that was broken is its last.
    pub(in crate::commands) fn ending_with(&self, shot: Shot) -> Option<Shot> {
        if self.broken.iter().any(|broken| broken.0 == shot.row) { self.whole(shot) } else { None }
    }

    /// Whether the cursor waits in another row of this line.
    pub(in crate::commands) fn has(&mut self, shot: &Shot) -> bool {
        let Some(line) = shot.last() else { return false };
        if self.full.is_some() {
            return self.goes_on_in(line, shot.cursor);
        }
        self.is_broken() && self.row < line.row && self.whole(shot.clone()).is_some()
    }

    /// The same where the row before was full and may have been its last.
    fn goes_on_in(&mut self, line: &Logical, cursor: usize) -> bool {
        let full = self.full.as_ref().map(|full| full.row);
        if line.text.starts_with(&self.prompt.text) {
            // It went back up, to change something.
            let back = line.row == self.row && line.text.trim_end().len() > self.prompt.text.len();
            note(&mut self.goes_on, full.filter(|_| back));
            return back;
        }
        if line.row <= self.row {
            return false;
        }
        // In an empty row it may have been entered as well as go on.
        let empty = cursor == 0 && line.text.trim().is_empty();
        note(&mut self.goes_on, full.filter(|_| !empty));
        true
    }

    /// The line, of all rows that the line editor broke it over; none where the cursor is on another line.
    pub(in crate::commands) fn whole(&self, mut shot: Shot) -> Option<Shot> {
        let first = shot.lines.iter().position(|line| line.row == self.row)?;
        let lines = shot.lines.split_off(first);
        let (last, before) = lines.split_last()?;
        let mut whole = Logical { row: self.row, ..Logical::default() };
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
        shot.cursor += whole.text.len();
        whole.text.push_str(&last.text);
        shot.lines = vec![whole];
        Some(shot)
    }
}

/// Adds a row, unless a stranger has made there be too many.
fn note(rows: &mut Vec<u64>, row: Option<u64>) {
    if let Some(row) = row.filter(|row| rows.len() < BROKEN && !rows.contains(row)) {
        rows.push(row);
    }
}

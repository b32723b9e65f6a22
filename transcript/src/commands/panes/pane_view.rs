//! The text of a pane.

use std::hash::{DefaultHasher, Hash, Hasher};

use avt::{Cell, Line, Terminal};

use super::{
    super::{
        TEXT_BYTES, prompt,
        screen::capture::{LogicalLine, is_dim},
    },
    layout::Pane,
};

/// A pane's rows, and the cursor's position in them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PaneView {
    pub(super) rows: Vec<PaneRow>,
    width: usize,
    /// The cursor's row.
    pub(super) cursor: usize,
    /// What stands before the cursor in its row, with blanks.
    pub(super) before: String,
    /// What stands behind it in its row.
    pub(super) behind: String,
    /// All text behind the cursor is dimmed: a suggestion.
    ghost: bool,
    /// The shape of the right prompt, which does not make a row full.
    right: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct PaneRow {
    /// Without trailing blanks.
    pub(super) text: String,
    /// Columns that the text takes.
    columns: usize,
    hash: u64,
    /// It begins with a character of two columns.
    wide: bool,
    /// The terminal wrapped it.
    wrapped: bool,
}

/// Lines of a view, and the cursor's byte offset in the last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PaneLines {
    pub(super) lines: Vec<LogicalLine>,
    pub(super) cursor: usize,
}

impl PaneLines {
    /// How many rows they take.
    pub(super) fn rows(&self) -> usize {
        self.lines.iter().map(|line| line.rows.len() + 1).sum::<usize>().max(1)
    }
}

impl PaneView {
    pub(super) fn take(terminal: &Terminal, pane: &Pane) -> Self {
        let lines: Vec<&Line> = terminal.screen().visible_lines().skip(pane.rows.start).take(pane.rows.len()).collect();
        let cells =
            |row: usize| lines.get(row).and_then(|line| line.cells().get(pane.columns.clone())).unwrap_or_default();
        let (width, cursor) = (pane.columns.len(), terminal.cursor().row - pane.rows.start);
        let column = terminal.cursor().col.saturating_sub(pane.columns.start).min(cells(cursor).len());
        // If another pane stands beside it, the terminal wrapped none of its rows.
        let wraps = width == terminal.size().0;
        let rows = (0..pane.rows.len()).map(|row| PaneRow::of(cells(row), wraps && lines[row].is_wrapped())).collect();
        let (before, behind) = cells(cursor).split_at(column);
        let mut view = Self {
            rows,
            width,
            cursor,
            before: text(before),
            behind: text(behind).trim().to_owned(),
            ghost: false,
            right: String::new(),
        };
        let further = (cursor + 1..=view.line_end(cursor)).flat_map(cells);
        let mut shown = behind.iter().chain(further).filter(|cell| cell.char() != ' ').peekable();
        view.ghost = shown.peek().is_some() && shown.all(|cell| is_dim(cell.pen()));
        view
    }

    /// Sets the text that stands at the right edge of lines.
    pub(super) fn beside(&mut self, right: &str) {
        self.right = prompt::shape(right);
    }

    /// A row's text, without a right prompt.
    fn text(&self, row: usize) -> &str {
        let text = self.rows[row].text.as_str();
        let parts = if self.right.is_empty() { None } else { text.rsplit_once("  ") };
        let beside = parts.filter(|(_, right)| prompt::shape(right.trim_start()) == self.right);
        beside.map_or(text, |(before, _)| before.trim_end())
    }

    /// Whether a row is full, so that the next may continue its line.
    pub(super) fn is_full(&self, row: usize) -> bool {
        let columns = self.columns(row);
        columns >= self.width || (columns + 1 == self.width && self.rows.get(row + 1).is_some_and(|next| next.wide))
    }

    /// Whether a row is full but for one column.
    pub(super) fn is_nearly_full(&self, row: usize) -> bool {
        self.columns(row) + 1 >= self.width
    }

    /// The columns that a row's text takes.
    fn columns(&self, row: usize) -> usize {
        if self.text(row).len() == self.rows[row].text.len() { self.rows[row].columns } else { 0 }
    }

    /// Whether all rows from `top` down to the cursor's are full.
    pub(super) fn is_wrapped_down_from(&self, top: usize) -> bool {
        (top..self.cursor).all(|row| self.is_nearly_full(row))
    }

    fn goes_on(&self, row: usize) -> bool {
        let next = self.rows.get(row + 1).is_some_and(|next| !next.text.is_empty());
        next && ((self.rows[row].wrapped && self.columns(row) > 0) || self.is_full(row))
    }

    /// The last row of the line that begins in `row`, within the number of rows that a command's text may have.
    pub(super) fn line_end(&self, row: usize) -> usize {
        let most = row + TEXT_BYTES / self.width;
        (row..self.rows.len()).find(|at| *at >= most || !self.goes_on(*at)).unwrap_or(row)
    }

    /// The last row of what is edited from `top` on: it reaches down to the cursor at least.
    pub(super) fn buffer_end(&self, top: usize) -> usize {
        self.line_end(top.max(self.cursor))
    }

    /// The first row of the cursor's line, by the terminal's wrapping.
    pub(super) fn line_start(&self) -> usize {
        (0..self.cursor).rev().take_while(|row| self.rows[*row].wrapped).last().unwrap_or(self.cursor)
    }

    /// Whether nothing stands below the cursor's line.
    pub(super) fn is_last(&self) -> bool {
        self.rows[self.line_end(self.cursor) + 1..].iter().all(|row| row.text.is_empty())
    }

    /// The text of the line that begins in `row`.
    pub(super) fn line(&self, row: usize) -> String {
        self.lines(row, self.line_end(row), 0).lines.into_iter().map(|line| line.text).collect()
    }

    /// Whether the line that begins in `row` begins with `text`.
    pub(super) fn line_starts_with(&self, row: usize, text: &str) -> bool {
        let mut rest = text;
        for at in row..self.rows.len() {
            let shown = self.text(at);
            let Some(more) = rest.strip_prefix(shown) else { return shown.starts_with(rest) };
            if more.is_empty() || !self.goes_on(at) {
                return more.is_empty();
            }
            let blanks = more.len() - more.trim_start_matches(' ').len();
            rest = &more[self.pad(at).min(blanks)..];
        }
        rest.is_empty()
    }

    /// How many blanks stand between a row's text and the next row's.
    fn pad(&self, row: usize) -> usize {
        let blanks = self.width.saturating_sub(self.columns(row));
        let wide = blanks == 1 && self.rows.get(row + 1).is_some_and(|next| next.wide);
        if wide { 0 } else { blanks }
    }

    /// What is edited from `top` on, without a suggestion. `reach`: how many of its rows the cursor was in.
    pub(super) fn buffer(&self, top: usize, reach: usize, first: u64) -> PaneLines {
        let mut end = self.buffer_end(top);
        let further = |end: usize| self.is_nearly_full(end) && !self.rows[end + 1].text.is_empty();
        while end + 1 < (top + reach).min(self.rows.len()) && further(end) {
            end += 1;
        }
        if end > top && end == self.cursor && self.before.is_empty() && self.rows[end].text.is_empty() {
            // A line editor moves to the next row when one is full.
            end -= 1;
        }
        let mut lines = self.lines(top, end, first);
        if self.ghost
            && let Some(last) = lines.lines.last_mut()
        {
            last.text.truncate(lines.cursor);
        }
        lines
    }

    /// The lines of the rows `from` to `to`. `first`: the number of row 0. A row that is full but for one column
    /// continues in the next.
    pub(super) fn lines(&self, from: usize, to: usize, first: u64) -> PaneLines {
        let mut lines: Vec<LogicalLine> = Vec::new();
        let mut joined = false;
        let mut cursor = None;
        for at in from..=to.min(self.rows.len() - 1) {
            if !joined {
                lines.push(LogicalLine { row: first + at as u64, ..LogicalLine::default() });
                cursor = None;
            }
            let Some(line) = lines.last_mut() else { continue };
            if joined {
                line.rows.push(line.text.len());
            }
            if at == self.cursor {
                cursor = Some(line.text.len() + self.before.len());
            }
            line.text.push_str(self.text(at));
            line.full = self.is_full(at);
            joined = self.is_nearly_full(at);
            if joined && at < to {
                line.text.extend(std::iter::repeat_n(' ', self.pad(at)));
            }
        }
        let end = lines.last().map_or(0, |line| line.text.len());
        PaneLines { cursor: cursor.unwrap_or(end).min(end), lines }
    }

    /// How many of the rows from `shift` to `to` that have text stand `shift` rows higher in a later view. `None` if
    /// one differs.
    pub(super) fn same_above(&self, later: &Self, shift: usize, to: usize) -> Option<usize> {
        let rows = self.rows.get(shift..to)?;
        let same = rows.iter().zip(&later.rows).all(|(row, other)| row.hash == other.hash);
        same.then(|| rows.iter().filter(|row| !row.text.is_empty()).count())
    }
}

impl PaneRow {
    fn of(cells: &[Cell], wrapped: bool) -> Self {
        let shown = cells.iter().rposition(|cell| cell.char() != ' ').map_or(0, |at| at + 1);
        let columns = cells.get(shown).filter(|cell| shown > 0 && cell.width() == 0).map_or(shown, |_| shown + 1);
        let text = text(&cells[..shown]);
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let wide = cells.first().is_some_and(|cell| cell.width() == 2);
        let wrapped = wrapped && columns + 1 >= cells.len();
        Self { text, columns, hash: hasher.finish(), wide, wrapped }
    }
}

fn text(cells: &[Cell]) -> String {
    cells.iter().filter(|cell| cell.width() > 0).map(Cell::char).collect()
}

//! Captures of the lines around the cursor.

use avt::{Color, ScreenKind, Terminal};

/// Most logical lines above the cursor that may belong to one command.
const MAX_LINES: usize = 200;

/// A line as it was printed, over all rows that the terminal wrapped it into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct LogicalLine {
    /// Its first row, counted from the session's start.
    pub(in crate::commands) row: u64,
    /// Padded with blanks to the terminal's width if it is the cursor's line; else without trailing blanks.
    pub(in crate::commands) text: String,
    /// Byte offsets in `text` at which its further rows begin.
    pub(in crate::commands) rows: Vec<usize>,
    /// Its last row is full: a line editor that breaks lines by itself may continue in the next.
    pub(in crate::commands) full: bool,
}

/// The lines up to the cursor's, and the cursor's position.
#[derive(Clone, Debug, Default)]
pub(in crate::commands) struct ScreenCapture {
    pub(in crate::commands) lines: Vec<LogicalLine>,
    /// Byte offset of the cursor in the last line.
    pub(in crate::commands) cursor: usize,
    /// The cursor's row, counted from the session's start.
    pub(in crate::commands) row: u64,
    /// The cursor's line has rows below the cursor's.
    pub(in crate::commands) below: bool,
    /// All text behind the cursor is dimmed: a suggestion, which Enter does not take.
    ghost: bool,
}

/// What to capture.
pub(in crate::commands) struct CaptureOptions {
    /// How many rows have left the scrollback.
    pub(in crate::commands) evicted: u64,
    /// The first row to capture, counted from the session's start.
    pub(in crate::commands) from: u64,
    /// A row that begins a line, even if the row above it wraps.
    pub(in crate::commands) start: Option<u64>,
    /// The cursor's column, if the cursor was moved since.
    pub(in crate::commands) column: Option<usize>,
    /// Also captures the rows below the cursor.
    pub(in crate::commands) below: bool,
}

impl ScreenCapture {
    /// Captures lines. `None` on the alternate screen.
    pub(in crate::commands) fn take(terminal: &Terminal, view: &CaptureOptions) -> Option<Self> {
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            return None;
        }
        let rows: Vec<&avt::Line> = terminal.screen().all_lines().collect();
        let above = rows.len().checked_sub(terminal.screen().visible_lines().len())?;
        let cursor = terminal.cursor();
        let column = view.column.unwrap_or(cursor.col);
        let current = (above + cursor.row).min(rows.len().checked_sub(1)?);
        let goes_on = |row: usize| rows[row].is_wrapped() && view.start != Some(view.evicted + row as u64 + 1);
        let last_row = if view.below {
            let shown = |row: &usize| rows[*row].cells().iter().any(|cell| cell.char() != ' ');
            (current..rows.len()).take_while(shown).last().unwrap_or(current)
        } else {
            current
        };
        let first = usize::try_from(view.from.saturating_sub(view.evicted)).unwrap_or(0);
        // After a reset or a cleared history, rows are counted reset.
        let first = if first > current { current } else { first.max(current.saturating_sub(MAX_LINES)) };
        let first = (0..first).rev().take_while(|&row| goes_on(row)).last().unwrap_or(first);
        let mut capture = Self { row: view.evicted + last_row as u64, ..Self::default() };
        let mut row = first;
        while row <= last_row {
            let end = (row + (row..rows.len() - 1).take_while(|&row| goes_on(row)).count() + 1).min(rows.len());
            let mut line = LogicalLine { row: view.evicted + row as u64, ..LogicalLine::default() };
            for at in row..end {
                if at > row {
                    line.rows.push(line.text.len());
                }
                if at == current {
                    let before = rows[at].cells().iter().take(column).filter(|cell| cell.width() > 0);
                    capture.cursor = line.text.len() + before.map(|cell| cell.char().len_utf8()).sum::<usize>();
                }
                line.text.extend(rows[at].chars());
                if at + 1 < end && rows.get(at + 1).is_some_and(|next| leaves_blank(rows[at], next)) {
                    line.text.pop();
                }
            }
            let last = rows[end - 1];
            line.full = last.cells().last().is_some_and(|cell| cell.char() != ' ')
                || rows.get(end).is_some_and(|next| leaves_blank(last, next));
            if end <= current || row > current {
                line.text.truncate(line.text.trim_end().len());
            } else {
                capture.below = end > current + 1;
                capture.ghost = last_row == current && is_ghost(&rows[current..end], column);
            }
            capture.lines.push(line);
            row = end;
        }
        if last_row > current {
            capture.cursor = capture.lines.last().map_or(0, |line| line.text.len());
        }
        Some(capture)
    }

    /// The last line: the cursor's, unless the rows below were captured too.
    pub(in crate::commands) fn last(&self) -> Option<&LogicalLine> {
        self.lines.last()
    }

    /// The capture without a suggestion.
    pub(in crate::commands) fn entered(mut self) -> Self {
        if let Some(last) = self.lines.last_mut().filter(|_| self.ghost) {
            last.text.truncate(self.cursor);
        }
        self
    }

    /// The capture without the cursor's row, if that is an empty one below a full one: a line editor moves there at
    /// once, and Enter need not move further. `None` if the cursor stands elsewhere.
    pub(in crate::commands) fn without_empty_row(mut self) -> Option<Self> {
        let last = self.lines.last_mut()?;
        let start = last.rows.last().copied().unwrap_or(0);
        if self.below || self.cursor != start || !last.text.get(start..)?.trim().is_empty() {
            return None;
        }
        last.rows.pop();
        last.text.truncate(start);
        if start == 0 {
            self.lines.pop();
            self.lines.last().filter(|before| before.full)?;
        }
        self.cursor = self.lines.last()?.text.len();
        self.row = self.row.checked_sub(1)?;
        Some(self)
    }

    /// The cursor's line up to the cursor, and what stands behind it at the right edge.
    pub(in crate::commands) fn around_cursor(&self) -> Option<(&str, &str)> {
        let (before, after) = self.last()?.text.split_at_checked(self.cursor)?;
        Some((before, after.trim()))
    }
}

/// Whether the row ends with a blank because a wide character did not fit.
fn leaves_blank(row: &avt::Line, next: &avt::Line) -> bool {
    let mut last = row.cells().iter().rev();
    let wide = next.cells().first().is_some_and(|cell| cell.width() == 2);
    // The second half of a wide character is a cell of width 0.
    let blank = last.next().is_some_and(|cell| cell.char() == ' ' && cell.width() == 1);
    wide && blank && last.next().is_some_and(|cell| cell.char() != ' ' || cell.width() == 0)
}

fn is_ghost(rows: &[&avt::Line], column: usize) -> bool {
    let cells = rows.iter().enumerate().flat_map(|(at, row)| row.cells().iter().skip(if at == 0 { column } else { 0 }));
    let mut shown = cells.filter(|cell| cell.char() != ' ').peekable();
    shown.peek().is_some() && shown.all(|cell| is_dim(cell.pen()))
}

pub(in crate::commands) fn is_dim(pen: &avt::Pen) -> bool {
    let grey = match pen.foreground() {
        Some(Color::Indexed(index)) => index == 8 || (235..=248).contains(&index),
        Some(Color::RGB(rgb)) => rgb.r == rgb.g && rgb.g == rgb.b && rgb.r < 180,
        None => false,
    };
    grey || pen.is_faint()
}

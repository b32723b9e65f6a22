//! What stands on the screen around the cursor.

use avt::{Color, ScreenKind, Terminal};

/// Most logical lines above the cursor that may belong to one command.
const LINES: usize = 200;

/// A line as it was printed, however many rows the terminal wrapped it over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::commands) struct Logical {
    /// The number of its first row since the start.
    pub(in crate::commands) row: u64,
    /// Padded with blanks to the terminal's width where it is the cursor's; without them elsewhere.
    pub(in crate::commands) text: String,
    /// Where in `text` each further row begins, in bytes.
    pub(in crate::commands) rows: Vec<usize>,
    /// Its last row is full, so that a line editor that breaks lines itself may go on in the next.
    pub(in crate::commands) full: bool,
}

/// The lines up to the cursor's, and where the cursor stands.
#[derive(Clone, Debug, Default)]
pub(in crate::commands) struct Shot {
    pub(in crate::commands) lines: Vec<Logical>,
    /// In the last line, in bytes.
    pub(in crate::commands) cursor: usize,
    /// The cursor's row, counted as those of lines.
    pub(in crate::commands) row: u64,
    /// The cursor's line has rows below the cursor's.
    pub(in crate::commands) below: bool,
    /// Everything behind the cursor is dimmed: a suggestion, which is not entered.
    ghost: bool,
}

/// What is wanted of a screen.
pub(in crate::commands) struct View {
    /// Rows that have left the scrollback.
    pub(in crate::commands) evicted: u64,
    /// The first row, counted from the start.
    pub(in crate::commands) from: u64,
    /// A row that begins a line, whatever is above it.
    pub(in crate::commands) start: Option<u64>,
    /// The cursor's column, where it was moved since.
    pub(in crate::commands) column: Option<usize>,
    /// The rows below the cursor too.
    pub(in crate::commands) below: bool,
}

impl Shot {
    /// The lines of a view; none on the alternate screen.
    pub(in crate::commands) fn take(terminal: &Terminal, view: &View) -> Option<Self> {
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
        // After a reset or a cleared history the numbers begin anew.
        let first = if first > current { current } else { first.max(current.saturating_sub(LINES)) };
        let first = (0..first).rev().take_while(|&row| goes_on(row)).last().unwrap_or(first);
        let mut shot = Self { row: view.evicted + last_row as u64, ..Self::default() };
        let mut row = first;
        while row <= last_row {
            let end = (row + (row..rows.len() - 1).take_while(|&row| goes_on(row)).count() + 1).min(rows.len());
            let mut line = Logical { row: view.evicted + row as u64, ..Logical::default() };
            for at in row..end {
                if at > row {
                    line.rows.push(line.text.len());
                }
                if at == current {
                    let before = rows[at].cells().iter().take(column).filter(|cell| cell.width() > 0);
                    shot.cursor = line.text.len() + before.map(|cell| cell.char().len_utf8()).sum::<usize>();
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
                shot.below = end > current + 1;
                shot.ghost = last_row == current && is_ghost(&rows[current..end], column);
            }
            shot.lines.push(line);
            row = end;
        }
        if last_row > current {
            shot.cursor = shot.lines.last().map_or(0, |line| line.text.len());
        }
        Some(shot)
    }

    /// The last line: the cursor's, if the view ends with it.
    pub(in crate::commands) fn last(&self) -> Option<&Logical> {
        self.lines.last()
    }

    /// As it was entered: without a suggestion.
    pub(in crate::commands) fn entered(mut self) -> Self {
        if let Some(last) = self.lines.last_mut().filter(|_| self.ghost) {
            last.text.truncate(self.cursor);
        }
        self
    }

    /// Without the cursor's row, where that is an empty one to which a full one went on: a line editor goes there at
    /// once, and Enter need not go further. None where the cursor stands elsewhere.
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

/// A wide character that did not fit at a row's end left a blank there.
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

//! The pane that has the cursor, emit on the screen.
//!
//! ```text
//!   $ ls          │$ vi notes       A column of │ or a row of ─ that crosses what is left of the
//!   a  b          │~                screen is a border: the half without the cursor is dropped,
//!  ───────────────┤~                and the rest is searched again.
//!   $ █           │~
//!  [main] 0:bash- 1:vi*             status: coloured from edge to edge, or a list of windows
//! ```

use std::ops::Range;

use avt::{Cell, Color, Line, Terminal};

/// Most rows of a status line that tmux allows.
const STATUS: usize = 5;
/// Most borders that are looked for around a pane.
const BORDERS: usize = 16;

/// A pane, and by what it is recognized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pane {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    /// The number of its window, if the status line names it.
    window: Option<String>,
}

/// Rows above and below all panes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Status {
    above: usize,
    below: usize,
}

/// What is known of the screen of tmux.
#[derive(Debug, Default)]
pub(super) struct Layout {
    size: (usize, usize),
    status: Status,
    /// The status line has neither colour nor a list: it stood alone at the bottom when tmux began.
    guessed: bool,
    /// A prompt was seen: a row that becomes coloured now is not a status line.
    settled: bool,
    /// The program that runs in the window, if the status line names it.
    pub(super) program: Option<String>,
}

impl Layout {
    /// A prompt waited where the pane was assumed.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }

    /// The pane with the cursor. `None` if the cursor is on a status line (tmux's own prompt) or in the history (copy
    /// mode).
    pub(super) fn pane(&mut self, terminal: &Terminal) -> Option<Pane> {
        let lines: Vec<&Line> = terminal.screen().visible_lines().collect();
        let cursor = terminal.cursor();
        if self.size != terminal.size() {
            *self = Self { size: terminal.size(), ..Self::default() };
        }
        let in_status = |status: Status| cursor.row < status.above || cursor.row + status.below >= lines.len();
        if in_status(self.status) {
            // tmux's own prompt is coloured.
            if !self.guessed || is_coloured(lines[cursor.row], None) {
                return None;
            }
            (self.guessed, self.status) = (false, Status::default());
        }
        let seen = Status::of(&lines, cursor.row);
        let fewer = seen.above <= self.status.above && seen.below <= self.status.below;
        if seen == Status::default() && (self.guessed || !self.settled) {
            self.guessed = stands_alone(&lines, cursor.row) || (self.guessed && !is_blank(lines[lines.len() - 1]));
            self.status = Status { above: 0, below: usize::from(self.guessed) };
        } else if fewer || !self.settled {
            (self.guessed, self.status) = (false, seen);
        }
        let Status { above, below } = self.status;
        let texts: Vec<String> =
            lines[..above].iter().chain(&lines[lines.len() - below..]).map(|line| line.text()).collect();
        let (window, program) = texts.iter().find_map(|text| current_window(text)).unzip();
        self.program = program.or_else(|| only_shell(&texts));
        let mut pane = Pane { rows: above..lines.len() - below, columns: 0..self.size.0, window };
        for _ in 0..BORDERS {
            if !pane.halve(&lines, cursor.row, cursor.col.min(self.size.0 - 1)) {
                break;
            }
        }
        let shown = !pane.rows.is_empty() && !pane.columns.is_empty() && pane.rows.contains(&cursor.row);
        (shown && !is_copying(lines[pane.rows.start], &pane.columns)).then_some(pane)
    }
}

impl Status {
    /// The status lines of a screen whose cursor is in none of them.
    fn of(lines: &[&Line], cursor: usize) -> Self {
        let plain = lines.get(cursor).and_then(|line| line.cells().last()).and_then(ground);
        let coloured = |line: &&&Line| is_coloured(line, plain);
        let most = |room: usize| STATUS.min(room);
        let below = lines.iter().rev().take(most(lines.len() - cursor - 1)).take_while(coloured).count();
        let above = lines.iter().take(most(cursor)).take_while(coloured).count();
        let listed =
            |line: Option<&&Line>, room: bool| room && line.is_some_and(|line| current_window(&line.text()).is_some());
        if above + below > 0 {
            Self { above, below }
        } else if listed(lines.last(), cursor + 1 < lines.len()) {
            Self { above: 0, below: 1 }
        } else {
            Self { above: usize::from(listed(lines.first(), cursor > 0)), below: 0 }
        }
    }
}

/// Whether a line is coloured from edge to edge, with another colour than `plain`.
fn is_coloured(line: &Line, plain: Option<Option<Color>>) -> bool {
    line.cells().iter().map(ground).all(|ground| ground.is_some() && ground != plain)
}

/// Whether the last row has text and the rows between it and the cursor's have none.
fn stands_alone(lines: &[&Line], cursor: usize) -> bool {
    let above = lines.len().checked_sub(2).filter(|above| *above >= cursor);
    above.is_some_and(|above| !is_blank(lines[above + 1]) && (above == cursor || is_blank(lines[above])))
}

fn is_blank(line: &Line) -> bool {
    line.cells().iter().all(|cell| cell.char() == ' ')
}

/// Whether a screen has tmux's default status line: coloured, with a list of windows.
pub(super) fn has_status(terminal: &Terminal) -> bool {
    let is_status = |line: &Line| is_coloured(line, None) && current_window(&line.text()).is_some();
    let mut lines = terminal.screen().visible_lines();
    let first = lines.next();
    [first, lines.last()].into_iter().flatten().any(is_status)
}

impl Pane {
    /// Drops what is beyond a border. Returns false if there is none.
    fn halve(&mut self, lines: &[&Line], row: usize, column: usize) -> bool {
        let rows = self.rows.clone();
        let is_upright =
            |at: &usize| lines[rows.clone()].iter().all(|line| line.cells().get(*at).is_some_and(is_vertical));
        // At the end of a full row the cursor stands on the border behind it.
        let right = (column.max(self.columns.start + 1)..self.columns.end).find(is_upright);
        let left = (self.columns.start..column).rev().find(is_upright);
        let columns = left.map_or(self.columns.start, |at| at + 1)..right.unwrap_or(self.columns.end);
        let is_flat = |at: &usize| is_horizontal(cells(lines[*at], &columns));
        let above = (rows.start..row).rev().find(is_flat).map_or(rows.start, |at| at + 1);
        let below = (row + 1..rows.end).find(is_flat).unwrap_or(rows.end);
        let halved = columns != self.columns || (above..below) != rows;
        (self.rows, self.columns) = (above..below, columns);
        halved
    }
}

fn is_vertical(cell: &Cell) -> bool {
    matches!(cell.char(), '│' | '├' | '┤' | '┼' | '┃' | '║' | '┬' | '┴')
}

/// A border may contain the title of its pane.
fn is_horizontal(cells: &[Cell]) -> bool {
    let is_line = |cell: &&Cell| matches!(cell.char(), '─' | '┬' | '┴' | '┼' | '├' | '┤' | '━' | '═');
    let ends = cells.first().is_some_and(|cell| is_line(&cell)) && cells.last().is_some_and(|cell| is_line(&cell));
    ends && 2 * cells.iter().filter(is_line).count() > cells.len()
}

/// Copy mode shows its position at the top right: `[12/340]`.
fn is_copying(top: &Line, columns: &Range<usize>) -> bool {
    let cells = cells(top, columns);
    let text: String = cells.iter().filter(|cell| cell.width() > 0).map(Cell::char).collect();
    let place =
        text.strip_suffix(']').and_then(|text| text.rsplit_once('[')).and_then(|(_, place)| place.split_once('/'));
    let numbers = place.is_some_and(|(at, of)| {
        [at, of].iter().all(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
    });
    numbers && cells.last().is_some_and(|cell| ground(cell).is_some())
}

fn cells<'a>(line: &'a Line, columns: &Range<usize>) -> &'a [Cell] {
    line.cells().get(columns.clone()).unwrap_or_default()
}

/// A cell's background; `None` if it is the terminal's default.
fn ground(cell: &Cell) -> Option<Option<Color>> {
    let pen = cell.pen();
    if pen.is_inverse() { Some(pen.foreground()) } else { pen.background().map(Some) }
}

/// The current window in a list of windows, and its program: `0:zsh- 1:bash*Z`.
fn current_window(text: &str) -> Option<(String, String)> {
    text.split_whitespace().find_map(|word| {
        let (number, rest) = word.trim_start_matches(['[', '(']).split_once(':')?;
        let name = rest.trim_end_matches(['-', '#', '!', '~', 'M', 'Z', ']', ')']).strip_suffix('*')?;
        let known = !number.is_empty() && number.len() < 5 && number.bytes().all(|byte| byte.is_ascii_digit());
        known.then(|| (number.to_owned(), name.to_owned()))
    })
}

/// The shell that the status lines name, if they name exactly one.
fn only_shell(texts: &[String]) -> Option<String> {
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let mut shells = words.filter(|word| matches!(*word, "bash" | "zsh" | "fish" | "dash" | "sh" | "ash" | "ksh"));
    let first = shells.next()?;
    shells.all(|other| other == first).then(|| first.to_owned())
}

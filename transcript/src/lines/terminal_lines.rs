use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use avt::{Observation, Observer, Operation, ScreenKind, Terminal, parser::Function};
use recording::Micros;

use super::{Line, Stream};
use crate::{emulator::Emulator, utf8_decoder::Utf8Decoder};

/// After this time a person could have read a row.
const READABLE: Duration = Duration::from_millis(100);
/// After this time a row above the cursor is emitted, although it may still change.
const SETTLED: Duration = Duration::from_secs(1);
/// Most rows of one full-screen program that are remembered, so that each is emitted once.
const MAX_REMEMBERED: usize = 20_000;

/// A terminal's screens, row by row, with the time each row last changed.
pub(super) struct TerminalLines {
    emulator: Emulator,
    decoder: Utf8Decoder,
    line_bytes: usize,
    primary: VecDeque<ScreenRow>,
    alternate: VecDeque<ScreenRow>,
    /// Rows that scrolled off and continue in the next row.
    open: PendingLine,
    /// Hashes of the rows that the full-screen program has shown and that were emitted.
    shown_before: HashSet<u64>,
    time: Micros,
}

#[derive(Clone, Debug, Default)]
struct ScreenRow {
    text: String,
    wrapped: bool,
    /// When it last changed.
    time: Micros,
    emitted: Emitted,
}

/// Whether a row was emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Emitted {
    #[default]
    No,
    /// An earlier state of the row was.
    Earlier,
    Yes,
}

/// A logical line whose first rows have scrolled off.
#[derive(Default)]
struct PendingLine {
    text: String,
    time: Micros,
    /// Whether all rows so far were emitted.
    emitted: bool,
    has_rows: bool,
}

impl TerminalLines {
    pub(super) fn new(columns: u16, rows: u16, line_bytes: usize) -> Self {
        Self {
            emulator: Emulator::new(columns, rows, 0),
            decoder: Utf8Decoder::default(),
            line_bytes,
            primary: VecDeque::new(),
            alternate: VecDeque::new(),
            open: PendingLine::default(),
            shown_before: HashSet::new(),
            time: Micros::ZERO,
        }
    }

    pub(super) fn printed(&mut self, time: Micros, bytes: &[u8], emit: &mut dyn FnMut(Line)) {
        self.passed(time, emit);
        self.time = self.time.max(time);
        let mut text = String::with_capacity(bytes.len());
        self.decoder.decode(bytes, &mut text);
        let Self { emulator, primary, alternate, open, shown_before, line_bytes, .. } = self;
        let line_bytes = *line_bytes;
        let observer =
            RowObserver { time, line_bytes, primary, alternate, open, shown_before, dirty: false, emit: &mut *emit };
        if emulator.feed(&text, observer).unwrap_or(true) {
            self.compare_screen(emit, true);
        }
    }

    pub(super) fn resized(&mut self, time: Micros, columns: u16, rows: u16, emit: &mut dyn FnMut(Line)) {
        self.passed(time, emit);
        self.time = self.time.max(time);
        let Self { emulator, primary, alternate, open, shown_before, line_bytes, .. } = self;
        let line_bytes = *line_bytes;
        let observer =
            RowObserver { time, line_bytes, primary, alternate, open, shown_before, dirty: false, emit: &mut *emit };
        emulator.resize(columns, rows, observer);
        self.compare_screen(emit, false);
    }

    /// Emits rows that have stood for long: on the ordinary screen those above the cursor's line. Does not advance the
    /// clock, so that `now` may be of another one.
    pub(super) fn passed(&mut self, now: Micros, emit: &mut dyn FnMut(Line)) {
        let terminal = self.emulator.terminal();
        let settled = |row: &ScreenRow| now.since(row.time) >= SETTLED;
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            for row in self.alternate.iter_mut().filter(|row| row.emitted == Emitted::No && settled(row)) {
                emit_full_screen(&mut self.shown_before, row, emit);
            }
            return;
        }
        // The first row may belong to a line whose beginning scrolled off: it is emitted with that.
        let cursor = terminal.cursor().row.min(self.primary.len());
        let mut at = usize::from(self.open.has_rows) * self.primary.iter().take_while(|row| row.wrapped).count();
        while at < cursor {
            let rows = self.primary.iter().skip(at).take_while(|row| row.wrapped).count() + 1;
            let Some(line) = self.primary.make_contiguous().get_mut(at..at + rows).filter(|_| at + rows <= cursor)
            else {
                break;
            };
            at += rows;
            if line.iter().any(|row| row.emitted != Emitted::No) || !line.iter().all(settled) {
                continue;
            }
            let mut whole = PendingLine::default();
            line.iter().for_each(|row| whole.push(row, self.line_bytes, emit));
            whole.end(emit);
            line.iter_mut().for_each(|row| row.emitted = Emitted::Yes);
        }
    }

    /// Compares the screen with its state before. `vanishing`: rows that disappeared were overwritten, not reflowed.
    fn compare_screen(&mut self, emit: &mut dyn FnMut(Line), vanishing: bool) {
        let Self { emulator, primary, alternate, shown_before, time, .. } = self;
        let full = emulator.terminal().active_screen_kind() == ScreenKind::Alternate;
        let before = std::mem::take(if full { &mut *alternate } else { &mut *primary });
        let (rows, scrolled_off) = diff(before.into(), emulator.terminal(), *time);
        for (mut row, by) in scrolled_off {
            let read = time.since(row.time) >= READABLE;
            if !vanishing
                || !read
                || row.emitted == Emitted::Yes
                || by.is_some_and(|by| is_same_line(&row.text, &rows[by].text))
            {
                continue;
            }
            if full {
                emit_full_screen(shown_before, &mut row, emit);
            } else {
                emit(Line { time: row.time, stream: Stream::Stdout, text: row.text });
            }
        }
        *(if full { alternate } else { primary }) = rows.into();
    }

    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Line)) {
        self.alternate.iter_mut().for_each(|row| emit_full_screen(&mut self.shown_before, row, emit));
        let mut open = std::mem::take(&mut self.open);
        for row in &self.primary {
            open.push(row, self.line_bytes, emit);
            if !row.wrapped {
                open.end(emit);
            }
        }
        open.end(emit);
    }
}

impl PendingLine {
    fn push(&mut self, row: &ScreenRow, line_bytes: usize, emit: &mut dyn FnMut(Line)) {
        if self.text.len() + row.text.len() > line_bytes {
            self.end(emit);
        }
        self.emitted = row.emitted == Emitted::Yes && (self.emitted || !self.has_rows);
        self.time = if self.has_rows { self.time.max(row.time) } else { row.time };
        self.has_rows = true;
        self.text.push_str(&row.text);
    }

    fn end(&mut self, emit: &mut dyn FnMut(Line)) {
        let Self { text, time, emitted, .. } = std::mem::take(self);
        if !emitted {
            emit(Line { time, stream: Stream::Stdout, text: text.trim_end().to_owned() });
        }
    }
}

/// Observes what the emulator does between two comparisons of the screen.
struct RowObserver<'a> {
    time: Micros,
    line_bytes: usize,
    primary: &'a mut VecDeque<ScreenRow>,
    alternate: &'a mut VecDeque<ScreenRow>,
    open: &'a mut PendingLine,
    shown_before: &'a mut HashSet<u64>,
    dirty: bool,
    emit: &'a mut dyn FnMut(Line),
}

impl RowObserver<'_> {
    fn scrolled_off(&mut self, line: &avt::Line) {
        let text = row_text(line);
        let row = match self.primary.pop_front() {
            Some(row) if row.text == text => row,
            // The row changed since the last comparison, so it is emitted as a new one.
            _ => ScreenRow { text, wrapped: false, time: self.time, emitted: Emitted::No },
        };
        self.open.push(&row, self.line_bytes, self.emit);
        if !line.is_wrapped() {
            self.open.end(self.emit);
        }
    }
}

impl Observer for RowObserver<'_> {
    type Output = bool;

    fn dirty(&mut self, _: std::ops::Range<usize>) {
        self.dirty = true;
    }

    fn before(&mut self, seen: &mut Observation<'_>, operation: &Operation) {
        match operation {
            // The full-screen program may be about to give the screen back: these are its last rows.
            Operation::Function(Function::Decrst(_))
                if seen.terminal().active_screen_kind() == ScreenKind::Alternate =>
            {
                let (rows, _) = diff(std::mem::take(self.alternate).into(), seen.terminal(), self.time);
                *self.alternate = rows.into();
            }
            // A reset wipes the screen without scrolling.
            Operation::Function(Function::Ris) => {
                let lines: Vec<_> = seen.terminal().primary_screen().visible_lines().cloned().collect();
                lines.iter().for_each(|line| self.scrolled_off(line));
                self.open.end(self.emit);
            }
            _ => {}
        }
    }

    fn after(&mut self, seen: &mut Observation<'_>, operation: &Operation) {
        let switch = matches!(operation, Operation::Function(Function::Decrst(_) | Function::Decset(_)));
        if switch && seen.terminal().active_screen_kind() == ScreenKind::Primary && !self.alternate.is_empty() {
            for mut row in std::mem::take(self.alternate) {
                emit_full_screen(self.shown_before, &mut row, self.emit);
            }
            self.shown_before.clear();
            self.dirty = true;
        }
    }

    fn evicted(&mut self, _: &mut Observation<'_>, line: &avt::Line) {
        self.dirty = true;
        self.scrolled_off(line);
    }

    fn end(&mut self, _: &mut Observation<'_>) -> bool {
        self.dirty
    }
}

/// Emits a full-screen program's row, once per program.
fn emit_full_screen(shown_before: &mut HashSet<u64>, row: &mut ScreenRow, emit: &mut dyn FnMut(Line)) {
    use std::hash::{DefaultHasher, Hash, Hasher};

    let mut hasher = DefaultHasher::new();
    row.text.trim().hash(&mut hasher);
    row.emitted = Emitted::Yes;
    // Frames and vim's `~` are not text.
    let says = row.text.chars().any(char::is_alphanumeric);
    if says && shown_before.len() < MAX_REMEMBERED && shown_before.insert(hasher.finish()) {
        emit(Line { time: row.time, stream: Stream::FullScreen, text: row.text.trim_end().to_owned() });
    }
}

/// Matches the screen's rows with those of before. Returns the rows with their times, and the rows that disappeared,
/// each with the index of the row that is in its place.
fn diff(
    before: Vec<ScreenRow>,
    terminal: &Terminal,
    time: Micros,
) -> (Vec<ScreenRow>, Vec<(ScreenRow, Option<usize>)>) {
    let mut left: Vec<Option<ScreenRow>> = before.into_iter().map(Some).collect();
    let mut rows: Vec<ScreenRow> = terminal
        .screen()
        .visible_lines()
        .map(|line| ScreenRow { text: row_text(line), wrapped: line.is_wrapped(), time, emitted: Emitted::No })
        .collect();
    let mut moved = Vec::new();
    for (at, row) in rows.iter_mut().enumerate() {
        match left.get_mut(at) {
            Some(there) if there.as_ref().is_some_and(|there| there.text == row.text) => keep_times(row, there),
            _ => moved.push(at),
        }
    }
    if moved.is_empty() {
        return (rows, Vec::new());
    }
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, row) in left.iter().enumerate() {
        if let Some(row) = row.as_ref().filter(|row| !row.text.is_empty()) {
            places.entry(row.text.clone()).or_default().push(at);
        }
    }
    for at in moved {
        let row = &mut rows[at];
        if let Some(place) = places.get_mut(&row.text).and_then(Vec::pop) {
            keep_times(row, &mut left[place]);
        } else if let Some(Some(there)) = left.get(at)
            && there.emitted != Emitted::No
            && is_same_line(&there.text, &row.text)
        {
            row.emitted = Emitted::Earlier;
        }
    }
    let last = rows.len().checked_sub(1);
    let scrolled_off = left.into_iter().enumerate().filter_map(|(at, row)| {
        let row = row.filter(|row| !row.text.is_empty())?;
        Some((row, last.map(|last| at.min(last))))
    });
    let scrolled_off = scrolled_off.collect();
    (rows, scrolled_off)
}

fn keep_times(row: &mut ScreenRow, there: &mut Option<ScreenRow>) {
    if let Some(there) = there.take() {
        (row.time, row.emitted) = (there.time, there.emitted);
    }
}

fn row_text(line: &avt::Line) -> String {
    let mut text: String = line.chars().collect();
    // Trailing blanks of a wrapped row belong to the line.
    if !line.is_wrapped() {
        text.truncate(text.trim_end().len());
    }
    text
}

/// Whether a row is another state of the row that stood there before, and not another line: a line that is being typed,
/// a progress bar, a prompt at which something else is tried.
fn is_same_line(before: &str, now: &str) -> bool {
    if now.contains(before) {
        return true;
    }
    let length = before.chars().count();
    let same = before.chars().zip(now.chars()).take_while(|(a, b)| a == b).count();
    let tail = before.chars().rev().zip(now.chars().rev()).take_while(|(a, b)| a == b).count();
    if (same + tail) * 10 >= length * 6 {
        return true;
    }
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() > 1);
        words.map(str::to_owned).collect()
    };
    let (before, now) = (words(before), words(now));
    !before.is_empty() && before.intersection(&now).count() * 2 >= before.len()
}

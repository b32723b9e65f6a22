use std::collections::{HashMap, HashSet, VecDeque};

use avt::{Observation, Observer, Operation, ScreenKind, Terminal, parser::Function};

use super::{Line, Stream};
use crate::{emulator::Emulator, utf8_decoder::Decoder};

/// Time after which a person could have read a row.
const READABLE_MICROS: u64 = 100_000;
/// Time after which a row above the cursor is told although it may still change.
const SETTLED_MICROS: u64 = 1_000_000;
/// Most rows of one full-screen program that are remembered, so that they are told once.
const REMEMBERED: usize = 20_000;

/// A terminal's screens, row by row, with the time since when each row stands as it is.
pub(super) struct Screen {
    emulator: Emulator,
    decoder: Decoder,
    line_bytes: usize,
    primary: VecDeque<Row>,
    alternate: VecDeque<Row>,
    /// Rows that scrolled away and go on in the next.
    open: Open,
    /// Hashes of what the full-screen program showed and was told.
    told: HashSet<u64>,
    micros: u64,
}

#[derive(Clone, Debug, Default)]
struct Row {
    text: String,
    wrapped: bool,
    /// Since when.
    micros: u64,
    said: Said,
}

/// Whether a row was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    #[default]
    No,
    /// An earlier state of it was.
    Earlier,
    Yes,
}

/// A logical line of which the first rows have gone.
#[derive(Default)]
struct Open {
    text: String,
    micros: u64,
    /// Whether all rows so far were told.
    said: bool,
    any: bool,
}

impl Screen {
    pub(super) fn new(columns: u16, rows: u16, line_bytes: usize) -> Self {
        Self {
            emulator: Emulator::new(columns, rows, 0),
            decoder: Decoder::default(),
            line_bytes,
            primary: VecDeque::new(),
            alternate: VecDeque::new(),
            open: Open::default(),
            told: HashSet::new(),
            micros: 0,
        }
    }

    pub(super) fn printed(&mut self, micros: u64, bytes: &[u8], found: &mut dyn FnMut(Line)) {
        self.passed(micros, found);
        self.micros = self.micros.max(micros);
        let mut text = String::with_capacity(bytes.len());
        self.decoder.decode(bytes, &mut text);
        let Self { emulator, primary, alternate, open, told, line_bytes, .. } = self;
        let line_bytes = *line_bytes;
        let watch = Watch { micros, line_bytes, primary, alternate, open, told, dirty: false, found: &mut *found };
        if emulator.feed(&text, watch).unwrap_or(true) {
            self.look(found, true);
        }
    }

    pub(super) fn resized(&mut self, micros: u64, columns: u16, rows: u16, found: &mut dyn FnMut(Line)) {
        self.passed(micros, found);
        self.micros = self.micros.max(micros);
        let Self { emulator, primary, alternate, open, told, line_bytes, .. } = self;
        let line_bytes = *line_bytes;
        let watch = Watch { micros, line_bytes, primary, alternate, open, told, dirty: false, found: &mut *found };
        emulator.resize(columns, rows, watch);
        self.look(found, false);
    }

    /// Tells rows that have stood for long: on the ordinary screen those above the cursor's line. What comes next keeps its
    /// own time, whatever clock `micros` is of.
    pub(super) fn passed(&mut self, micros: u64, found: &mut dyn FnMut(Line)) {
        let terminal = self.emulator.terminal();
        let settled = |row: &Row| micros.saturating_sub(row.micros) >= SETTLED_MICROS;
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            for row in self.alternate.iter_mut().filter(|row| row.said == Said::No && settled(row)) {
                tell_full_screen(&mut self.told, row, found);
            }
            return;
        }
        // The first row may belong to a line whose beginning scrolled away: it is told with that.
        let cursor = terminal.cursor().row.min(self.primary.len());
        let mut at = usize::from(self.open.any) * self.primary.iter().take_while(|row| row.wrapped).count();
        while at < cursor {
            let rows = self.primary.iter().skip(at).take_while(|row| row.wrapped).count() + 1;
            let Some(line) = self.primary.make_contiguous().get_mut(at..at + rows).filter(|_| at + rows <= cursor)
            else {
                break;
            };
            at += rows;
            if line.iter().any(|row| row.said != Said::No) || !line.iter().all(settled) {
                continue;
            }
            let mut whole = Open::default();
            line.iter().for_each(|row| whole.push(row, self.line_bytes, found));
            whole.end(found);
            line.iter_mut().for_each(|row| row.said = Said::Yes);
        }
    }

    /// Compares the screen with what stood there before. `vanishing`: rows that are gone were written over.
    fn look(&mut self, found: &mut dyn FnMut(Line), vanishing: bool) {
        let Self { emulator, primary, alternate, told, micros, .. } = self;
        let full = emulator.terminal().active_screen_kind() == ScreenKind::Alternate;
        let before = std::mem::take(if full { &mut *alternate } else { &mut *primary });
        let (rows, gone) = compare(before.into(), emulator.terminal(), *micros);
        for (mut row, by) in gone {
            let read = micros.saturating_sub(row.micros) >= READABLE_MICROS;
            if !vanishing || !read || row.said == Said::Yes || by.is_some_and(|by| goes_on(&row.text, &rows[by].text)) {
                continue;
            }
            if full {
                tell_full_screen(told, &mut row, found);
            } else {
                found(Line { micros: row.micros, stream: Stream::Stdout, text: row.text });
            }
        }
        *(if full { alternate } else { primary }) = rows.into();
    }

    pub(super) fn finish(&mut self, found: &mut dyn FnMut(Line)) {
        self.alternate.iter_mut().for_each(|row| tell_full_screen(&mut self.told, row, found));
        let mut open = std::mem::take(&mut self.open);
        for row in &self.primary {
            open.push(row, self.line_bytes, found);
            if !row.wrapped {
                open.end(found);
            }
        }
        open.end(found);
    }
}

impl Open {
    fn push(&mut self, row: &Row, line_bytes: usize, found: &mut dyn FnMut(Line)) {
        if self.text.len() + row.text.len() > line_bytes {
            self.end(found);
        }
        self.said = row.said == Said::Yes && (self.said || !self.any);
        self.micros = if self.any { self.micros.max(row.micros) } else { row.micros };
        self.any = true;
        self.text.push_str(&row.text);
    }

    fn end(&mut self, found: &mut dyn FnMut(Line)) {
        let Self { text, micros, said, .. } = std::mem::take(self);
        if !said {
            found(Line { micros, stream: Stream::Stdout, text: text.trim_end().to_owned() });
        }
    }
}

/// Sees what the emulator does between two looks at the screen.
struct Watch<'a> {
    micros: u64,
    line_bytes: usize,
    primary: &'a mut VecDeque<Row>,
    alternate: &'a mut VecDeque<Row>,
    open: &'a mut Open,
    told: &'a mut HashSet<u64>,
    dirty: bool,
    found: &'a mut dyn FnMut(Line),
}

impl Watch<'_> {
    fn gone(&mut self, line: &avt::Line) {
        let text = row_text(line);
        let row = match self.primary.pop_front() {
            Some(row) if row.text == text => row,
            // What is told of a row that changed since is told anew.
            _ => Row { text, wrapped: false, micros: self.micros, said: Said::No },
        };
        self.open.push(&row, self.line_bytes, self.found);
        if !line.is_wrapped() {
            self.open.end(self.found);
        }
    }
}

impl Observer for Watch<'_> {
    type Output = bool;

    fn dirty(&mut self, _: std::ops::Range<usize>) {
        self.dirty = true;
    }

    fn before(&mut self, seen: &mut Observation<'_>, operation: &Operation) {
        match operation {
            // The full-screen program may be about to give the screen back: what it showed last.
            Operation::Function(Function::Decrst(_))
                if seen.terminal().active_screen_kind() == ScreenKind::Alternate =>
            {
                let (rows, _) = compare(std::mem::take(self.alternate).into(), seen.terminal(), self.micros);
                *self.alternate = rows.into();
            }
            // A reset wipes the screen; nothing scrolls away.
            Operation::Function(Function::Ris) => {
                let lines: Vec<_> = seen.terminal().primary_screen().visible_lines().cloned().collect();
                lines.iter().for_each(|line| self.gone(line));
                self.open.end(self.found);
            }
            _ => {}
        }
    }

    fn after(&mut self, seen: &mut Observation<'_>, operation: &Operation) {
        let switch = matches!(operation, Operation::Function(Function::Decrst(_) | Function::Decset(_)));
        if switch && seen.terminal().active_screen_kind() == ScreenKind::Primary && !self.alternate.is_empty() {
            for mut row in std::mem::take(self.alternate) {
                tell_full_screen(self.told, &mut row, self.found);
            }
            self.told.clear();
            self.dirty = true;
        }
    }

    fn evicted(&mut self, _: &mut Observation<'_>, line: &avt::Line) {
        self.dirty = true;
        self.gone(line);
    }

    fn end(&mut self, _: &mut Observation<'_>) -> bool {
        self.dirty
    }
}

/// Tells a row of a full-screen program, once per program.
fn tell_full_screen(told: &mut HashSet<u64>, row: &mut Row, found: &mut dyn FnMut(Line)) {
    use std::hash::{DefaultHasher, Hash, Hasher};

    let mut hasher = DefaultHasher::new();
    row.text.trim().hash(&mut hasher);
    row.said = Said::Yes;
    // Frames and vim's `~` say nothing.
    let says = row.text.chars().any(char::is_alphanumeric);
    if says && told.len() < REMEMBERED && told.insert(hasher.finish()) {
        found(Line { micros: row.micros, stream: Stream::FullScreen, text: row.text.trim_end().to_owned() });
    }
}

/// The screen's rows with their times, and the rows of before that are nowhere on it, each with the row that is at its
/// place.
fn compare(before: Vec<Row>, terminal: &Terminal, micros: u64) -> (Vec<Row>, Vec<(Row, Option<usize>)>) {
    let mut left: Vec<Option<Row>> = before.into_iter().map(Some).collect();
    let mut rows: Vec<Row> = terminal
        .screen()
        .visible_lines()
        .map(|line| Row { text: row_text(line), wrapped: line.is_wrapped(), micros, said: Said::No })
        .collect();
    let mut moved = Vec::new();
    for (at, row) in rows.iter_mut().enumerate() {
        match left.get_mut(at) {
            Some(there) if there.as_ref().is_some_and(|there| there.text == row.text) => keep(row, there),
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
            keep(row, &mut left[place]);
        } else if let Some(Some(there)) = left.get(at)
            && there.said != Said::No
            && goes_on(&there.text, &row.text)
        {
            row.said = Said::Earlier;
        }
    }
    let last = rows.len().checked_sub(1);
    let gone = left.into_iter().enumerate().filter_map(|(at, row)| {
        let row = row.filter(|row| !row.text.is_empty())?;
        Some((row, last.map(|last| at.min(last))))
    });
    let gone = gone.collect();
    (rows, gone)
}

fn keep(row: &mut Row, there: &mut Option<Row>) {
    if let Some(there) = there.take() {
        (row.micros, row.said) = (there.micros, there.said);
    }
}

fn row_text(line: &avt::Line) -> String {
    let mut text: String = line.chars().collect();
    // A row that goes on in the next one ends where it ends.
    if !line.is_wrapped() {
        text.truncate(text.trim_end().len());
    }
    text
}

/// Whether a row is another state of what stood there before, and not something else: a line that is being typed, a
/// progress bar, a prompt behind which something else is tried.
fn goes_on(before: &str, now: &str) -> bool {
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

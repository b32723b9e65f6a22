//! The screen a person sees, as far as reading command lines needs it.
//!
//! A terminal emulator costs about 30 ns a byte, so it stays off the path of a flood: output is put aside,
//! with marks where keys were pressed, and run through the emulator only when a line was ended with Enter
//! and the output that moves the cursor to the next line has come.

use std::collections::VecDeque;

use avt::{ScreenKind, Terminal};
use memchr::memchr;

use crate::{
    keys::Stroke,
    prompt::{Enter, Reading},
    switches::last_switch,
};

/// Most output that is put aside. Beyond it the oldest is given up and the emulator starts with an empty screen: a
/// line that was being typed during such a flood is read by what was typed and by the look of its prompt.
const ASIDE_BYTES: usize = 64 << 10;
/// Most marks in the output put aside; beyond it the screen is given up with them.
const MARKS: usize = 1024;
/// Most Enters that wait; each is looked for in every line, so those beyond it are dropped unread.
const WAITING: usize = 64;
/// Lines that may pass before an Enter is given up.
const LINES_WAITED: u32 = 256;
/// Largest emulator; a terminal may claim 65535x65535.
const LARGEST: (u16, u16) = (512, 128);
/// Output aside below this is left aside when the screen goes to sleep.
const SLEEP_BYTES: usize = 4 << 10;

#[derive(Debug)]
enum Mark {
    Stroke(Stroke),
    Size(u16, u16),
}

enum Emulator {
    Awake(Box<Terminal>),
    /// A dump, from which a terminal with the same screen is made.
    Asleep(String),
    Blank,
}

pub(crate) struct Screen {
    size: (u16, u16),
    emulator: Emulator,
    /// Output was given up while the alternate screen was shown.
    alternate: bool,
    aside: Vec<u8>,
    /// Marks, by offset in `aside`.
    marks: VecDeque<(usize, Mark)>,
    /// Enters among the marks.
    enters: usize,
    /// A character's first bytes, fed with the next.
    partial: Vec<u8>,
    /// The line up to the cursor when the current line's first key was pressed.
    prompt: String,
    waiting: VecDeque<(Enter, u32)>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            size: (80, 24),
            emulator: Emulator::Blank,
            alternate: false,
            aside: Vec::new(),
            marks: VecDeque::new(),
            enters: 0,
            partial: Vec::new(),
            prompt: String::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The terminal's new size; 0 is taken as 80 columns, 24 rows.
    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        let or = |size: u16, default: u16, most: u16| if size == 0 { default } else { size.min(most) };
        self.mark(Mark::Size(or(width, 80, LARGEST.0), or(height, 24, LARGEST.1)));
    }

    pub(crate) fn stroke(&mut self, stroke: Stroke) {
        if matches!(stroke, Stroke::Enter(_)) {
            self.enters += 1;
        }
        self.mark(Mark::Stroke(stroke));
    }

    /// Takes output. `found` gets every command whose line the cursor left.
    pub(crate) fn printed(&mut self, bytes: &[u8], found: &mut dyn FnMut(String)) {
        for piece in bytes.chunks(ASIDE_BYTES) {
            if self.aside.len() + piece.len() > ASIDE_BYTES {
                self.make_room(found);
            }
            self.aside.extend_from_slice(piece);
            if self.enters + self.waiting.len() > 0 && memchr(b'\n', piece).is_some() {
                self.look(found);
            }
        }
    }

    /// Gives up memory while nothing happens: the emulator becomes a dump of 1 to 2 KiB.
    pub(crate) fn sleep(&mut self, found: &mut dyn FnMut(String)) {
        if self.aside.len() > SLEEP_BYTES || matches!(self.emulator, Emulator::Awake(_)) {
            self.look(found);
        }
        if let Emulator::Awake(terminal) = &self.emulator {
            self.emulator = Emulator::Asleep(terminal.dump());
        }
        self.aside.shrink_to_fit();
        self.marks.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    /// Whether [`Self::sleep`] would give up memory worth the work.
    pub(crate) fn awake(&self) -> bool {
        matches!(self.emulator, Emulator::Awake(_)) || self.aside.capacity() > 2 * SLEEP_BYTES
    }

    fn mark(&mut self, mark: Mark) {
        if let (Some((at, last @ Mark::Size(..))), Mark::Size(..)) = (self.marks.back_mut(), &mark)
            && *at == self.aside.len()
        {
            // Nothing was printed at the size before.
            *last = mark;
            return;
        }
        if self.marks.len() >= MARKS {
            self.give_up();
        }
        self.marks.push_back((self.aside.len(), mark));
    }

    fn make_room(&mut self, found: &mut dyn FnMut(String)) {
        if self.enters + self.waiting.len() > 0 {
            self.look(found);
        } else {
            self.give_up();
        }
    }

    /// Forgets what was put aside, and the screen with it.
    fn give_up(&mut self) {
        let was = match &self.emulator {
            Emulator::Awake(terminal) => terminal.active_screen_kind() == ScreenKind::Alternate,
            // A dump of the alternate screen switches to it.
            Emulator::Asleep(dump) => last_switch(dump.as_bytes()).unwrap_or(false),
            Emulator::Blank => self.alternate,
        };
        self.alternate = last_switch(&self.aside).unwrap_or(was);
        for (_, mark) in std::mem::take(&mut self.marks) {
            if let Mark::Size(width, height) = mark {
                self.size = (width, height);
            }
        }
        self.emulator = Emulator::Blank;
        self.enters = 0;
        self.aside.clear();
        self.partial.clear();
        self.prompt.clear();
        self.waiting.clear();
    }

    /// Runs what was put aside through the emulator, up to the end.
    fn look(&mut self, found: &mut dyn FnMut(String)) {
        let mut terminal = self.wake();
        let aside = std::mem::take(&mut self.aside);
        let mut fed = 0;
        while let Some((offset, mark)) = self.marks.pop_front() {
            self.feed(&mut terminal, &aside[fed..offset], found);
            fed = offset;
            self.apply(&mut terminal, mark);
        }
        self.feed(&mut terminal, &aside[fed..], found);
        self.enters = 0;
        self.emulator = Emulator::Awake(terminal);
        self.aside = aside;
        self.aside.clear();
    }

    fn wake(&mut self) -> Box<Terminal> {
        let (width, height) = self.size;
        let new = || {
            let size = (usize::from(width.max(1)), usize::from(height.max(1)));
            Terminal::new(size.0, size.1).expect("a size that is not 0")
        };
        match std::mem::replace(&mut self.emulator, Emulator::Blank) {
            Emulator::Awake(terminal) => terminal,
            Emulator::Asleep(dump) => {
                let mut terminal = new();
                terminal.feed(dump);
                Box::new(terminal)
            }
            Emulator::Blank => {
                let mut terminal = new();
                if std::mem::take(&mut self.alternate) {
                    terminal.feed("\x1b[?1049h");
                }
                Box::new(terminal)
            }
        }
    }

    fn apply(&mut self, terminal: &mut Terminal, mark: Mark) {
        match mark {
            Mark::Size(width, height) => {
                self.size = (width, height);
                terminal.resize(usize::from(width), usize::from(height));
            }
            Mark::Stroke(Stroke::First) => self.line_begun(terminal),
            Mark::Stroke(Stroke::Abandon) => self.prompt.clear(),
            Mark::Stroke(Stroke::Enter(typed)) => {
                let prompt = std::mem::take(&mut self.prompt);
                if terminal.active_screen_kind() == ScreenKind::Primary && self.waiting.len() < WAITING {
                    self.waiting.push_back((Enter { prompt, typed }, LINES_WAITED));
                }
            }
        }
    }

    fn line_begun(&mut self, terminal: &Terminal) {
        self.prompt.clear();
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            return;
        }
        let prompt = up_to_cursor(terminal);
        // A prompt right behind the one that the last Enter answered: that line was read without echo, line feed included.
        if self.waiting.back().is_some_and(|(enter, _)| enter.answered_before(&prompt)) {
            self.waiting.clear();
        }
        if self.waiting.is_empty() {
            self.prompt = prompt;
        }
    }

    /// Feeds output, stopping at each line feed while an Enter waits.
    fn feed(&mut self, terminal: &mut Terminal, mut bytes: &[u8], found: &mut dyn FnMut(String)) {
        while !self.waiting.is_empty() {
            let Some(end) = memchr(b'\n', bytes) else { break };
            // Read before the carriage return, while the cursor still shows where the line ends.
            let text = bytes[..end].iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
            self.show(terminal, &bytes[..text]);
            self.line_left(terminal, found);
            self.show(terminal, &bytes[text..=end]);
            bytes = &bytes[end + 1..];
        }
        self.show(terminal, bytes);
    }

    fn show(&mut self, terminal: &mut Terminal, bytes: &[u8]) {
        let joined;
        let mut bytes = bytes;
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            bytes = &joined;
        }
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            terminal.feed(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_partial(invalid) {
                self.partial = invalid.to_vec();
            } else if !invalid.is_empty() {
                terminal.feed(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// The cursor is about to leave its line: is it the one that an Enter waits for? Enters before that one had
    /// theirs without anybody seeing it.
    fn line_left(&mut self, terminal: &Terminal, found: &mut dyn FnMut(String)) {
        if terminal.active_screen_kind() == ScreenKind::Alternate {
            self.waiting.clear();
            return;
        }
        // As the terminal wrapped it, and joined with full rows above: BusyBox's shell breaks a long line with CR LF
        // of its own.
        let lines = [false, true].map(|join_full_rows| cursor_line(terminal, join_full_rows));
        let readings = self.waiting.iter().map(|(enter, _)| read(&lines, enter));
        let met = readings.enumerate().find(|(_, reading)| *reading != Reading::NotYet);
        if let Some((at, reading)) = met {
            self.waiting.drain(..=at);
            if let Reading::Command(text) = reading {
                found(text);
            }
        }
        self.waiting.retain_mut(|(_, left)| {
            *left -= 1;
            *left > 0
        });
    }
}

/// Whether bytes are the beginning of a character, and not its whole.
fn is_partial(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// The first reading of the cursor's line that says something.
fn read(lines: &[(String, usize)], enter: &Enter) -> Reading {
    let mut readings = lines.iter().map(|(line, cursor)| enter.read(line, *cursor));
    readings.find(|reading| *reading != Reading::NotYet).unwrap_or(Reading::NotYet)
}

/// The cursor's line, of all the rows it is wrapped over, and the cursor's offset in it, in bytes.
fn cursor_line(terminal: &Terminal, join_full_rows: bool) -> (String, usize) {
    let cursor = terminal.cursor();
    let rows: Vec<_> = terminal.screen().visible_lines().collect();
    let continues = |row: usize| {
        let full = rows[row].cells().last().is_some_and(|cell| cell.char() != ' ');
        rows[row].is_wrapped() || (join_full_rows && full)
    };
    let current = cursor.row.min(rows.len().saturating_sub(1));
    let first = (0..current).rev().take_while(|&row| continues(row)).last().unwrap_or(current);
    let mut line = String::new();
    let mut offset = 0;
    for (row, cells) in rows.iter().enumerate().skip(first) {
        if row == current {
            let before = cells.cells().iter().take(cursor.col).filter(|cell| cell.width() > 0);
            offset = line.len() + before.map(|cell| cell.char().len_utf8()).sum::<usize>();
        }
        line.extend(cells.chars());
        if row >= current && !cells.is_wrapped() {
            break;
        }
    }
    (line, offset)
}

fn up_to_cursor(terminal: &Terminal) -> String {
    let (mut line, cursor) = cursor_line(terminal, false);
    line.truncate(cursor);
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Print(Vec<u8>),
        Stroke(Stroke),
        Resize(u16, u16),
        Sleep,
    }

    fn step() -> impl Strategy<Value = Step> {
        let piece = prop_oneof![
            Just(b"\x1b[?1049h".to_vec()),
            Just(b"\x1b[?1049l".to_vec()),
            Just(b"\r\n$ ".to_vec()),
            prop::collection::vec(any::<u8>(), 0..40),
            "(\x1b\\[[0-9;?]{0,6}[A-Za-z@]|[a-z \u{4e00}\r\n\u{8}]){0,20}".prop_map(String::into_bytes),
        ];
        let stroke = prop_oneof![
            Just(Stroke::First),
            Just(Stroke::Abandon),
            Just(Stroke::Enter(None)),
            "[a-z]{0,5}".prop_map(|text| Stroke::Enter(Some(text))),
        ];
        let size = prop_oneof![0..5_u16, any::<u16>()];
        prop_oneof![
            6 => piece.prop_map(Step::Print),
            3 => stroke.prop_map(Step::Stroke),
            1 => (size.clone(), size).prop_map(|(width, height)| Step::Resize(width, height)),
            1 => Just(Step::Sleep),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn nothing_a_peer_sends_breaks_it(steps in prop::collection::vec(step(), 0..60)) {
            let mut screen = Screen::new();
            for step in steps {
                match step {
                    Step::Print(bytes) => screen.printed(&bytes, &mut |_| {}),
                    Step::Stroke(stroke) => screen.stroke(stroke),
                    Step::Resize(width, height) => screen.resize(width, height),
                    Step::Sleep => screen.sleep(&mut |_| {}),
                }
                prop_assert!(screen.aside.len() <= ASIDE_BYTES);
                prop_assert!(screen.marks.len() <= MARKS && screen.waiting.len() <= WAITING);
            }
        }
    }

    #[test]
    fn what_waits_is_bounded_whatever_is_typed() {
        let mut screen = Screen::new();
        for _ in 0..10_000 {
            screen.stroke(Stroke::Enter(Some("never echoed".to_owned())));
            screen.resize(80, 24);
        }
        assert!(screen.marks.len() <= MARKS);
        screen.printed(b"\n", &mut |_| {});
        assert!(screen.waiting.len() <= WAITING);
    }
}

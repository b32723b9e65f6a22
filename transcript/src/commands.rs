//! The command lines that were entered, read from what stood on the screen.

mod entry;
mod keys;
mod line;
mod panes;
mod prompt;
mod screen;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use avt::{Observation, Observer, ScreenKind};
use recording::{
    Command, Evidence,
    cast::{Code, Event},
};

use crate::{emulator::Emulator, utf8_decoder::Decoder};
use entry::{Entry, Prompt, resolve};
use keys::Keys;
use line::waiting_line::Waiting;
use panes::Panes;
use screen::{
    capture::{Shot, View},
    scanner::{Scanner, Stop},
};

/// Most command lines of a session; later ones are not listed.
const ENTRIES: usize = 20_000;
/// Most bytes of all of them. What a container prints decides how many they are, and how long. Where a prompt is not sure an entry
/// has lines above it too, so it is more than the commands that are read from it.
const ENTRIES_BYTES: usize = 4 << 20;
/// Most bytes of what is kept of the screen for a command.
const TEXT_BYTES: usize = 16 << 10;
/// Most rows of one line that a line editor broke.
const BROKEN: usize = 200;
/// Most prompts that are remembered while a session goes on.
const PROMPTS: usize = 100;
/// Most entries by which a line's prompt is told while a session goes on.
const LEARNED: usize = 64;
/// Rows kept above the screen, so that a command of many lines can be read.
const SCROLLBACK: usize = 200;
/// Bytes of output by which it is told what a line editor printed right before its signs.
const RECENT: usize = 16;
/// Nothing was printed for so long: the cursor may be waiting.
const PAUSE_MICROS: u64 = 3_000;
/// Nothing was printed for so long: the cursor waits for a person.
const WAIT_MICROS: u64 = 25_000;

/// Finds the commands of a session: events in, commands out.
///
/// Lines are read when they are left; what is a prompt is decided when they are asked for, with all that the session
/// showed by then. Keys, where there are any, help to tell an entered line from an abandoned one. They never become
/// text: what was typed while echo was off stands nowhere.
pub struct Commands {
    emulator: Emulator,
    decoder: Decoder,
    scanner: Scanner,
    keys: Keys,
    entries: Vec<Entry>,
    /// Bytes of the entries' text.
    bytes: usize,
    /// An entry had no room.
    full: bool,
    state: State,
    /// Rows that have left the scrollback.
    evicted: u64,
    /// The row behind the last entry.
    floor: u64,
    /// The line that was left by the line feed just before, if it was one of a line editor.
    left: Option<Shot>,
    /// Entries that were told while the session went on.
    told: usize,
    /// Something was printed since the last event.
    unseen: bool,
    last_micros: u64,
    /// The shell sends OSC 133.
    marks: bool,
    /// A line editor with bracketed paste was seen.
    editors: bool,
    /// Prompts of lines without one.
    prompts: HashSet<String>,
    /// The row in which the last prompt began.
    start: Option<u64>,
    /// The cursor's column before carriage returns.
    column: Option<usize>,
    /// The prompt at which the cursor waited when the size changed: the line is drawn again.
    resized: Option<Prompt>,
    /// The last bytes that were printed, in however many pieces they came.
    recent: String,
    /// A line editor is about to print its prompt beside something else.
    beside: bool,
    /// Something was shown since the last key; without keys, since a moment ago.
    drawn: bool,
    /// A line editor's line was entered, and the cursor is still on it: zsh's.
    leaving: bool,
    /// Panes of tmux, if there were any.
    panes: Option<Box<Panes>>,
    /// Something was printed on the alternate screen since it was looked at.
    unseen_in_panes: bool,
    /// Bracketed paste is on.
    pasting: bool,
    /// The alternate screen is in use: whether a line started tmux before.
    full_screen: Option<bool>,
}

enum State {
    /// Something runs, or waits by means of its own.
    Output(Option<Waiting>),
    Editing(Editing),
}

/// A line editor at work.
struct Editing {
    evidence: Evidence,
    ready: u64,
    prompt: Option<Prompt>,
    sure: bool,
    /// It began before its prompt.
    readline: bool,
    /// It began behind its prompt: zsh's.
    behind: bool,
    /// It has said that it is done, and the cursor is still on the line: when.
    done: Option<u64>,
}

impl Default for Commands {
    fn default() -> Self {
        Self::new()
    }
}

impl Commands {
    /// A terminal of 80x24, until an `r` event says otherwise.
    pub fn new() -> Self {
        Self {
            emulator: Emulator::new(80, 24, SCROLLBACK),
            decoder: Decoder::default(),
            scanner: Scanner::default(),
            keys: Keys::default(),
            entries: Vec::new(),
            bytes: 0,
            full: false,
            state: State::Output(None),
            evicted: 0,
            floor: 0,
            left: None,
            told: 0,
            unseen: false,
            last_micros: 0,
            marks: false,
            editors: false,
            prompts: HashSet::new(),
            start: None,
            column: None,
            resized: None,
            recent: String::new(),
            beside: false,
            drawn: false,
            leaving: false,
            panes: None,
            unseen_in_panes: false,
            pasting: false,
            full_screen: None,
        }
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) {
        match event.code {
            Code::Output | Code::Input | Code::Bytes => match event.bytes() {
                Some((Code::Output, bytes)) => self.printed(event.micros, &bytes),
                Some((Code::Input, bytes)) => self.typed(event.micros, &bytes),
                _ => {}
            },
            Code::Resize => {
                if let Some((columns, rows)) = event.size() {
                    self.resized(event.micros, columns, rows);
                }
            }
            Code::Stderr | Code::Marker | Code::Exit | Code::Port | Code::Gap => {}
        }
    }

    /// The terminal's new size.
    pub fn resized(&mut self, micros: u64, columns: u16, rows: u16) {
        self.passed(micros, false);
        let before = self.emulator.terminal().size();
        self.emulator.resize(columns, rows, Evicted(&mut self.evicted));
        if before != self.emulator.terminal().size() {
            // Rows have other numbers now.
            self.floor = 0;
            self.start = None;
            if let State::Output(waiting) = &mut self.state {
                self.resized = waiting.take().filter(|waiting| waiting.sure).map(|waiting| waiting.prompt);
            }
        }
    }

    /// Keys, as they came from the client; they are not kept.
    pub fn typed(&mut self, micros: u64, bytes: &[u8]) {
        self.passed(micros, true);
        self.typed_in_panes(bytes);
        self.keys.feed(bytes);
        self.entered_at_edge(micros);
    }

    /// Output.
    pub fn printed(&mut self, micros: u64, bytes: &[u8]) {
        self.passed(micros, false);
        let mut text = String::with_capacity(bytes.len());
        self.decoder.decode(bytes, &mut text);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (length, stop) = self.scanner.next(rest);
            let (piece, after) = rest.split_at(length);
            self.show(micros, piece);
            rest = after;
            match stop {
                Some(Stop::LineFeed) => {
                    self.line_feed(micros);
                    self.show(micros, &rest[..1]);
                    rest = &rest[1..];
                }
                Some(stop) => self.stop(micros, stop),
                None => {}
            }
        }
        self.unseen = true;
        self.printed_in_panes(micros);
        self.keys.printed();
    }

    /// Output was left out: the screen is not known any more. `alternate`: it is the alternate one.
    pub fn skipped(&mut self, micros: u64, alternate: bool) {
        self.last_micros = self.last_micros.max(micros);
        self.emulator.clear(alternate);
        self.decoder = Decoder::default();
        self.scanner = Scanner::default();
        self.state = State::Output(None);
        self.left = None;
        (self.floor, self.start) = (0, None);
        (self.unseen, self.beside, self.leaving) = (false, false, false);
        self.recent.clear();
        self.unseen_in_panes = false;
        if let Some(panes) = &mut self.panes {
            panes.skipped();
        }
        if let Some(entry) = self.entries.last_mut().filter(|entry| entry.ended.is_none()) {
            entry.first_output.get_or_insert(micros);
            entry.last_output = Some(micros);
        }
    }

    /// Whether a full-screen program has the screen.
    pub fn is_alternate(&mut self) -> bool {
        self.emulator.wake();
        self.emulator.terminal().active_screen_kind() == ScreenKind::Alternate
    }

    /// Gives up memory while nothing happens: the screen becomes a few KiB of text until something does.
    pub fn sleep(&mut self) {
        self.evicted += self.emulator.sleep() as u64;
    }

    /// Whether [`Self::sleep`] would give up memory.
    pub fn is_awake(&self) -> bool {
        self.emulator.is_awake()
    }

    /// The lines that were entered since the last call, each by itself and by what is known now: `found` gets time and
    /// text. [`Self::finish`] knows more.
    pub fn entered(&mut self, found: &mut dyn FnMut(u64, &str)) {
        let from = self.entries.len().saturating_sub(LEARNED).min(self.told);
        for (micros, text) in resolve::lines(&self.entries[from..], self.told - from) {
            found(micros, &text);
        }
        self.told = self.entries.len();
    }

    /// Whether lines were entered for which there was no room: 20,000 lines, or 4 MiB of what stood on the screen. They are not
    /// told and not listed.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The commands so far, for a session that goes on.
    pub fn so_far(&self) -> Vec<Command> {
        resolve::commands(&self.entries)
    }

    /// All commands.
    pub fn finish(mut self) -> Vec<Command> {
        self.emulator.wake();
        self.look_at_panes(u64::MAX, true);
        if let State::Editing(Editing { done: Some(micros), .. }) = self.state {
            self.enter(micros);
        }
        resolve::commands(&self.entries)
    }

    fn show(&mut self, micros: u64, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let printed = self.scanner.printed && piece != "\n";
        if printed {
            self.left_edge();
        }
        if piece.starts_with('\r')
            && self.recent.ends_with('\n')
            && let State::Output(Some(waiting)) = &mut self.state
        {
            waiting.goes_on_below();
        }
        self.remember(piece);
        // Where the cursor was before a line's end took it back.
        let shown = piece.trim_end_matches('\r');
        self.feed(shown);
        let column = self.emulator.terminal().cursor().col;
        if piece == "\n" {
            // Nothing stands in the new row, wherever the cursor is there.
            self.column = Some(0);
        } else if !shown.is_empty() {
            self.column = Some(column);
        }
        self.emulator.feed(&piece[shown.len()..], Evicted(&mut self.evicted));
        if !printed {
            return;
        }
        self.left = None;
        (self.leaving, self.drawn) = (false, true);
        if let State::Output(_) = self.state
            && let Some(entry) = self.entries.last_mut()
            && entry.ended.is_none()
        {
            entry.first_output.get_or_insert(micros);
            entry.last_output = Some(micros);
        }
    }

    /// Keeps the end of what was printed: a terminal may hand on any piece of it by itself.
    fn remember(&mut self, piece: &str) {
        self.recent.push_str(&piece[piece.ceil_char_boundary(piece.len().saturating_sub(RECENT))..]);
        let old = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..self.recent.ceil_char_boundary(old));
    }

    fn view(&self) -> View {
        View { evicted: self.evicted, from: self.floor, start: self.start, column: None, below: false }
    }

    fn shot(&self) -> Option<Shot> {
        Shot::take(self.emulator.terminal(), &self.view())
    }

    /// The same at the end of a line.
    fn shot_of_left(&self) -> Option<Shot> {
        let view = View { column: self.column, ..self.view() };
        Shot::take(self.emulator.terminal(), &view).map(Shot::entered)
    }

    /// The same with all lines of zsh's buffer, wherever in it the cursor stands.
    fn shot_of_buffer(&self) -> Option<Shot> {
        let view = View { below: true, ..self.view() };
        Shot::take(self.emulator.terminal(), &view).map(Shot::entered)
    }

    /// The line editor's line was entered: `left` is how it was left.
    fn enter(&mut self, micros: u64) {
        let shot = self.left.take().or_else(|| self.shot());
        let state = std::mem::replace(&mut self.state, State::Output(None));
        if let (State::Editing(editing), Some(shot)) = (state, shot) {
            self.push(micros, editing, shot);
        }
    }

    fn push(&mut self, micros: u64, editing: Editing, mut shot: Shot) {
        let Editing { evidence, ready, prompt, sure, readline, .. } = editing;
        let interrupted = self.keys.interrupted();
        let shown = shot.around_cursor().is_some_and(|(before, _)| before.ends_with("^C"));
        // What is typed while something else runs is echoed too, and read later.
        let answered =
            evidence != Evidence::Prompt || prompt.as_ref().is_some_and(|it| prompt::ends_like_one(&it.text));
        if answered {
            self.keys.taken();
        }
        entry::bound(&mut shot.lines, &mut shot.cursor);
        let mut entry = Entry {
            evidence,
            ready,
            micros,
            prompt,
            sure,
            lines: shot.lines,
            cursor: shot.cursor,
            floor: self.floor,
            interrupted: interrupted || shown,
            readline,
            ..Entry::default()
        };
        if sure
            && let Some(prompt) = &entry.prompt
            && let Some((at, _)) = entry.prompted(&prompt.text)
        {
            entry.lines.drain(..at);
        }
        // The row that the cursor gets to.
        self.floor = shot.row + 1;
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        // Nothing behind one that had no room: what is listed is all up to some time.
        self.bytes += entry.bytes();
        self.full |= self.entries.len() >= ENTRIES || self.bytes > ENTRIES_BYTES;
        if !self.full {
            self.entries.push(entry);
        }
    }
}

/// Counts the rows that leave the scrollback.
struct Evicted<'a>(&'a mut u64);

impl Observer for Evicted<'_> {
    type Output = ();

    fn evicted(&mut self, _: &mut Observation<'_>, _: &avt::Line) {
        *self.0 += 1;
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

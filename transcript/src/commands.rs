//! The command lines that were entered, read from what stood on the screen.

mod entry;
mod keys;
mod line;
mod panes;
mod prompt;
mod screen;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, time::Duration};

use avt::{Observation, Observer, ScreenKind};
use recording::{
    Command, Evidence, Micros,
    cast::{Code, Event},
};

use crate::{emulator::Emulator, utf8_decoder::Utf8Decoder};
use entry::{Entry, Prompt, resolve};
use keys::KeyState;
use line::waiting_line::WaitingLine;
use panes::Panes;
use screen::{
    capture::{CaptureOptions, ScreenCapture},
    scanner::{OutputSignal, Scanner},
};

/// Most command lines of a session; later ones are not listed.
const MAX_ENTRIES: usize = 20_000;
/// Most bytes of all entries. The container decides how many they are and how long. An entry whose prompt is uncertain
/// also holds the lines above it, so entries are larger than the commands that are read from them.
const MAX_ENTRIES_BYTES: usize = 4 << 20;
/// Most bytes of screen text that are kept for a command.
const TEXT_BYTES: usize = 16 << 10;
/// Most rows of a line that a line editor broke by itself.
const MAX_BROKEN_ROWS: usize = 200;
/// Most prompts that are remembered during a session.
const MAX_PROMPTS: usize = 100;
/// How many entries are considered to find a line's prompt during a session.
const PROMPT_CONTEXT: usize = 64;
/// Rows kept above the screen, so that a command of many lines can be read.
const SCROLLBACK: usize = 200;
/// How many bytes of recent output are kept, to see what a line editor printed right before its signals.
const RECENT_BYTES: usize = 16;
/// After this long without output the cursor may be waiting for input.
const PAUSE: Duration = Duration::from_millis(3);
/// After this long without output the cursor is waiting for a person.
const WAIT: Duration = Duration::from_millis(25);

/// Finds a session's commands: events in, commands out.
///
/// A line is captured when the cursor leaves it. Which part of it is a prompt is decided when the commands are asked
/// for, from all that the session showed by then. Recorded keys, if there are any, help to tell an entered line from an
/// abandoned one. Keys never become text: what was typed without echo stands nowhere on the screen.
pub struct Commands {
    emulator: Emulator,
    decoder: Utf8Decoder,
    scanner: Scanner,
    keys: KeyState,
    entries: Vec<Entry>,
    /// Bytes of the entries' text.
    bytes: usize,
    /// An entry was dropped for want of room.
    full: bool,
    state: EditState,
    /// Rows that have left the scrollback.
    evicted: u64,
    /// The row below the last entry.
    floor: u64,
    /// The line that the line feed just before left, if a line editor was at work.
    left: Option<ScreenCapture>,
    /// How many entries [`Self::entered`] has reported.
    reported: usize,
    /// Something was printed since the screen was last examined.
    unseen: bool,
    last_event: Micros,
    /// The shell sends OSC 133.
    marks: bool,
    /// A line editor with bracketed paste was seen.
    editors: bool,
    /// Prompts of programs without a line editor.
    prompts: HashSet<String>,
    /// The row in which the last prompt began.
    start: Option<u64>,
    /// The column of the cursor before a carriage return took it back.
    column: Option<usize>,
    /// The prompt at which the cursor waited when the size changed: its line is drawn again.
    resized: Option<Prompt>,
    /// The last bytes that were printed.
    recent: String,
    /// A line editor is about to print its prompt, and the cursor is not at the left edge.
    beside: bool,
    /// Something was printed since the last key; without recorded keys, during the last pause.
    drawn: bool,
    /// A line of zsh's editor was entered, and the cursor is still on it.
    leaving: bool,
    /// Panes of tmux, if tmux was seen.
    panes: Option<Box<Panes>>,
    /// Something was printed on the alternate screen since the panes were last examined.
    unseen_in_panes: bool,
    /// Bracketed paste is on.
    pasting: bool,
    /// While the alternate screen is in use: whether the line before it started tmux.
    full_screen: Option<bool>,
}

enum EditState {
    /// A program runs, or waits without a line editor's signals.
    Output(Option<WaitingLine>),
    Editing(Editing),
}

/// A line editor at work.
struct Editing {
    evidence: Evidence,
    ready: Micros,
    prompt: Option<Prompt>,
    sure: bool,
    /// Its signal came before its prompt, as with readline.
    readline: bool,
    /// Its signal came behind its prompt, as with zsh.
    behind: bool,
    /// When it signalled that the line is done; the cursor is still on the line.
    done: Option<Micros>,
}

impl Default for Commands {
    fn default() -> Self {
        Self::new()
    }
}

impl Commands {
    /// The terminal is 80x24 until an `r` event says otherwise.
    pub fn new() -> Self {
        Self {
            emulator: Emulator::new(80, 24, SCROLLBACK),
            decoder: Utf8Decoder::default(),
            scanner: Scanner::default(),
            keys: KeyState::default(),
            entries: Vec::new(),
            bytes: 0,
            full: false,
            state: EditState::Output(None),
            evicted: 0,
            floor: 0,
            left: None,
            reported: 0,
            unseen: false,
            last_event: Micros::ZERO,
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

    /// Reads an event.
    pub fn event(&mut self, event: &Event) {
        match event.code {
            Code::Output | Code::Input | Code::Bytes => match event.bytes() {
                Some((Code::Output, bytes)) => self.printed(event.time, &bytes),
                Some((Code::Input, bytes)) => self.typed(event.time, &bytes),
                _ => {}
            },
            Code::Resize => {
                if let Some((columns, rows)) = event.size() {
                    self.resized(event.time, columns, rows);
                }
            }
            Code::Stderr | Code::Marker | Code::Exit | Code::Port | Code::Gap => {}
        }
    }

    /// The terminal was resized.
    pub fn resized(&mut self, time: Micros, columns: u16, rows: u16) {
        self.passed(time, false);
        let before = self.emulator.terminal().size();
        self.emulator.resize(columns, rows, EvictionCounter(&mut self.evicted));
        if before != self.emulator.terminal().size() {
            // Rows are numbered reset.
            self.floor = 0;
            self.start = None;
            if let EditState::Output(waiting) = &mut self.state {
                self.resized = waiting.take().filter(|waiting| waiting.sure).map(|waiting| waiting.prompt);
            }
        }
    }

    /// Keys came from the client. They are not kept.
    pub fn typed(&mut self, time: Micros, bytes: &[u8]) {
        self.passed(time, true);
        self.typed_in_panes(bytes);
        self.keys.feed(bytes);
        self.entered_at_edge(time);
    }

    /// The session printed bytes.
    pub fn printed(&mut self, time: Micros, bytes: &[u8]) {
        self.passed(time, false);
        let mut text = String::with_capacity(bytes.len());
        self.decoder.decode(bytes, &mut text);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (length, signal) = self.scanner.next(rest);
            let (piece, after) = rest.split_at(length);
            self.show(time, piece);
            rest = after;
            match signal {
                Some(OutputSignal::LineFeed) => {
                    self.line_feed(time);
                    self.show(time, &rest[..1]);
                    rest = &rest[1..];
                }
                Some(signal) => self.signal(time, signal),
                None => {}
            }
        }
        self.unseen = true;
        self.printed_in_panes(time);
        self.keys.printed();
    }

    /// Some output was left out, so that the screen is unknown now. `alternate`: the alternate screen is in use.
    pub fn skipped(&mut self, time: Micros, alternate: bool) {
        self.last_event = self.last_event.max(time);
        self.emulator.clear(alternate);
        self.decoder = Utf8Decoder::default();
        self.scanner = Scanner::default();
        self.state = EditState::Output(None);
        self.left = None;
        (self.floor, self.start) = (0, None);
        (self.unseen, self.beside, self.leaving) = (false, false, false);
        self.recent.clear();
        self.unseen_in_panes = false;
        if let Some(panes) = &mut self.panes {
            panes.skipped();
        }
        if let Some(entry) = self.entries.last_mut().filter(|entry| entry.ended.is_none()) {
            entry.first_output.get_or_insert(time);
            entry.last_output = Some(time);
        }
    }

    /// Whether the alternate screen is in use, as by full-screen programs.
    pub fn is_alternate(&mut self) -> bool {
        self.emulator.wake();
        self.emulator.terminal().active_screen_kind() == ScreenKind::Alternate
    }

    /// Gives up memory while nothing happens: the screen becomes a few KiB of text until the next event.
    pub fn sleep(&mut self) {
        self.evicted += self.emulator.sleep() as u64;
    }

    /// Whether [`Self::sleep`] would give up memory.
    pub fn is_awake(&self) -> bool {
        self.emulator.is_awake()
    }

    /// Calls `found` with time and text of each line that was entered since the last call. Each line is read by itself,
    /// with what is known now; [`Self::finish`] knows more.
    pub fn entered(&mut self, found: &mut dyn FnMut(Micros, &str)) {
        let from = self.entries.len().saturating_sub(PROMPT_CONTEXT).min(self.reported);
        for (time, text) in resolve::lines(&self.entries[from..], self.reported - from) {
            found(time, &text);
        }
        self.reported = self.entries.len();
    }

    /// Whether entered lines were dropped: beyond 20,000 lines, or 4 MiB of screen text. They are neither reported nor
    /// listed.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The commands so far of a session in progress.
    pub fn so_far(&self) -> Vec<Command> {
        resolve::commands(&self.entries)
    }

    /// The session is over: all its commands.
    pub fn finish(mut self) -> Vec<Command> {
        self.emulator.wake();
        self.look_at_panes(Micros::MAX, true);
        if let EditState::Editing(Editing { done: Some(time), .. }) = self.state {
            self.enter(time);
        }
        resolve::commands(&self.entries)
    }

    fn show(&mut self, time: Micros, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let printed = self.scanner.printed && piece != "\n";
        if printed {
            self.left_edge();
        }
        if piece.starts_with('\r')
            && self.recent.ends_with('\n')
            && let EditState::Output(Some(waiting)) = &mut self.state
        {
            waiting.goes_on_below();
        }
        self.remember(piece);
        // The column from which a carriage return at the end takes the cursor back.
        let shown = piece.trim_end_matches('\r');
        self.feed(shown);
        let column = self.emulator.terminal().cursor().col;
        if piece == "\n" {
            // The new row is empty, wherever in it the cursor is.
            self.column = Some(0);
        } else if !shown.is_empty() {
            self.column = Some(column);
        }
        self.emulator.feed(&piece[shown.len()..], EvictionCounter(&mut self.evicted));
        if !printed {
            return;
        }
        self.left = None;
        (self.leaving, self.drawn) = (false, true);
        if let EditState::Output(_) = self.state
            && let Some(entry) = self.entries.last_mut()
            && entry.ended.is_none()
        {
            entry.first_output.get_or_insert(time);
            entry.last_output = Some(time);
        }
    }

    /// Keeps the end of what was printed. A terminal passes output on in arbitrary pieces.
    fn remember(&mut self, piece: &str) {
        self.recent.push_str(&piece[piece.ceil_char_boundary(piece.len().saturating_sub(RECENT_BYTES))..]);
        let old = self.recent.len().saturating_sub(RECENT_BYTES);
        self.recent.drain(..self.recent.ceil_char_boundary(old));
    }

    fn view(&self) -> CaptureOptions {
        CaptureOptions { evicted: self.evicted, from: self.floor, start: self.start, column: None, below: false }
    }

    fn capture(&self) -> Option<ScreenCapture> {
        ScreenCapture::take(self.emulator.terminal(), &self.view())
    }

    /// Captures the line that the cursor is about to leave.
    fn capture_of_left_line(&self) -> Option<ScreenCapture> {
        let view = CaptureOptions { column: self.column, ..self.view() };
        ScreenCapture::take(self.emulator.terminal(), &view).map(ScreenCapture::entered)
    }

    /// Captures all lines of zsh's buffer, wherever in it the cursor is.
    fn capture_of_buffer(&self) -> Option<ScreenCapture> {
        let view = CaptureOptions { below: true, ..self.view() };
        ScreenCapture::take(self.emulator.terminal(), &view).map(ScreenCapture::entered)
    }

    /// The line editor's line was entered. `self.left` holds its capture if the cursor has left it.
    fn enter(&mut self, time: Micros) {
        let capture = self.left.take().or_else(|| self.capture());
        let state = std::mem::replace(&mut self.state, EditState::Output(None));
        if let (EditState::Editing(editing), Some(capture)) = (state, capture) {
            self.push(time, editing, capture);
        }
    }

    fn push(&mut self, time: Micros, editing: Editing, mut capture: ScreenCapture) {
        let Editing { evidence, ready, prompt, sure, readline, .. } = editing;
        let interrupted = self.keys.interrupted();
        let shown = capture.around_cursor().is_some_and(|(before, _)| before.ends_with("^C"));
        // What is typed while another program runs is echoed too, and read later.
        let answered =
            evidence != Evidence::Prompt || prompt.as_ref().is_some_and(|it| prompt::ends_like_one(&it.text));
        if answered {
            self.keys.taken();
        }
        entry::bound(&mut capture.lines, &mut capture.cursor);
        let mut entry = Entry {
            evidence,
            ready,
            time,
            prompt,
            sure,
            lines: capture.lines,
            cursor: capture.cursor,
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
        // The row that the cursor moves to.
        self.floor = capture.row + 1;
        self.add(entry);
    }

    fn add(&mut self, entry: Entry) {
        // Once an entry was dropped, no later one is added: the list is complete up to some time.
        self.bytes += entry.bytes();
        self.full |= self.entries.len() >= MAX_ENTRIES || self.bytes > MAX_ENTRIES_BYTES;
        if !self.full {
            self.entries.push(entry);
        }
    }
}

/// Counts the rows that leave the scrollback.
struct EvictionCounter<'a>(&'a mut u64);

impl Observer for EvictionCounter<'_> {
    type Output = ();

    fn evicted(&mut self, _: &mut Observation<'_>, _: &avt::Line) {
        *self.0 += 1;
    }

    fn end(&mut self, _: &mut Observation<'_>) {}
}

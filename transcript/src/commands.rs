//! The command lines that were entered, read from what stood on the screen.

mod entry;
mod expansion;
mod keys;
mod prompt;
mod resolve;
mod scan;
mod shot;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use avt::{Observation, Observer, ScreenKind};
use storage::{
    Command, Evidence,
    cast::{Code, Event},
};

use crate::{decoder::Decoder, emulator::Emulator};
use entry::{Entry, Prompt};
use keys::Keys;
use scan::{Scanner, Stop};
use shot::{Logical, Shot, View};

/// Most command lines of a session; later ones are not listed.
const ENTRIES: usize = 20_000;
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
}

enum State {
    /// Something runs, or waits by means of its own.
    Output(Option<Waiting>),
    Editing(Editing),
}

/// A line on which the cursor waited, of a program without a sign for it.
struct Waiting {
    row: u64,
    prompt: Prompt,
    sure: bool,
    ready: u64,
    /// Rows that the line editor broke at the terminal's edge.
    broken: Vec<u64>,
    /// The last row was full and the cursor went to the next: the line goes on there, or it was entered.
    full: Option<Shot>,
    /// The cursor waited in that next row.
    goes_on: bool,
}

impl Waiting {
    fn new(row: u64, prompt: Prompt, sure: bool, ready: u64) -> Self {
        Self { row, prompt, sure, ready, broken: Vec::new(), full: None, goes_on: false }
    }

    /// The line, of all rows that the line editor broke it over; none where the cursor is on another line.
    fn whole(&self, mut shot: Shot) -> Option<Shot> {
        let first = shot.lines.iter().position(|line| line.row == self.row)?;
        let lines = shot.lines.split_off(first);
        let (last, before) = lines.split_last()?;
        let mut whole = Logical { row: self.row, ..Logical::default() };
        for (line, next) in before.iter().zip(&lines[1..]) {
            let broken = line.full || self.broken.iter().any(|row| (line.row..next.row).contains(row));
            if !broken {
                return None;
            }
            whole.text.push_str(&line.text);
        }
        shot.cursor += whole.text.len();
        whole.text.push_str(&last.text);
        shot.lines = vec![whole];
        Some(shot)
    }
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
                *waiting = None;
            }
        }
    }

    /// Keys, as they came from the client; they are not kept.
    pub fn typed(&mut self, micros: u64, bytes: &[u8]) {
        self.passed(micros, true);
        self.keys.feed(bytes);
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
                Some(stop) => self.stop(micros, stop, piece),
                None => {}
            }
        }
        self.unseen = true;
    }

    /// Output was left out: the screen is not known any more. `alternate`: it is the alternate one.
    pub fn skipped(&mut self, micros: u64, alternate: bool) {
        self.last_micros = self.last_micros.max(micros);
        self.emulator.clear(alternate);
        self.decoder = Decoder::default();
        self.scanner = Scanner::default();
        self.state = State::Output(None);
        self.left = None;
        (self.floor, self.start, self.unseen) = (0, None, false);
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

    /// The commands so far, for a session that goes on.
    pub fn so_far(&self) -> Vec<Command> {
        resolve::commands(&self.entries)
    }

    /// All commands.
    pub fn finish(mut self) -> Vec<Command> {
        self.emulator.wake();
        if let State::Editing(Editing { done: Some(micros), .. }) = self.state {
            self.enter(micros);
        }
        resolve::commands(&self.entries)
    }

    fn show(&mut self, micros: u64, piece: &str) {
        if piece.is_empty() {
            return;
        }
        // Where the cursor was before a line's end took it back.
        let shown = piece.trim_end_matches('\r');
        self.emulator.feed(shown, Evicted(&mut self.evicted));
        let column = self.emulator.terminal().cursor().col;
        if column > 0 || !shown.is_empty() {
            self.column = Some(column);
        }
        self.emulator.feed(&piece[shown.len()..], Evicted(&mut self.evicted));
        if !self.scanner.printed || piece == "\n" {
            return;
        }
        self.left = None;
        if let State::Output(_) = self.state
            && let Some(entry) = self.entries.last_mut()
            && entry.ended.is_none()
        {
            entry.first_output.get_or_insert(micros);
            entry.last_output = Some(micros);
        }
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

    /// A line begins here, even where what was printed before wrapped around to it.
    fn line_begins(&mut self) {
        let terminal = self.emulator.terminal();
        let cursor = terminal.cursor();
        if cursor.col == 0 && terminal.active_screen_kind() == ScreenKind::Primary {
            let above = terminal.screen().all_lines().count() - terminal.screen().visible_lines().len();
            self.start = Some(self.evicted + (above + cursor.row) as u64);
        }
    }

    fn stop(&mut self, micros: u64, stop: Stop, piece: &str) {
        match stop {
            Stop::LineFeed => {}
            Stop::Erase => self.line_begins(),
            Stop::PasteOn => self.paste_on(micros, piece),
            Stop::PasteOff => self.paste_off(micros),
            Stop::Prompt => self.prompted(micros),
            Stop::Input => self.input_begins(micros),
            Stop::Output => self.output_begins(micros),
            Stop::Ended(status) => {
                if let Some(entry) = self.entries.last_mut() {
                    entry.status = entry.status.or(status);
                    entry.ended.get_or_insert(micros);
                }
            }
        }
    }

    /// A line editor begins, before its prompt (readline, fish) or behind it (zsh).
    fn paste_on(&mut self, micros: u64, piece: &str) {
        if self.emulator.terminal().active_screen_kind() == ScreenKind::Alternate {
            return;
        }
        if let State::Editing(editing) = &mut self.state {
            if let Some(done) = editing.done.take() {
                // Another one before the cursor left the line: that was given up.
                self.enter(done);
                self.entries.last_mut().into_iter().for_each(|entry| entry.interrupted = true);
            } else if editing.evidence == Evidence::Osc133 && editing.sure {
                return;
            }
        }
        self.line_begins();
        let behind = ["\x1b[K\x1b[?2004h", "\x1b=\x1b[?2004h", "D\x1b[?2004h"].iter().any(|end| piece.ends_with(end));
        let prompt = if behind { self.shot().as_ref().and_then(prompt_of) } else { None };
        self.editors = true;
        let evidence = if self.marks { Evidence::Osc133 } else { Evidence::Bracketed };
        self.ready(micros);
        let sure = prompt.is_some();
        self.state = State::Editing(Editing {
            evidence,
            ready: micros,
            prompt,
            sure,
            readline: !behind,
            behind: sure,
            done: None,
        });
    }

    fn paste_off(&mut self, micros: u64) {
        let State::Editing(editing) = &mut self.state else { return };
        if self.left.is_some() {
            self.enter(micros);
        } else if editing.behind {
            self.left = self.shot_of_buffer();
            self.enter(micros);
        } else {
            editing.done = Some(micros);
        }
    }

    fn prompted(&mut self, micros: u64) {
        if let State::Output(_) = self.state {
            self.ready(micros);
        }
    }

    fn input_begins(&mut self, micros: u64) {
        let Some(prompt) = self.shot().as_ref().and_then(prompt_of) else { return };
        self.marks = true;
        let (ready, readline, behind) = match &self.state {
            State::Editing(editing) => (editing.ready, editing.readline, editing.behind),
            State::Output(_) => (micros, false, false),
        };
        self.ready(micros);
        let evidence = Evidence::Osc133;
        self.state =
            State::Editing(Editing { evidence, ready, prompt: Some(prompt), sure: true, readline, behind, done: None });
    }

    fn output_begins(&mut self, micros: u64) {
        if let State::Editing(editing) = &self.state
            && (self.left.is_some() || editing.done.is_some())
        {
            self.enter(micros);
        }
    }

    /// A prompt is about to wait: the command before it has ended.
    fn ready(&mut self, micros: u64) {
        if let Some(entry) = self.entries.last_mut() {
            entry.ended.get_or_insert(micros);
        }
        self.left = None;
        self.keys.ready();
    }

    /// The cursor is about to leave its row downwards.
    fn line_feed(&mut self, micros: u64) {
        match &mut self.state {
            State::Editing(editing) if editing.done.is_some() => {
                self.left = self.shot_of_left();
                self.enter(micros);
            }
            State::Editing(_) => self.left = self.shot_of_left(),
            State::Output(waiting) => match waiting.take() {
                Some(waiting) => self.waiting_line_left(micros, waiting),
                None if self.typed_ahead(micros) => {}
                None => self.output_line_left(),
            },
        }
    }

    /// A line that begins with a known prompt, at which the cursor never waited: it had been typed before.
    fn typed_ahead(&mut self, micros: u64) -> bool {
        if self.editors || (self.keys.seen() && !self.keys.entered()) {
            return false;
        }
        let Some(mut shot) = self.shot_of_left() else { return false };
        let Some(line) = shot.last().filter(|_| !shot.below) else { return false };
        let known = self.prompts.iter().filter(|prompt| line.text.starts_with(prompt.as_str()));
        let Some(prompt) = known.min_by_key(|prompt| prompt.len()).cloned() else { return false };
        if line.text.trim_end().len() <= prompt.len() {
            return false;
        }
        let waiting = Waiting::new(line.row, Prompt { text: prompt, right: String::new() }, false, micros);
        shot.lines.drain(..shot.lines.len() - 1);
        self.waiting_entered(micros, waiting, shot);
        true
    }

    /// Keeps the first line of a command's output: a shell shows there what it made of `!!`.
    fn output_line_left(&mut self) {
        if let Some(entry) = self.entries.last()
            && entry.ended.is_none()
            && entry.after.is_empty()
            && resolve::expands(entry)
            && let Some(shot) = self.shot()
            && let Some(line) = shot.last().filter(|line| line.row >= self.floor)
            && let Some(entry) = self.entries.last_mut()
        {
            entry.after = line.text.trim_end().to_owned();
        }
    }

    fn waiting_line_left(&mut self, micros: u64, mut waiting: Waiting) {
        let Some(shot) = self.shot_of_left() else { return };
        let columns = self.emulator.terminal().size().0;
        let at_edge = self.column.is_some_and(|column| column + 1 >= columns);
        if at_edge && waiting.broken.len() < BROKEN {
            waiting.broken.push(shot.row);
        }
        let abandoned = || shot.around_cursor().is_some_and(|(before, _)| before.ends_with("^C"));
        if !shot.below && self.keys.interrupted() && abandoned() {
            // The next prompt is another line, however soon a key follows it.
            return;
        }
        if shot.below || (self.keys.seen() && !self.keys.entered()) {
            // A line editor goes to the last row first, or shows completions, or a look at a result, below its line.
            self.state = State::Output(Some(waiting));
            return;
        }
        let before = if waiting.goes_on { None } else { waiting.full.take() };
        if let Some(before) = before {
            // Nothing was typed in this row: the full one above it was the last.
            self.waiting_entered(micros, waiting, before);
            return self.output_line_left();
        }
        let Some(whole) = waiting.whole(shot) else { return self.output_line_left() };
        if at_edge && !self.keys.seen() {
            // BusyBox breaks a long line itself, or this was its end: the next row tells.
            (waiting.full, waiting.goes_on) = (Some(whole), false);
            self.state = State::Output(Some(waiting));
            return;
        }
        self.waiting_entered(micros, waiting, whole);
    }

    fn waiting_entered(&mut self, micros: u64, waiting: Waiting, shot: Shot) {
        let Waiting { prompt, sure, ready, .. } = waiting;
        if let Some(entry) = self.entries.last_mut() {
            entry.ended.get_or_insert(ready);
        }
        if sure && self.prompts.len() < PROMPTS && prompt::is_classic(&prompt.text) {
            self.prompts.insert(prompt.text.clone());
        }
        let done = Editing {
            evidence: Evidence::Prompt,
            ready,
            prompt: Some(prompt),
            sure,
            readline: false,
            behind: false,
            done: None,
        };
        self.push(micros, done, shot);
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
        let mut kept = 0;
        let enough = shot.lines.iter().rposition(|line| {
            kept += line.text.len();
            kept > TEXT_BYTES
        });
        shot.lines.drain(..enough.map_or(0, |at| (at + 1).min(shot.lines.len().saturating_sub(1))));
        if let Some(last) = shot.lines.last_mut() {
            last.text.truncate(last.text.floor_char_boundary(TEXT_BYTES));
            shot.cursor = shot.cursor.min(last.text.len());
        }
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
        if self.entries.len() < ENTRIES {
            self.entries.push(entry);
        }
    }

    /// Time passed since the last event, until a key (`key`) or output came: did the cursor wait?
    fn passed(&mut self, micros: u64, key: bool) {
        self.emulator.wake();
        let pause = micros.saturating_sub(self.last_micros);
        let since = self.last_micros;
        self.last_micros = since.max(micros);
        if !self.unseen || !(key || pause >= PAUSE_MICROS) {
            return;
        }
        if pause < PAUSE_MICROS && matches!(self.state, State::Output(Some(_))) {
            // A key that came while the answer to the one before was still on its way.
            return;
        }
        self.unseen = false;
        let waits = key || pause >= WAIT_MICROS;
        match &self.state {
            State::Editing(editing) if editing.sure || editing.done.is_some() => {}
            State::Editing(_) => self.editor_waits(waits),
            State::Output(_) => self.cursor_waits(since, waits),
        }
    }

    fn editor_waits(&mut self, waits: bool) {
        let Some(prompt) = self.shot().as_ref().and_then(prompt_of) else { return };
        if let State::Editing(editing) = &mut self.state
            && (waits || editing.prompt.is_none())
        {
            editing.prompt = Some(prompt);
            editing.sure = waits;
        }
    }

    fn cursor_waits(&mut self, since: u64, waits: bool) {
        let shot = self.shot();
        let State::Output(waiting) = &mut self.state else { return };
        let mut before = waiting.take();
        let Some(shot) = shot else { return };
        let Some(line) = shot.last() else { return };
        if let Some(mut before) = before.take_if(|before| before.full.is_some()) {
            if line.row > before.row && !line.text.starts_with(&before.prompt.text) {
                before.goes_on = true;
                *waiting = Some(before);
                return;
            }
            if let Some(full) = before.full.take() {
                self.waiting_entered(since, before, full);
            }
            return self.cursor_waits(since, waits);
        }
        // The cursor is in a further row of the same line.
        let further = |before: &mut Waiting| {
            !before.broken.is_empty() && before.row < line.row && before.whole(shot.clone()).is_some()
        };
        if let Some(before) = before.take_if(further) {
            *waiting = Some(before);
            return;
        }
        let Some(prompt) = prompt_of(&shot) else { return };
        if self.entries.last().is_some_and(|entry| is_back(entry, line)) {
            self.entries.pop();
            self.told = self.told.min(self.entries.len());
        }
        *waiting = Some(match before {
            Some(before)
                if before.row == line.row && (before.sure || !waits) && line.text.starts_with(&before.prompt.text) =>
            {
                before
            }
            _ => {
                if waits && prompt::ends_like_one(&prompt.text) {
                    self.keys.waits();
                }
                Waiting::new(line.row, prompt, waits, since)
            }
        });
    }
}

/// Whether the cursor waits on a line again that seemed to be entered: something was only shown below it.
fn is_back(entry: &Entry, line: &Logical) -> bool {
    let prompt = entry.prompt.as_ref().map_or("", |prompt| prompt.text.as_str());
    let same = entry.lines.first().is_some_and(|first| first.row == line.row);
    entry.evidence == Evidence::Prompt && same && line.text.starts_with(prompt)
}

/// What stands before and behind the cursor, where something stands before it.
fn prompt_of(shot: &Shot) -> Option<Prompt> {
    let (before, right) = shot.around_cursor()?;
    let shown = !before.trim().is_empty() && before.len() <= prompt::LONGEST;
    shown.then(|| Prompt { text: before.to_owned(), right: right.to_owned() })
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

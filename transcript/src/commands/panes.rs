//! Lines entered in panes of tmux, which has the alternate screen.
//!
//! tmux draws what changed in a pane in any order, and what one pane's shell printed is mixed with others' and with
//! status lines. So it is not read as it comes: whenever output paused, or a key came, the pane with the cursor is looked
//! at, and compared with what it showed before. The rows above the line that is edited tell how far it was scrolled; the
//! cursor below that line tells that it was entered, with Enter where there are keys.
//!
//! ```text
//!                     prompt, nothing below              cursor below it, or all is gone
//!   Running ──────────────────────────────▶ line edited ────────────────────────────────▶ Entry, Running
//!      ▲                                        │ other pane, window, size; copy mode's end
//!      └────────────────────────────────────────┘
//! ```
//!
//! Entries go to the same list as those of the outer shell, with [`Evidence::Prompt`]: signs of line editors are not
//! looked at here, because tmux merges them, and vim has them as well.

mod edited_line;
mod entered;
mod layout;
mod line_outcome;
mod pane_keys;
mod pane_view;
mod tmux_command;

use avt::{ScreenKind, Terminal};

use super::{
    Commands, PAUSE_MICROS, WAIT_MICROS,
    entry::{Entry, Prompt, resolve},
    screen::scanner::Stop,
};
use layout::{Layout, Pane};
use pane_keys::Typing;
use pane_view::View;

/// Cells that may be looked at for a microsecond of the session, and how many at once at most: an ordinary screen is
/// looked at whenever it is of use; the largest, of 1000x300, 33 times a second. Looks beyond are left out. A cell takes
/// about 3 ns, where all rows are full and alike 13 ns, so that is 13 % of the time that goes by at most.
const CELLS_PER_MICRO: u64 = 10;
const CELLS: u64 = 4_000_000;
/// Rows of panes have numbers of their own, which no row of the screen below has.
const FIRST_ROW: u64 = 1 << 40;

/// Panes of tmux.
#[derive(Debug)]
pub(super) struct Panes {
    /// The alternate screen is tmux'.
    active: bool,
    /// The entry that started it.
    pub(super) started: Option<usize>,
    typing: Typing,
    layout: Layout,
    /// The cursor is not in a pane's own text: keys are tmux'.
    away: bool,
    pane: Option<Pane>,
    view: Option<View>,
    /// The number of the pane's first row.
    first_row: u64,
    /// The row behind the last entry.
    floor: u64,
    line: Option<Line>,
    /// A command was entered in this pane, and its end was not seen.
    running: bool,
    /// What stood there may have been a full-screen program since.
    full_screen: bool,
    /// Prompts behind which lines were entered.
    known: Vec<String>,
    /// Bracketed paste is on, as line editors have it: tmux hands on what the pane with the cursor wants.
    edits: bool,
    /// The first output since the last look.
    printed: Option<u64>,
    /// Cells that may be looked at, and when that was known.
    cells: (u64, u64),
    #[cfg(test)]
    pub(super) looks: u64,
}

/// A line that is edited.
#[derive(Debug)]
struct Line {
    /// Its first row, counted as entries' are.
    row: u64,
    prompt: Prompt,
    ready: u64,
    sure: bool,
    /// A line editor was at work.
    edited: bool,
    /// Rows of it in which the cursor was.
    reach: usize,
}

/// When a look is taken.
#[derive(Clone, Copy)]
struct Moment {
    /// The first and the last output since the one before.
    first: u64,
    last: u64,
    /// The cursor waits for a person.
    waits: bool,
    /// It is in the middle of output: no line begins here.
    hasty: bool,
}

/// What a look finds.
enum Found {
    Entered(Entry),
    /// It has printed something by then.
    Printed {
        first: u64,
        last: u64,
        line: String,
    },
    /// The command that was entered last has ended.
    Ended(u64),
}

impl Commands {
    /// Time passed since the last event, until a key or output came: what do panes show?
    pub(super) fn look_at_panes(&mut self, micros: u64, key: bool) {
        let pause = micros.saturating_sub(self.last_micros);
        if !self.unseen_in_panes || !(key || pause >= PAUSE_MICROS) || !self.is_tmux() {
            return;
        }
        let Some(panes) = &mut self.panes else { return };
        if pause < PAUSE_MICROS && panes.line.is_some() {
            // A key that came while the answer to the one before was still on its way.
            return;
        }
        self.unseen_in_panes = false;
        if !self.emulator.terminal().cursor().visible {
            // tmux hides the cursor while it draws, and where there is none: in lists of windows and buffers.
            return;
        }
        self.look(self.last_micros, Some(key || pause >= WAIT_MICROS));
    }

    /// Looks; `waits`: the cursor waits for a person, none: this is in the middle of output.
    fn look(&mut self, micros: u64, waits: Option<bool>) {
        let mut found = Vec::new();
        if self.is_tmux()
            && let Some(panes) = &mut self.panes
        {
            panes.edits = self.pasting;
            panes.look(self.emulator.terminal(), micros, waits, &mut |one| found.push(one));
        }
        self.take_found(found);
    }

    /// A line editor is done with a line, or tmux is about to draw something else: both may come in one go with what
    /// follows, where the machine is slow.
    pub(super) fn look_before(&mut self, micros: u64, stop: Stop) {
        let telling = matches!(stop, Stop::PasteOff | Stop::CursorOff);
        if telling && self.panes.as_ref().is_some_and(|panes| panes.awaits_answer()) {
            self.printed_in_panes(micros);
            self.look(micros, None);
        }
        match stop {
            Stop::PasteOn => self.pasting = true,
            Stop::PasteOff => self.pasting = false,
            _ => {}
        }
    }

    /// Whether the alternate screen is tmux'.
    fn is_tmux(&mut self) -> bool {
        let terminal = self.emulator.terminal();
        if terminal.active_screen_kind() == ScreenKind::Primary {
            self.leave_panes(self.last_micros);
            return false;
        }
        if self.panes.as_ref().is_some_and(|panes| panes.active) {
            return true;
        }
        let started = *self.full_screen.get_or_insert_with(|| {
            let last = self.entries.len().saturating_sub(1);
            let from = last.saturating_sub(super::LEARNED);
            let open = self.entries.last().is_some_and(|entry| entry.ended.is_none());
            open && resolve::lines(&self.entries[from..], last - from)
                .last()
                .is_some_and(|(_, line)| tmux_command::is_tmux(line))
        });
        if !started && !layout::has_status(terminal) {
            return false;
        }
        let started = self.entries.len().checked_sub(1);
        self.panes.get_or_insert_default().begin(started, self.keys.seen());
        true
    }

    /// Output came; the screen may have been left with it.
    pub(super) fn printed_in_panes(&mut self, micros: u64) {
        if self.emulator.terminal().active_screen_kind() == ScreenKind::Primary {
            self.leave_panes(micros);
            return;
        }
        self.unseen_in_panes = true;
        if let Some(panes) = &mut self.panes {
            panes.printed.get_or_insert(micros);
            panes.typing.printed();
        }
    }

    /// Keys came.
    pub(super) fn typed_in_panes(&mut self, bytes: &[u8]) {
        if let Some(panes) = self.panes.as_mut().filter(|panes| panes.active && !panes.away) {
            panes.typing.feed(bytes);
        }
    }

    /// tmux has given the screen back.
    pub(super) fn leave_panes(&mut self, micros: u64) {
        (self.full_screen, self.unseen_in_panes) = (None, false);
        let Some(panes) = self.panes.as_mut().filter(|panes| panes.active) else { return };
        let mut found = Vec::new();
        panes.leave(micros, &mut |one| found.push(one));
        found.push(Found::Ended(micros));
        let started = panes.started;
        self.take_found(found);
        if let Some(entry) = started.and_then(|at| self.entries.get_mut(at)) {
            entry.last_output = Some(micros);
        }
    }

    /// The command that started tmux has ended.
    pub(super) fn tmux_ended(&mut self, micros: u64) {
        if self.panes.is_some() && self.emulator.terminal().active_screen_kind() == ScreenKind::Primary {
            self.leave_panes(micros);
        }
        if let Some(at) = self.panes.as_mut().filter(|panes| !panes.active).and_then(|panes| panes.started.take())
            && let Some(entry) = self.entries.get_mut(at)
        {
            entry.ended.get_or_insert(micros);
        }
    }

    fn take_found(&mut self, found: Vec<Found>) {
        for one in found {
            match one {
                Found::Entered(entry) => self.add(entry),
                Found::Printed { first, last, line } => {
                    if let Some(entry) = self.last_in_panes() {
                        (entry.first_output, entry.last_output) = (Some(first), Some(last));
                        if resolve::expands(entry) {
                            entry.after = line;
                        }
                    }
                }
                Found::Ended(micros) => {
                    if let Some(entry) = self.last_in_panes() {
                        entry.ended.get_or_insert(micros);
                    }
                }
            }
        }
    }

    fn last_in_panes(&mut self) -> Option<&mut Entry> {
        let started = self.panes.as_ref().and_then(|panes| panes.started);
        let last = self.entries.len().checked_sub(1).filter(|last| Some(*last) != started)?;
        self.entries.get_mut(last)
    }
}

impl Default for Panes {
    fn default() -> Self {
        Self {
            active: false,
            started: None,
            typing: Typing::default(),
            layout: Layout::default(),
            away: false,
            pane: None,
            view: None,
            first_row: FIRST_ROW,
            floor: 0,
            line: None,
            running: false,
            full_screen: false,
            known: Vec::new(),
            edits: false,
            printed: None,
            cells: (CELLS, 0),
            #[cfg(test)]
            looks: 0,
        }
    }
}

impl Panes {
    fn begin(&mut self, started: Option<usize>, keys: bool) {
        let (first_row, cells, known) = (self.first_row, self.cells, std::mem::take(&mut self.known));
        *self = Self { active: true, started, first_row, cells, known, typing: Typing::new(keys), ..Self::default() };
        self.anew();
    }

    /// The screen is not known any more.
    pub(super) fn skipped(&mut self) {
        self.anew();
        (self.pane, self.view) = (None, None);
        self.typing.waits();
    }

    /// Looks at the pane with the cursor.
    fn look(&mut self, terminal: &Terminal, last: u64, waits: Option<bool>, found: &mut dyn FnMut(Found)) {
        if !self.has_room(terminal, last) {
            return;
        }
        #[cfg(test)]
        (self.looks += 1);
        let pane = self.layout.pane(terminal);
        self.away = pane.is_none();
        let Some(pane) = pane else { return };
        let now = Moment {
            first: self.printed.take().unwrap_or(last),
            last,
            waits: waits == Some(true),
            hasty: waits.is_none(),
        };
        let mut view = View::take(terminal, &pane);
        let same_pane = self.pane.as_ref() == Some(&pane);
        if !same_pane {
            let before = self.view.take();
            self.gone(before.as_ref(), now, found);
            self.line.iter_mut().for_each(|line| line.ready = last);
        }
        self.pane = Some(pane);
        let right = self.line.as_ref().map_or("", |line| line.prompt.right.as_str());
        view.beside(right);
        if let Some(before) = &mut self.view {
            before.beside(right);
        }
        match self.view.take() {
            Some(before) if before == view => self.unchanged(&view, now, found),
            Some(before) => self.compare(&before, &view, now, found),
            None => self.look_elsewhere(&view, now, found),
        }
        self.view = Some(view);
    }

    fn leave(&mut self, micros: u64, found: &mut dyn FnMut(Found)) {
        let before = self.view.take();
        let now = Moment { first: self.printed.take().unwrap_or(micros), last: micros, waits: false, hasty: false };
        self.gone(before.as_ref(), now, found);
        self.anew();
        (self.active, self.pane) = (false, None);
    }

    /// Enter was pressed in a line of bash, whose end may be on the screen for a moment only. fish may still show its line
    /// again.
    fn awaits_answer(&self) -> bool {
        let line = self.line.as_ref().filter(|_| self.active && self.typing.entered());
        line.is_some_and(|line| self.is_readline(&line.prompt.text))
    }

    fn has_room(&mut self, terminal: &Terminal, now: u64) -> bool {
        let (columns, rows) = terminal.size();
        let cells = (columns * rows) as u64;
        let (left, since) = self.cells;
        let room = left.saturating_add(now.saturating_sub(since).saturating_mul(CELLS_PER_MICRO)).min(CELLS);
        self.cells = (room.saturating_sub(cells), now.max(since));
        cells <= room
    }
}

//! Lines entered in panes of tmux, which uses the alternate screen.
//!
//! tmux draws the changes of a pane in any order, mixed with those of other panes and with status lines. So the output
//! is not read as it comes: whenever it pauses or a key comes, the pane with the cursor is viewed and compared with its
//! earlier view. The rows above the edited line tell how far the pane scrolled; the cursor below that line tells that
//! the line was entered, together with Enter if keys are recorded.
//!
//! ```text
//!                     prompt, nothing below              cursor below it, or all is gone
//!   Running ──────────────────────────────▶ line edited ────────────────────────────────▶ Entry, Running
//!      ▲                                        │ other pane, window, size; copy mode's end
//!      └────────────────────────────────────────┘
//! ```
//!
//! Entries join those of the outer shell, with [`Evidence::Prompt`]: the signals of line editors do not count here,
//! because tmux merges those of its panes, and vim sends them as well.

mod edited_line;
mod entered;
mod layout;
mod line_outcome;
mod pane_keys;
mod pane_view;
mod tmux_command;

use avt::{ScreenKind, Terminal};
use recording::Micros;

use super::{
    Commands, PAUSE, WAIT,
    entry::{Entry, Prompt, resolve},
    screen::scanner::OutputSignal,
};
use layout::{Layout, Pane};
use pane_keys::PaneKeys;
use pane_view::PaneView;

/// Cells that may be viewed per microsecond of the session, and the most that may be saved up. An ordinary screen can
/// be viewed whenever it is of use; the largest, of 1000x300, 33 times a second. Views beyond are skipped. A cell takes
/// about 3 ns, and 13 ns if all rows are full and alike, so this costs at most 13 % of the time.
const CELLS_PER_MICRO: u64 = 10;
const CELLS: u64 = 4_000_000;
/// The rows of panes are counted from here, so that they differ from those of the ordinary screen.
const FIRST_ROW: u64 = 1 << 40;

/// What is known of the panes of tmux.
#[derive(Debug)]
pub(super) struct Panes {
    /// The alternate screen belongs to tmux.
    active: bool,
    /// The entry that started it.
    pub(super) started: Option<usize>,
    keys: PaneKeys,
    layout: Layout,
    /// The cursor is outside of a pane's own text: keys go to tmux.
    outside_pane: bool,
    pane: Option<Pane>,
    view: Option<PaneView>,
    /// The number of the pane's first row.
    first_row: u64,
    /// The row below the last entry.
    floor: u64,
    line: Option<EditedLine>,
    /// A command was entered in this pane, and its end was not seen yet.
    running: bool,
    /// The pane may show a full-screen program.
    full_screen: bool,
    /// Prompts behind which lines were entered.
    known: Vec<String>,
    /// Bracketed paste is on: tmux passes on what the pane with the cursor wants, and line editors want it.
    edits: bool,
    /// Time of the first output since the last view.
    printed: Option<Micros>,
    /// Cells that may be viewed, and the time at which that was computed.
    cells: (u64, Micros),
    #[cfg(test)]
    pub(super) looks: u64,
}

/// A line that is being edited.
#[derive(Debug)]
struct EditedLine {
    /// Its first row, counted as those of entries.
    row: u64,
    prompt: Prompt,
    ready: Micros,
    sure: bool,
    /// A line editor was at work.
    edited: bool,
    /// How many of its rows the cursor was in.
    reach: usize,
}

/// The circumstances of a view.
#[derive(Clone, Copy)]
struct LookTime {
    /// Times of the first and the last output since the view before.
    first: Micros,
    last: Micros,
    /// The cursor waits for a person.
    waits: bool,
    /// Output is in progress: no line begins here.
    mid_output: bool,
}

/// What a view shows to have happened.
enum PaneEvent {
    Entered(Entry),
    /// The command that was entered last has printed something.
    Printed {
        first: Micros,
        last: Micros,
        line: String,
    },
    /// The command that was entered last has ended, at this time.
    Ended(Micros),
}

impl Commands {
    /// Time passed since the last event, until a key (`key`) or output came: views the pane.
    pub(super) fn look_at_panes(&mut self, time: Micros, key: bool) {
        let pause = time.since(self.last_event);
        if !self.unseen_in_panes || !(key || pause >= PAUSE) || !self.is_tmux() {
            return;
        }
        let Some(panes) = &mut self.panes else { return };
        if pause < PAUSE && panes.line.is_some() {
            // This key came before the answer to the previous one.
            return;
        }
        self.unseen_in_panes = false;
        if !self.emulator.terminal().cursor().visible {
            // tmux hides the cursor while it draws, and in its lists of windows and buffers.
            return;
        }
        self.look(self.last_event, Some(key || pause >= WAIT));
    }

    /// Views the pane. `waits`: whether the cursor waits for a person; `None` while output is in progress.
    fn look(&mut self, time: Micros, waits: Option<bool>) {
        let mut events = Vec::new();
        if self.is_tmux()
            && let Some(panes) = &mut self.panes
        {
            panes.edits = self.pasting;
            panes.look(self.emulator.terminal(), time, waits, &mut |event| events.push(event));
        }
        self.take_events(events);
    }

    /// A line editor is done with a line, or tmux is about to draw something else. On a slow machine both come together
    /// with what follows, so the pane is viewed now.
    pub(super) fn look_before(&mut self, time: Micros, signal: OutputSignal) {
        let telling = matches!(signal, OutputSignal::PasteOff | OutputSignal::CursorOff);
        if telling && self.panes.as_ref().is_some_and(|panes| panes.awaits_answer()) {
            self.printed_in_panes(time);
            self.look(time, None);
        }
        match signal {
            OutputSignal::PasteOn => self.pasting = true,
            OutputSignal::PasteOff => self.pasting = false,
            _ => {}
        }
    }

    /// Whether the alternate screen belongs to tmux.
    fn is_tmux(&mut self) -> bool {
        let terminal = self.emulator.terminal();
        if terminal.active_screen_kind() == ScreenKind::Primary {
            self.leave_panes(self.last_event);
            return false;
        }
        if self.panes.as_ref().is_some_and(|panes| panes.active) {
            return true;
        }
        let started = *self.full_screen.get_or_insert_with(|| {
            let last = self.entries.len().saturating_sub(1);
            let from = last.saturating_sub(super::PROMPT_CONTEXT);
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

    /// Output came, and may have left the alternate screen.
    pub(super) fn printed_in_panes(&mut self, time: Micros) {
        if self.emulator.terminal().active_screen_kind() == ScreenKind::Primary {
            self.leave_panes(time);
            return;
        }
        self.unseen_in_panes = true;
        if let Some(panes) = &mut self.panes {
            panes.printed.get_or_insert(time);
            panes.keys.printed();
        }
    }

    /// Keys came.
    pub(super) fn typed_in_panes(&mut self, bytes: &[u8]) {
        if let Some(panes) = self.panes.as_mut().filter(|panes| panes.active && !panes.outside_pane) {
            panes.keys.feed(bytes);
        }
    }

    /// tmux has left the alternate screen.
    pub(super) fn leave_panes(&mut self, time: Micros) {
        (self.full_screen, self.unseen_in_panes) = (None, false);
        let Some(panes) = self.panes.as_mut().filter(|panes| panes.active) else { return };
        let mut events = Vec::new();
        panes.leave(time, &mut |event| events.push(event));
        events.push(PaneEvent::Ended(time));
        let started = panes.started;
        self.take_events(events);
        if let Some(entry) = started.and_then(|at| self.entries.get_mut(at)) {
            entry.last_output = Some(time);
        }
    }

    /// The command that started tmux has ended.
    pub(super) fn tmux_ended(&mut self, time: Micros) {
        if self.panes.is_some() && self.emulator.terminal().active_screen_kind() == ScreenKind::Primary {
            self.leave_panes(time);
        }
        if let Some(at) = self.panes.as_mut().filter(|panes| !panes.active).and_then(|panes| panes.started.take())
            && let Some(entry) = self.entries.get_mut(at)
        {
            entry.ended.get_or_insert(time);
        }
    }

    fn take_events(&mut self, events: Vec<PaneEvent>) {
        for event in events {
            match event {
                PaneEvent::Entered(entry) => self.add(entry),
                PaneEvent::Printed { first, last, line } => {
                    if let Some(entry) = self.last_in_panes() {
                        (entry.first_output, entry.last_output) = (Some(first), Some(last));
                        if resolve::expands(entry) {
                            entry.after = line;
                        }
                    }
                }
                PaneEvent::Ended(time) => {
                    if let Some(entry) = self.last_in_panes() {
                        entry.ended.get_or_insert(time);
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
            keys: PaneKeys::default(),
            layout: Layout::default(),
            outside_pane: false,
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
            cells: (CELLS, Micros::ZERO),
            #[cfg(test)]
            looks: 0,
        }
    }
}

impl Panes {
    fn begin(&mut self, started: Option<usize>, keys: bool) {
        let (first_row, cells, known) = (self.first_row, self.cells, std::mem::take(&mut self.known));
        *self = Self { active: true, started, first_row, cells, known, keys: PaneKeys::new(keys), ..Self::default() };
        self.reset();
    }

    /// Output was left out: the screen is unknown.
    pub(super) fn skipped(&mut self) {
        self.reset();
        (self.pane, self.view) = (None, None);
        self.keys.waits();
    }

    /// Views the pane with the cursor.
    fn look(&mut self, terminal: &Terminal, last: Micros, waits: Option<bool>, emit: &mut dyn FnMut(PaneEvent)) {
        if !self.has_room(terminal, last) {
            return;
        }
        #[cfg(test)]
        (self.looks += 1);
        let pane = self.layout.pane(terminal);
        self.outside_pane = pane.is_none();
        let Some(pane) = pane else { return };
        let now = LookTime {
            first: self.printed.take().unwrap_or(last),
            last,
            waits: waits == Some(true),
            mid_output: waits.is_none(),
        };
        let mut view = PaneView::take(terminal, &pane);
        let same_pane = self.pane.as_ref() == Some(&pane);
        if !same_pane {
            let before = self.view.take();
            self.gone(before.as_ref(), now, emit);
            self.line.iter_mut().for_each(|line| line.ready = last);
        }
        self.pane = Some(pane);
        let right = self.line.as_ref().map_or("", |line| line.prompt.right.as_str());
        view.beside(right);
        if let Some(before) = &mut self.view {
            before.beside(right);
        }
        match self.view.take() {
            Some(before) if before == view => self.unchanged(&view, now, emit),
            Some(before) => self.compare(&before, &view, now, emit),
            None => self.start_over(&view, now, emit),
        }
        self.view = Some(view);
    }

    fn leave(&mut self, time: Micros, emit: &mut dyn FnMut(PaneEvent)) {
        let before = self.view.take();
        let now = LookTime { first: self.printed.take().unwrap_or(time), last: time, waits: false, mid_output: false };
        self.gone(before.as_ref(), now, emit);
        self.reset();
        (self.active, self.pane) = (false, None);
    }

    /// Whether Enter was pressed in a line of bash. The result may be on the screen for a moment only. (fish may still
    /// show its line again.)
    fn awaits_answer(&self) -> bool {
        let line = self.line.as_ref().filter(|_| self.active && self.keys.entered());
        line.is_some_and(|line| self.is_readline(&line.prompt.text))
    }

    fn has_room(&mut self, terminal: &Terminal, now: Micros) -> bool {
        let (columns, rows) = terminal.size();
        let cells = (columns * rows) as u64;
        let (left, since) = self.cells;
        let passed = now.get().saturating_sub(since.get());
        let room = left.saturating_add(passed.saturating_mul(CELLS_PER_MICRO)).min(CELLS);
        self.cells = (room.saturating_sub(cells), now.max(since));
        cells <= room
    }
}

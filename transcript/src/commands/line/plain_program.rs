//! Programs without a line editor's signals: the cursor waits on a line, then the line is left.

use recording::{Evidence, Micros};

use super::{
    super::{
        Commands, EditState, Editing, EvictionCounter, MAX_PROMPTS, PAUSE, WAIT,
        entry::{Entry, Prompt},
        prompt,
        screen::capture::{LogicalLine, ScreenCapture},
    },
    waiting_line::WaitingLine,
};

impl Commands {
    /// Time passed since the last event, until a key (`key`) or output came: checks whether the cursor waited.
    pub(in crate::commands) fn passed(&mut self, time: Micros, key: bool) {
        self.emulator.wake();
        self.look_at_panes(time, key);
        let pause = time.since(self.last_event);
        let since = self.last_event;
        self.last_event = since.max(time);
        // If the cursor waits, the prompt has been printed.
        self.beside &= !key && pause < WAIT;
        self.drawn &= !key && (self.keys.seen() || pause < PAUSE);
        if !self.unseen || !(key || pause >= PAUSE) {
            return;
        }
        if pause < PAUSE && matches!(self.state, EditState::Output(Some(_))) {
            // This key came before the answer to the previous one.
            return;
        }
        self.unseen = false;
        let waits = key || pause >= WAIT;
        match &self.state {
            EditState::Editing(editing) if editing.sure || editing.done.is_some() => {}
            EditState::Editing(_) => self.editor_waits(waits),
            EditState::Output(_) => self.cursor_waits(since, waits),
        }
    }

    fn editor_waits(&mut self, waits: bool) {
        let Some(prompt) = self.capture().as_ref().and_then(prompt_of) else { return };
        if let EditState::Editing(editing) = &mut self.state
            && (waits || editing.prompt.is_none())
        {
            editing.prompt = Some(prompt);
            editing.sure = waits;
        }
    }

    fn cursor_waits(&mut self, since: Micros, waits: bool) {
        if self.leaving {
            return;
        }
        let capture = self.capture();
        let EditState::Output(waiting) = &mut self.state else { return };
        let mut before = waiting.take();
        let Some(capture) = capture else { return };
        if let Some(before) = before.take_if(|before| before.has(&capture)) {
            self.state = EditState::Output(Some(before));
            return;
        }
        if let Some(mut before) = before.take_if(|before| before.full.is_some()) {
            if let Some(full) = before.full.take() {
                self.waiting_entered(since, before, full);
            }
            return self.cursor_waits(since, waits);
        }
        let (Some(line), Some(mut prompt)) = (capture.last(), prompt_of(&capture)) else { return };
        if let Some(before) = self.resized.take().filter(|before| prompt.text.starts_with(&before.text)) {
            prompt = before;
        }
        let same = |before: &mut WaitingLine| {
            before.row == line.row && (before.sure || !waits) && line.text.starts_with(&before.prompt.text)
        };
        let before = self.taken_back(line).or(before).take_if(same);
        if before.is_none() && waits && prompt::ends_like_one(&prompt.text) {
            self.keys.waits();
        }
        let waiting = before.unwrap_or_else(|| WaitingLine::new(line.row, prompt, waits, since));
        self.state = EditState::Output(Some(waiting));
    }

    /// The cursor leaves a line on which it was not seen to wait.
    pub(in crate::commands) fn unseen_line_left(&mut self, time: Micros) {
        if let Some(waiting) = self.typed_on() {
            self.waiting_line_left(time, waiting);
        } else if !self.typed_ahead(time) {
            self.output_line_left();
        }
    }

    /// Takes the last entry back if it only seemed to be entered and was typed on, faster than a pause is noticed.
    fn typed_on(&mut self) -> Option<WaitingLine> {
        if self.keys.seen() || self.row() >= self.floor {
            return None;
        }
        let capture = self.capture_of_left_line()?;
        let (line, before) = (capture.last()?, self.entries.last()?.lines.first()?);
        if line.text.starts_with(before.text.trim_end()) { self.taken_back(line) } else { None }
    }

    /// Takes the last entry back if the cursor is on its line again: something was only shown below it.
    fn taken_back(&mut self, line: &LogicalLine) -> Option<WaitingLine> {
        let is_back = |entry: &mut Entry| {
            let prompt = entry.prompt.as_ref().map_or("", |prompt| prompt.text.as_str());
            let typed = line.text.strip_prefix(prompt).is_some_and(|text| !text.trim().is_empty());
            // After the screen was cleared, the next prompt may stand in the same row.
            typed
                && entry.evidence == Evidence::Prompt
                && entry.lines.first().is_some_and(|first| first.row == line.row)
        };
        let Entry { prompt, sure, ready, floor, .. } = self.entries.pop_if(is_back)?;
        self.reported = self.reported.min(self.entries.len());
        self.floor = floor;
        Some(WaitingLine::new(line.row, prompt?, sure, ready))
    }

    /// Takes a line that begins with a known prompt although the cursor never waited there: it was typed ahead. Returns
    /// whether it did.
    fn typed_ahead(&mut self, time: Micros) -> bool {
        if self.editors || (self.keys.seen() && !self.keys.entered()) {
            return false;
        }
        let Some(capture) = self.capture_of_left_line() else { return false };
        let Some(line) = capture.last().filter(|_| !capture.below) else { return false };
        // A prompt behind output without a line end counts only if Enter was pressed and it is longer than `$ `: any
        // output may contain that.
        let behind = |prompt: &String| {
            let telling = self.keys.seen() && prompt.trim_end().chars().count() > 2;
            let at = if telling { line.text.find(prompt.as_str()) } else { None };
            at.or_else(|| line.text.starts_with(prompt.as_str()).then_some(0)).map(|at| at..at + prompt.len())
        };
        let known = self.prompts.iter().filter_map(behind);
        let Some(place) = known.min_by_key(|place| (place.start, place.end)) else { return false };
        if line.text.trim_end().len() <= place.end {
            return false;
        }
        let prompt = Prompt { text: line.text[..place.end].to_owned(), right: String::new() };
        let waiting = WaitingLine::new(line.row, prompt, false, time);
        self.waiting_line_left(time, waiting);
        true
    }

    pub(in crate::commands) fn waiting_line_left(&mut self, time: Micros, mut waiting: WaitingLine) {
        let Some(capture) = self.capture_of_left_line() else { return };
        let rows = capture.last().map_or(0, |line| line.rows.len());
        // BusyBox prints CR LF where it breaks a line, and LF for Enter; the terminal puts a CR before either LF.
        // redis-cli's editor, which has that switched off, prints LF. Both do it right behind what they print. node's
        // Enter has another CR.
        let broken = self.drawn && (self.recent.ends_with("\r\r") || !self.recent.ends_with('\r'));
        let at_edge = self.is_at_edge(0, 0) || (broken && self.is_at_edge(rows, waiting.beside(&self.prompts)));
        let by_itself = at_edge && broken;
        // A line editor that draws the rows below again may come from anywhere in a full row.
        let redrawn = self.keys.seen() && !self.keys.entered() && capture.last().is_some_and(|line| line.full);
        if at_edge || redrawn {
            waiting.is_broken_in(&capture);
        }
        let abandoned = || capture.around_cursor().is_some_and(|(before, _)| before.ends_with("^C"));
        if !capture.below && self.keys.interrupted() && abandoned() {
            // The next prompt is another line, however soon a key follows it.
            return;
        }
        let more = !by_itself && waiting.has_further(capture.row) && self.shown_below();
        if capture.below || more || (self.keys.seen() && (by_itself || !self.keys.entered())) {
            // A line editor moves to the last row first, or shows completions or a preview below its line.
            waiting.left = Some(capture.row).filter(|_| !capture.below && !at_edge && !more && !redrawn);
            self.state = EditState::Output(Some(waiting));
            return;
        }
        if let Some(before) = waiting.full_at_last(by_itself) {
            // Nothing was typed in this row: the full row above it was the last.
            self.waiting_entered(time, waiting, before);
            return self.output_line_left();
        }
        let Some(whole) = waiting.whole(capture) else { return self.output_line_left() };
        if by_itself && !self.keys.seen() {
            // Either BusyBox broke a long line, or the line was entered: the next row tells.
            waiting.full = Some(whole);
            self.state = EditState::Output(Some(waiting));
            return;
        }
        self.waiting_entered(time, waiting, whole);
    }

    /// Whether a line editor considers its row to be full. `rows`: how many rows of the line are above it; `beside`:
    /// the column at which the line begins on the screen.
    fn is_at_edge(&self, rows: usize, beside: usize) -> bool {
        let columns = self.emulator.terminal().size().0;
        let Some(column) = self.column else { return false };
        if beside == 0 {
            return column + 1 >= columns;
        }
        (rows * columns + column).checked_sub(beside).is_some_and(|length| length > 0 && length.is_multiple_of(columns))
    }

    /// Enter was pressed after BusyBox had moved to the next row: it moves no further, and output begins there.
    pub(in crate::commands) fn entered_at_edge(&mut self, time: Micros) {
        let EditState::Output(Some(waiting)) = &self.state else { return };
        if !waiting.is_broken() || !self.keys.entered_alone() {
            return;
        }
        let Some(capture) = self.capture().and_then(ScreenCapture::without_empty_row) else { return };
        let Some(whole) = waiting.ending_with(capture) else { return };
        if let EditState::Output(Some(waiting)) = std::mem::replace(&mut self.state, EditState::Output(None)) {
            self.line_begins();
            self.waiting_entered(time, waiting, whole);
        }
    }

    /// Whether the row below the cursor has text.
    fn shown_below(&self) -> bool {
        let terminal = self.emulator.terminal();
        let below = terminal.screen().visible_lines().nth(terminal.cursor().row + 1);
        below.is_some_and(|row| row.cells().iter().any(|cell| cell.char() != ' '))
    }

    /// Feeds text to the emulator. While the cursor waits, backspaces have the meaning of the terminal's own line
    /// editing: it erases a line over several rows with BS, blank, BS, although BS stays in its row.
    pub(in crate::commands) fn feed(&mut self, text: &str) {
        if !matches!(self.state, EditState::Output(Some(_))) {
            self.emulator.feed(text, EvictionCounter(&mut self.evicted));
            return;
        }
        for part in text.split_inclusive('\x08') {
            let shown = part.trim_end_matches('\x08');
            self.emulator.feed(shown, EvictionCounter(&mut self.evicted));
            if shown.len() < part.len() {
                self.go_back();
            }
        }
    }

    fn go_back(&mut self) {
        let terminal = self.emulator.terminal();
        let (columns, cursor) = (terminal.size().0, terminal.cursor());
        let above = cursor.row.checked_sub(1).and_then(|row| terminal.screen().visible_lines().nth(row));
        let back = match cursor.col {
            0 if above.is_some_and(avt::Line::is_wrapped) => format!("\x1b[A\x1b[{columns}G\x1b[K"),
            column if column >= columns => format!("\x1b[{columns}G"),
            _ => "\x08".to_owned(),
        };
        self.emulator.feed(&back, EvictionCounter(&mut self.evicted));
    }

    fn waiting_entered(&mut self, time: Micros, waiting: WaitingLine, capture: ScreenCapture) {
        let WaitingLine { prompt, sure, ready, .. } = waiting;
        self.tmux_ended(ready);
        if let Some(entry) = self.entries.last_mut() {
            entry.ended.get_or_insert(ready);
        }
        if sure && self.prompts.len() < MAX_PROMPTS && prompt::is_classic(&prompt.text) {
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
        self.push(time, done, capture);
    }
}

/// What stands before the cursor, with what stands at the right edge. `None` if nothing stands before it.
pub(in crate::commands) fn prompt_of(capture: &ScreenCapture) -> Option<Prompt> {
    let (before, right) = capture.around_cursor()?;
    let shown = !before.trim().is_empty() && before.len() <= prompt::LONGEST;
    shown.then(|| Prompt { text: before.to_owned(), right: right.to_owned() })
}

//! Programs without a sign for it: the cursor waits on a line, and the line is entered.

use storage::Evidence;

use super::{
    BROKEN, Commands, Editing, PAUSE_MICROS, PROMPTS, State, WAIT_MICROS,
    entry::{Entry, Prompt},
    prompt,
    shot::{Logical, Shot},
};

/// A line on which the cursor waited, of a program without a sign for it.
pub(super) struct Waiting {
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

impl Commands {
    /// Time passed since the last event, until a key (`key`) or output came: did the cursor wait?
    pub(super) fn passed(&mut self, micros: u64, key: bool) {
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

    /// A line that begins with a known prompt, at which the cursor never waited: it had been typed before.
    pub(super) fn typed_ahead(&mut self, micros: u64) -> bool {
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

    pub(super) fn waiting_line_left(&mut self, micros: u64, mut waiting: Waiting) {
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
}

/// Whether the cursor waits on a line again that seemed to be entered: something was only shown below it.
fn is_back(entry: &Entry, line: &Logical) -> bool {
    let prompt = entry.prompt.as_ref().map_or("", |prompt| prompt.text.as_str());
    let same = entry.lines.first().is_some_and(|first| first.row == line.row);
    entry.evidence == Evidence::Prompt && same && line.text.starts_with(prompt)
}

/// What stands before and behind the cursor, where something stands before it.
pub(super) fn prompt_of(shot: &Shot) -> Option<Prompt> {
    let (before, right) = shot.around_cursor()?;
    let shown = !before.trim().is_empty() && before.len() <= prompt::LONGEST;
    shown.then(|| Prompt { text: before.to_owned(), right: right.to_owned() })
}

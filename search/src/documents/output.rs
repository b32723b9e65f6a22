//! The output of a recording as documents.
//!
//! A document is a passage: some lines that followed each other within half a minute. That keeps documents few, and a
//! hit in its context; each line keeps its own time.

use std::sync::Arc;

use recording::cast::{Code, Event, events};
use transcript::{Bounds, Line, Lines, Stream};

use crate::{
    documents::mask::{Keys, Masks, goes_on, may_go_on},
    documents::origin::Origin,
    documents::rate_limiter::{Course, Flow},
    documents::{Output, Stage, Stored},
};

/// Lines of a passage.
const LINES: usize = 24;
/// Bytes of a passage, about. One line can be longer.
const BYTES: usize = 2048;
/// Microseconds from its first line to its last.
const SPAN: u64 = 30_000_000;
/// Lines of a passage that is not cut before a line that goes on the one before.
const MOST_LINES: usize = 64;

/// Microseconds for which a line that may go on is not told of a live recording.
const HELD_BACK: u64 = 1_000_000;

/// Bytes of a line; longer ones are several.
pub(crate) const LINE_BYTES: usize = 4096;
/// What is made of a flood: longer lines are several, and of more lines a last one says how many were left out.
const BOUNDS: Bounds = Bounds { line_bytes: LINE_BYTES, per_second: 50_000, lines: 1_000_000 };

/// What a live session's output says of a flood, which is not read twice.
const LATER: &str = "more output came at once: it can be searched when the session is over";

/// Reads the output of one recording, chunk after chunk.
pub(crate) struct Reading {
    lines: Lines,
    passages: Passages,
    tty: bool,
    /// Of a recording that goes on: its floods are left for its end, when all of it is read again.
    flow: Option<Flow>,
    /// The terminal's last size.
    size: Option<Event>,
}

impl Reading {
    /// From the start. What is found is marked with the stage.
    pub(crate) fn new(of: Origin, stage: Stage, masks: Arc<Masks>) -> Self {
        let (tty, flow) = (of.tty, (stage == Stage::Live).then(Flow::default));
        let passages = Passages::new(of, stage, masks);
        Self { lines: Lines::new(tty, BOUNDS), passages, tty, flow, size: None }
    }

    /// Takes the lines of a chunk; gives the passages that are complete. Damaged lines are passed over.
    pub(crate) fn chunk(&mut self, chunk: &[u8]) -> Vec<Stored> {
        for event in events(chunk).filter_map(Result::ok) {
            match self.flow.as_mut().map_or(Course::Within, |flow| flow.event(&event)) {
                Course::Within => {}
                Course::Flood if event.code == Code::Resize => {}
                Course::Flood => continue,
                Course::Floods => {
                    self.break_off(event.micros);
                    continue;
                }
                Course::Calm => {
                    if let Some(size) = self.size.take() {
                        self.event(&size);
                    }
                }
            }
            self.event(&event);
        }
        self.passages.take()
    }

    fn event(&mut self, event: &Event) {
        let passages = &mut self.passages;
        self.lines.event(event, &mut |line| passages.line(line));
        if self.flow.is_some() && event.code == Code::Resize {
            self.size = Some(event.clone());
        }
    }

    /// Leaves the screen: what comes behind the flood begins on an empty one. Lines that may go on are not told, as half of a
    /// secret does not look like one.
    fn break_off(&mut self, micros: u64) {
        self.lines = Lines::new(self.tty, BOUNDS);
        self.passages.give_up_unfinished();
        self.passages.line(Line { micros, stream: Stream::LeftOut, text: LATER.to_owned() });
    }

    /// Nothing more came until `micros` after the start, and the recording goes on: gives the passages that became
    /// complete, and the one that may still grow. Passages are cut, and masked, just as they are at the end.
    pub(crate) fn pause(&mut self, micros: u64) -> OutputLine {
        let passages = &mut self.passages;
        self.lines.passed(micros, &mut |line| passages.line(line));
        OutputLine { whole: passages.take(), growing: passages.growing(micros) }
    }

    /// The recording is over.
    pub(crate) fn finish(mut self) -> Vec<Stored> {
        let passages = &mut self.passages;
        self.lines.finish(&mut |line| passages.line(line));
        passages.close();
        passages.take()
    }
}

/// New output of a session that goes on.
#[derive(Debug, Default)]
pub(crate) struct OutputLine {
    /// Passages that are complete.
    pub(crate) whole: Vec<Stored>,
    /// What the last passage is now; the outer none where it is as it was.
    pub(crate) growing: Option<Option<Stored>>,
}

impl OutputLine {
    /// How many documents it adds.
    pub(crate) fn documents(&self) -> usize {
        self.whole.len() + usize::from(self.growing.is_some())
    }
}

/// Collects lines to passages.
struct Passages {
    of: Origin,
    stage: Stage,
    masks: Arc<Masks>,
    keys: Keys,
    number: u32,
    open: Vec<(u64, String)>,
    bytes: usize,
    found: Vec<Stored>,
    /// Passages that were closed.
    closed: u64,
    /// What of the open passage was told as growing: passages before it, and how many lines of it.
    told: (u64, usize),
}

impl Passages {
    fn new(of: Origin, stage: Stage, masks: Arc<Masks>) -> Self {
        let (open, found) = (Vec::new(), Vec::new());
        Self { of, stage, masks, keys: Keys::default(), number: 0, open, bytes: 0, found, closed: 0, told: (0, 0) }
    }

    fn line(&mut self, line: Line) {
        let mut text = line.text;
        self.keys.mask(&mut text);
        if self.is_full(line.micros, &text) {
            self.close();
        }
        self.bytes += text.len();
        self.open.push((line.micros, text));
    }

    /// Whether the next line begins a passage.
    fn is_full(&self, micros: u64, next: &str) -> bool {
        let (Some((began, _)), Some((_, last))) = (self.open.first(), self.open.last()) else { return false };
        if self.open.len() < MOST_LINES && goes_on(last, next) {
            return false;
        }
        self.open.len() >= LINES || self.bytes + next.len() > BYTES || micros.saturating_sub(*began) > SPAN
    }

    fn close(&mut self) {
        self.bytes = 0;
        self.closed += 1;
        let lines = std::mem::take(&mut self.open);
        if let Some(passage) = self.passage(lines, self.stage) {
            self.found.push(passage);
            self.number = self.number.saturating_add(1);
        }
    }

    /// Lines as a document, without secrets; none where nothing is left.
    fn passage(&self, mut lines: Vec<(u64, String)>, stage: Stage) -> Option<Stored> {
        self.masks.mask_lines(lines.iter_mut().map(|(_, line)| line));
        lines.retain(|(_, line)| !line.trim().is_empty());
        let (of, number) = (self.of.clone(), self.number);
        (!lines.is_empty()).then_some(Stored::Output(Output { of, number, stage, lines }))
    }

    /// The lines of the passage that is not full; none where they are as they were told last. Lines at its end that may
    /// go on in one that did not come yet are left out for a while: half of a secret does not look like one.
    fn growing(&mut self, micros: u64) -> Option<Option<Stored>> {
        let fresh = |(at, line): &&(u64, String)| may_go_on(line) && micros.saturating_sub(*at) < HELD_BACK;
        let held_back = self.open.iter().rev().take_while(fresh).count();
        let lines = self.open.len() - held_back;
        let now = (self.closed, lines);
        if std::mem::replace(&mut self.told, now) == now {
            return None;
        }
        Some(self.passage(self.open[..lines].to_vec(), Stage::Growing))
    }

    fn give_up_unfinished(&mut self) {
        while let Some((_, line)) = self.open.pop_if(|(_, line)| may_go_on(line)) {
            self.bytes -= line.len();
        }
    }

    fn take(&mut self) -> Vec<Stored> {
        std::mem::take(&mut self.found)
    }
}

/// Passages of lines that followed each other, and no more.
pub(crate) fn passages(
    of: &Origin,
    number: &mut u32,
    lines: impl Iterator<Item = Line>,
    masks: &Arc<Masks>,
) -> Vec<Stored> {
    let mut passages = Passages::new(of.clone(), Stage::Over, Arc::clone(masks));
    passages.number = *number;
    lines.for_each(|line| passages.line(line));
    passages.close();
    *number = passages.number;
    passages.take()
}

//! The output of a recording as documents.
//!
//! A document is a passage: some lines that followed each other within half a minute. That keeps documents few, and a
//! hit in its context; each line keeps its own time.

use std::sync::Arc;

use storage::cast::events;
use transcript::{Bounds, Line, Lines};

use crate::{
    document::{Output, Stored},
    mask::{Keys, Masks, goes_on},
    origin::Origin,
};

/// Lines of a passage.
const LINES: usize = 24;
/// Bytes of a passage, about. One line can be longer.
const BYTES: usize = 2048;
/// Microseconds from its first line to its last.
const SPAN: u64 = 30_000_000;
/// Lines of a passage that is not cut before a line that goes on the one before.
const MOST_LINES: usize = 64;

/// What is made of a flood: longer lines are several, and of more lines a last one says how many were left out.
const BOUNDS: Bounds = Bounds { line_bytes: 4096, per_second: 50_000, lines: 1_000_000 };

/// Reads the output of one recording, chunk after chunk.
pub(crate) struct Reading {
    lines: Lines,
    passages: Passages,
}

impl Reading {
    /// From the start. `live`: what is found is marked as such, since the end reads it again.
    pub(crate) fn new(of: Origin, live: bool, masks: Arc<Masks>) -> Self {
        Self { lines: Lines::new(of.tty, BOUNDS), passages: Passages::new(of, live, masks) }
    }

    /// Takes the lines of a chunk; gives the passages that are complete. Damaged lines are passed over.
    pub(crate) fn chunk(&mut self, chunk: &[u8]) -> Vec<Stored> {
        let passages = &mut self.passages;
        for event in events(chunk).filter_map(Result::ok) {
            self.lines.event(&event, &mut |line| passages.line(line));
        }
        passages.take()
    }

    /// Nothing more came until `micros` after the start: gives what stands there. For live recordings.
    pub(crate) fn pause(&mut self, micros: u64) -> Vec<Stored> {
        let passages = &mut self.passages;
        self.lines.passed(micros, &mut |line| passages.line(line));
        passages.close();
        passages.take()
    }

    /// The recording is over.
    pub(crate) fn finish(mut self) -> Vec<Stored> {
        let passages = &mut self.passages;
        self.lines.finish(&mut |line| passages.line(line));
        passages.close();
        passages.take()
    }
}

/// Collects lines to passages.
struct Passages {
    of: Origin,
    live: bool,
    masks: Arc<Masks>,
    keys: Keys,
    number: u32,
    open: Vec<(u64, String)>,
    bytes: usize,
    found: Vec<Stored>,
}

impl Passages {
    fn new(of: Origin, live: bool, masks: Arc<Masks>) -> Self {
        Self { of, live, masks, keys: Keys::default(), number: 0, open: Vec::new(), bytes: 0, found: Vec::new() }
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
        let mut lines = std::mem::take(&mut self.open);
        self.masks.mask_lines(lines.iter_mut().map(|(_, line)| line));
        lines.retain(|(_, line)| !line.trim().is_empty());
        if lines.is_empty() {
            return;
        }
        self.found.push(Stored::Output(Output { of: self.of.clone(), number: self.number, live: self.live, lines }));
        self.number = self.number.saturating_add(1);
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
    let mut passages = Passages::new(of.clone(), false, Arc::clone(masks));
    passages.number = *number;
    lines.for_each(|line| passages.line(line));
    passages.close();
    *number = passages.number;
    passages.take()
}

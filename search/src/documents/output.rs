//! The output of a recording as documents.
//!
//! A document is a passage: lines that followed each other within half a minute. That keeps documents few and a hit in its
//! context; each line keeps its own time.

use std::{sync::Arc, time::Duration};

use recording::{
    Micros,
    cast::{Code, Event, events},
};
use transcript::{Bounds, Line, Lines, Stream};

use super::{
    Document,
    mask::{Masks, PrivateKeyMasker, goes_on, may_go_on},
    passage::{LINE_BYTES, OutputPassage, OutputStage},
    rate_limiter::{OutputRateLimiter, RateDecision},
    session::SessionContext,
};

/// Most lines of a passage.
const MAX_LINES: usize = 24;
/// Most bytes of a passage, unless its only line has more.
const MAX_BYTES: usize = 2048;
/// Longest time from a passage's first line to its last.
const MAX_DURATION: Duration = Duration::from_secs(30);
/// Most lines of a passage whose last line may go on in the next: it is not cut there.
const MAX_WRAPPED_LINES: usize = 64;

/// How long the last line of a live recording is held back if it may go on in the next.
const HELD_BACK: Duration = Duration::from_secs(1);

/// How much output is indexed: a longer line becomes several, and a last line says how many others were left out.
const BOUNDS: Bounds = Bounds { line_bytes: LINE_BYTES, per_second: 50_000, lines: 1_000_000 };

/// The line that stands for a live session's output beyond the rate limit.
const INDEXED_LATER: &str = "more output came at once: it can be searched when the session is over";

/// Makes passages from the output of one recording, chunk after chunk.
pub(crate) struct OutputExtractor {
    lines: Lines,
    passages: PassageBuilder,
    tty: bool,
    /// `Some` for a live recording: output beyond the limit is indexed at its end, when all of it is read again.
    limiter: Option<OutputRateLimiter>,
    /// The last resize of a live recording's terminal.
    size: Option<Event>,
}

impl OutputExtractor {
    /// Begins at the recording's start.
    pub(crate) fn new(session: SessionContext, stage: OutputStage, masks: Arc<Masks>) -> Self {
        let (tty, limiter) = (session.tty, (stage == OutputStage::Live).then(OutputRateLimiter::default));
        let passages = PassageBuilder::new(session, stage, masks);
        Self { lines: Lines::new(tty, BOUNDS), passages, tty, limiter, size: None }
    }

    /// Reads the lines of the next chunk, and returns the passages that are complete. Damaged lines are skipped.
    pub(crate) fn read_chunk(&mut self, chunk: &[u8]) -> Vec<Document> {
        for event in events(chunk).filter_map(Result::ok) {
            match self.limiter.as_mut().map_or(RateDecision::Accept, |limiter| limiter.decide(&event)) {
                RateDecision::Accept => {}
                RateDecision::Skip if event.code == Code::Resize => {}
                RateDecision::Skip => continue,
                RateDecision::LimitReached => {
                    self.break_off(event.time);
                    continue;
                }
                RateDecision::Resume => {
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
        self.lines.event(event, &mut |line| passages.add(line));
        if self.limiter.is_some() && event.code == Code::Resize {
            self.size = Some(event.clone());
        }
    }

    /// Leaves the screen: output after the limit begins on an empty one. Last lines that may go on are dropped, as half of a
    /// secret does not look like one.
    fn break_off(&mut self, time: Micros) {
        self.lines = Lines::new(self.tty, BOUNDS);
        self.passages.drop_unfinished();
        self.passages.add(Line { time, stream: Stream::LeftOut, text: INDEXED_LATER.to_owned() });
    }

    /// Takes note that nothing more came until `now`, and returns the passages that are complete now and the one that
    /// may grow. Passages are cut and masked just as they are at the end.
    pub(crate) fn pause(&mut self, now: Micros) -> OutputUpdate {
        let passages = &mut self.passages;
        self.lines.passed(now, &mut |line| passages.add(line));
        OutputUpdate { complete: passages.take(), growing: passages.growing(now) }
    }

    /// Takes note that the recording is over, and returns the last passages.
    pub(crate) fn finish(mut self) -> Vec<Document> {
        let passages = &mut self.passages;
        self.lines.finish(&mut |line| passages.add(line));
        passages.close();
        passages.take()
    }
}

/// New output of a live session.
#[derive(Debug, Default)]
pub(crate) struct OutputUpdate {
    /// Passages that are complete.
    pub(crate) complete: Vec<Document>,
    /// The passage that may grow: `None` if it is as it was, `Some(None)` if there is none now.
    pub(crate) growing: Option<Option<Document>>,
}

/// Collects lines into passages.
struct PassageBuilder {
    session: SessionContext,
    stage: OutputStage,
    masks: Arc<Masks>,
    private_keys: PrivateKeyMasker,
    /// Number of the next passage.
    number: u32,
    /// Lines of the passage that is not complete.
    open: Vec<(Micros, String)>,
    /// Bytes of `open`.
    bytes: usize,
    /// Passages that are complete and were not taken yet.
    complete: Vec<Document>,
    /// Passages that were closed.
    closed: u64,
    /// The state in which the open passage was last returned as growing: `closed`, and lines of it.
    reported: (u64, usize),
}

impl PassageBuilder {
    fn new(session: SessionContext, stage: OutputStage, masks: Arc<Masks>) -> Self {
        Self {
            session,
            stage,
            masks,
            private_keys: PrivateKeyMasker::default(),
            number: 0,
            open: Vec::new(),
            bytes: 0,
            complete: Vec::new(),
            closed: 0,
            reported: (0, 0),
        }
    }

    fn add(&mut self, line: Line) {
        let mut text = line.text;
        self.private_keys.mask(&mut text);
        if self.is_full(line.time, &text) {
            self.close();
        }
        self.bytes += text.len();
        self.open.push((line.time, text));
    }

    /// Whether the next line begins another passage.
    fn is_full(&self, time: Micros, next: &str) -> bool {
        let (Some((began, _)), Some((_, last))) = (self.open.first(), self.open.last()) else { return false };
        if self.open.len() < MAX_WRAPPED_LINES && goes_on(last, next) {
            return false;
        }
        self.open.len() >= MAX_LINES || self.bytes + next.len() > MAX_BYTES || time.since(*began) > MAX_DURATION
    }

    fn close(&mut self) {
        self.bytes = 0;
        self.closed += 1;
        let lines = std::mem::take(&mut self.open);
        if let Some(passage) = self.passage(lines, self.stage) {
            self.complete.push(passage);
            self.number = self.number.saturating_add(1);
        }
    }

    /// The passage of some lines, masked; `None` if all are blank.
    fn passage(&self, mut lines: Vec<(Micros, String)>, stage: OutputStage) -> Option<Document> {
        self.masks.mask_lines(lines.iter_mut().map(|(_, line)| line));
        lines.retain(|(_, line)| !line.trim().is_empty());
        let (session, number) = (self.session.clone(), self.number);
        (!lines.is_empty()).then_some(Document::Output(OutputPassage { session, number, stage, lines }))
    }

    /// The open passage; `None` if it did not change since it was returned last. Lines at its end that may go on in one
    /// that did not come yet are left out for [`HELD_BACK`]: half of a secret does not look like one.
    fn growing(&mut self, now: Micros) -> Option<Option<Document>> {
        let fresh = |(at, line): &&(Micros, String)| may_go_on(line) && now.since(*at) < HELD_BACK;
        let held_back = self.open.iter().rev().take_while(fresh).count();
        let lines = self.open.len() - held_back;
        let state = (self.closed, lines);
        if std::mem::replace(&mut self.reported, state) == state {
            return None;
        }
        Some(self.passage(self.open[..lines].to_vec(), OutputStage::Growing))
    }

    fn drop_unfinished(&mut self) {
        while let Some((_, line)) = self.open.pop_if(|(_, line)| may_go_on(line)) {
            self.bytes -= line.len();
        }
    }

    fn take(&mut self) -> Vec<Document> {
        std::mem::take(&mut self.complete)
    }
}

/// The passages of lines that followed each other, numbered from `number` on.
pub(crate) fn passages(
    session: &SessionContext,
    number: &mut u32,
    lines: impl Iterator<Item = Line>,
    masks: &Arc<Masks>,
) -> Vec<Document> {
    let mut passages = PassageBuilder::new(session.clone(), OutputStage::Final, Arc::clone(masks));
    passages.number = *number;
    lines.for_each(|line| passages.add(line));
    passages.close();
    *number = passages.number;
    passages.take()
}

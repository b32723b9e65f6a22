use std::{collections::VecDeque, time::Duration};

use avt::Terminal;
use recording::RecordingId;
use storage::{RecordingReader, recordings::Chunks};

use crate::{
    PlayerError, off,
    projector::{Place, ProjectedEvent, Projector, placed},
    segments::{Screen, TerminalSize},
    timeline::{Mark, Next, draw, next},
};

/// How fast to play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// 1.0 is as it happened.
    pub speed: f64,
    /// Pauses of the recording are cut to this.
    pub idle_limit: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { speed: 1.0, idle_limit: None }
    }
}

impl Pace {
    /// How long to wait between two moments of a recording, in microseconds each. A speed that is no number, or not
    /// above zero, counts as 1.
    pub fn wait(self, from: u64, to: u64) -> Duration {
        let happened = Duration::from_micros(to.saturating_sub(from));
        let cut = self.idle_limit.map_or(happened, |limit| happened.min(limit));
        let speed = if self.speed.is_finite() && self.speed > 0.0 { self.speed } else { 1.0 };
        Duration::try_from_secs_f64(cut.as_secs_f64() / speed).unwrap_or(cut)
    }
}

/// Something to do for a terminal that plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Print this.
    Output(String),
    /// The recorded terminal has this size from here on.
    Resize(TerminalSize),
    /// A command was entered.
    Marker(String),
}

/// A step and its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Microseconds since the recording's start.
    pub micros: u64,
    /// What to do.
    pub step: Step,
}

/// A recording that plays from a moment on: first draw [`Self::opening`], then do the steps.
#[derive(Debug)]
pub struct Playback {
    reel: EventCursor,
    opening: Screen,
    start: u64,
}

impl Playback {
    /// Draws what `terminal` does not show yet, up to and with `micros`.
    pub(crate) async fn open(mut reel: EventCursor, mut terminal: Terminal, micros: u64) -> Result<Self, PlayerError> {
        let mut reached = false;
        while !reached && reel.fill().await? {
            let mut frames = std::mem::take(&mut reel.ready);
            (terminal, frames) = off(move || {
                while let Some((_, shown)) = frames.pop_front_if(|(at, _)| *at <= micros) {
                    draw(&mut terminal, &shown);
                }
                (terminal, frames)
            })
            .await?;
            reached = !frames.is_empty();
            reel.ready = frames;
        }
        Ok(Self { reel, opening: Screen::of(&terminal), start: micros })
    }

    /// The screen at the moment that playback starts from.
    pub fn opening(&self) -> &Screen {
        &self.opening
    }

    /// The moment that playback starts from, in microseconds.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next step; none at the end of what was stored when playback began.
    ///
    /// # Errors
    /// The store's.
    pub async fn next(&mut self) -> Result<Option<Timed>, PlayerError> {
        Ok(self.reel.next().await?.map(|(micros, shown)| {
            let step = match shown {
                ProjectedEvent::Output(text) => Step::Output(text),
                ProjectedEvent::Resize(size) => Step::Resize(size),
                ProjectedEvent::Marker(label) => Step::Marker(label),
            };
            Timed { micros, step }
        }))
    }
}

/// What is shown from a mark on, one event after the other; a chunk of it in memory.
#[derive(Debug)]
pub(crate) struct EventCursor {
    chunks: Chunks,
    projector: Projector,
    from: Place,
    ready: VecDeque<(u64, ProjectedEvent)>,
}

impl EventCursor {
    pub(crate) async fn open(recordings: &RecordingReader, id: RecordingId, mark: &Mark) -> Result<Self, PlayerError> {
        let chunks = recordings.chunks_after(id, mark.place.chunk.saturating_sub(1)).await?;
        let (projector, from) = (mark.projector.clone(), mark.place);
        Ok(Self { chunks, projector, from, ready: VecDeque::new() })
    }

    /// Time and picture of the next event that shows anything.
    pub(crate) async fn next(&mut self) -> Result<Option<(u64, ProjectedEvent)>, PlayerError> {
        while self.ready.is_empty() {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Reads one chunk more; false at the end.
    async fn fill(&mut self) -> Result<bool, PlayerError> {
        let shown = match next(&mut self.chunks).await? {
            Next::End => return Ok(false),
            Next::Lines(number, lines) => {
                self.fill_from(number, &lines);
                return Ok(true);
            }
            Next::Gap(from, to) => self.projector.gap(from, to),
            Next::Unreadable(number) => self.projector.unreadable(number),
        };
        self.ready.push_back((self.projector.now(), shown));
        Ok(true)
    }

    fn fill_from(&mut self, number: u32, lines: &[u8]) {
        let from = if number == self.from.chunk { self.from.event } else { 0 };
        for (_, event) in placed(number, lines, from) {
            if let Some(shown) = self.projector.project(&event) {
                self.ready.push_back((self.projector.now(), shown));
            }
        }
    }
}

use std::{collections::VecDeque, time::Duration};

use avt::Terminal;
use recording::{Micros, RecordingId};
use storage::{RecordingReader, recordings::Chunks};

use crate::{
    PlayerError,
    blocking::blocking,
    chunk_read::{ChunkRead, read_chunk},
    projector::{EventPosition, ProjectedEvent, Projector, positioned_events},
    screen::{Screen, draw},
    terminal_size::TerminalSize,
    timeline::SegmentStart,
};

/// How fast to play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaybackSpeed {
    /// 1.0 is as it happened.
    pub factor: f64,
    /// Pauses of the recording are cut to this.
    pub idle_limit: Option<Duration>,
}

impl Default for PlaybackSpeed {
    fn default() -> Self {
        Self { factor: 1.0, idle_limit: None }
    }
}

impl PlaybackSpeed {
    /// How long to wait between two times of a recording. A factor that is not a number above zero counts as 1.
    pub fn delay(self, from: Micros, to: Micros) -> Duration {
        let recorded = to.since(from);
        let cut = self.idle_limit.map_or(recorded, |limit| recorded.min(limit));
        let factor = if self.factor.is_finite() && self.factor > 0.0 { self.factor } else { 1.0 };
        Duration::try_from_secs_f64(cut.as_secs_f64() / factor).unwrap_or(cut)
    }
}

/// What a terminal that plays a recording has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaybackEvent {
    /// Print this.
    Output(String),
    /// Take this size: the recorded terminal has it from here on.
    Resize(TerminalSize),
    /// Nothing; a command with this label was entered.
    Marker(String),
}

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedEvent {
    /// When it happens.
    pub time: Micros,
    /// What to do then.
    pub event: PlaybackEvent,
}

/// A recording that plays from some time on: first draw [`Self::opening`], then what [`Self::next`] returns.
#[derive(Debug)]
pub struct Playback {
    cursor: EventCursor,
    opening: Screen,
    start: Micros,
}

impl Playback {
    /// Feeds `terminal` with the events up to and including `time`.
    pub(crate) async fn open(
        mut cursor: EventCursor,
        mut terminal: Terminal,
        time: Micros,
    ) -> Result<Self, PlayerError> {
        let mut reached = false;
        while !reached && cursor.fill().await? {
            let mut events = std::mem::take(&mut cursor.ready);
            (terminal, events) = blocking(move || {
                while let Some((_, event)) = events.pop_front_if(|(at, _)| *at <= time) {
                    draw(&mut terminal, &event);
                }
                (terminal, events)
            })
            .await?;
            reached = !events.is_empty();
            cursor.ready = events;
        }
        Ok(Self { cursor, opening: Screen::of(&terminal), start: time })
    }

    /// The screen at the time playback starts from.
    pub fn opening(&self) -> &Screen {
        &self.opening
    }

    /// The time playback starts from.
    pub fn start(&self) -> Micros {
        self.start
    }

    /// The next event, or `None` at the end of what was stored when playback began.
    ///
    /// # Errors
    /// [`PlayerError::Recording`] if the store fails.
    ///
    /// # Cancel safety
    /// Not cancel safe: a chunk that was being read when the future is dropped may be skipped.
    pub async fn next(&mut self) -> Result<Option<TimedEvent>, PlayerError> {
        Ok(self.cursor.next().await?.map(|(time, event)| {
            let event = match event {
                ProjectedEvent::Output(text) => PlaybackEvent::Output(text),
                ProjectedEvent::Resize(size) => PlaybackEvent::Resize(size),
                ProjectedEvent::Marker(label) => PlaybackEvent::Marker(label),
            };
            TimedEvent { time, event }
        }))
    }
}

/// Reads a recording's visible events from a segment's start on, with one chunk in memory.
#[derive(Debug)]
pub(crate) struct EventCursor {
    chunks: Chunks,
    projector: Projector,
    from: EventPosition,
    ready: VecDeque<(Micros, ProjectedEvent)>,
}

impl EventCursor {
    pub(crate) async fn open(
        recordings: &RecordingReader,
        id: RecordingId,
        start: &SegmentStart,
    ) -> Result<Self, PlayerError> {
        let chunks = recordings.chunks_after(id, start.position.chunk.saturating_sub(1)).await?;
        Ok(Self { chunks, projector: start.projector.clone(), from: start.position, ready: VecDeque::new() })
    }

    /// The next event a viewer sees, with its time. `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<(Micros, ProjectedEvent)>, PlayerError> {
        while self.ready.is_empty() {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Reads one more chunk. Returns false at the end.
    async fn fill(&mut self) -> Result<bool, PlayerError> {
        let notice = match read_chunk(&mut self.chunks).await? {
            ChunkRead::End => return Ok(false),
            ChunkRead::Lines(number, lines) => {
                self.fill_from(number, &lines);
                return Ok(true);
            }
            ChunkRead::Gap(from, to) => self.projector.gap(from, to),
            ChunkRead::Unreadable(number) => self.projector.unreadable(number),
        };
        self.ready.push_back((self.projector.now(), notice));
        Ok(true)
    }

    fn fill_from(&mut self, number: u32, lines: &[u8]) {
        let from = if number == self.from.chunk { self.from.event } else { 0 };
        for (_, event) in positioned_events(number, lines, from) {
            if let Some(shown) = self.projector.project(&event) {
                self.ready.push_back((self.projector.now(), shown));
            }
        }
    }
}

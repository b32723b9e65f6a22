use std::{sync::Arc, time::Duration};

use avt::Terminal;
use recording::cast::Header;
use serde::{Deserialize, Serialize};
use storage::{
    RecordingError,
    recordings::{Chunks, Piece},
};

use crate::{
    PlayerError, PlayerSettings,
    activity::Activity,
    off,
    projector::{Place, ProjectedEvent, Projector, label, placed},
    segments::{SegmentSnapshot, TerminalSize},
};

/// After so many segments the next ones may be twice as long, so that the index of any recording stays small.
const DOUBLE_EVERY: usize = 256;

/// The doublings end here: a segment is sent as a whole.
const DOUBLINGS: usize = 6;

/// Markers beyond this many are left out of the index.
pub(crate) const MARKERS: usize = 10_000;

/// Where a segment starts, with all that is needed to play from there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) start: u64,
    pub(crate) place: Place,
    pub(crate) projector: Projector,
    pub(crate) snapshot: Arc<SegmentSnapshot>,
    /// Markers before it.
    markers: usize,
}

/// How a recording is cut into segments, as far as it was stored when it was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) term: TerminalSize,
    pub(crate) marks: Vec<Mark>,
    pub(crate) markers: Vec<(u64, String)>,
    /// What was printed when, up to the last mark.
    activity: Activity,
    /// The same, up to the end.
    pub(crate) shown: Activity,
    /// Microseconds of the end.
    pub(crate) end: u64,
    /// The newest chunk that was read.
    pub(crate) chunk: u32,
    /// The manifest was seen and all that it lists was read: nothing will come any more.
    pub(crate) complete: bool,
}

impl Timeline {
    /// Of a recording of which nothing was read yet.
    pub(crate) fn new(header: &Header) -> Self {
        let term = starting_size(header);
        let snapshot = SegmentSnapshot { cols: term.cols, rows: term.rows, init: String::new() };
        let first = Mark {
            start: 0,
            place: Place { chunk: 1, event: 0 },
            projector: Projector::new(header),
            snapshot: Arc::new(snapshot),
            markers: 0,
        };
        let command = label(&header.command);
        let markers = if command.is_empty() { Vec::new() } else { vec![(0, command)] };
        Self {
            term,
            marks: vec![Mark { markers: markers.len(), ..first }],
            markers,
            activity: Activity::default(),
            shown: Activity::default(),
            end: 0,
            chunk: 0,
            complete: false,
        }
    }

    /// The marker at the very start, which no event has.
    pub(crate) fn argv_marker(&self) -> Option<&str> {
        let first = self.marks.first().map_or(0, |mark| mark.markers);
        self.markers.first().filter(|_| first > 0).map(|(_, label)| label.as_str())
    }

    /// The segment that a moment lies in.
    pub(crate) fn segment_at(&self, micros: u64) -> usize {
        self.marks.partition_point(|mark| mark.start <= micros).saturating_sub(1)
    }

    /// The moment that the last event of the index must have. The player wants every segment to start before it.
    pub(crate) fn duration(&self) -> u64 {
        let last = self.marks.last().map_or(0, |mark| mark.start);
        if last == 0 { self.end } else { self.end.max(last + 1) }
    }

    /// The first size that is announced comes moments after the start and before any output: playback starts with it.
    fn start_with(&mut self, size: TerminalSize) {
        self.term = size;
        let snapshot = SegmentSnapshot { cols: size.cols, rows: size.rows, init: String::new() };
        if let [first] = self.marks.as_mut_slice() {
            first.snapshot = Arc::new(snapshot);
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let marks: usize = self.marks.iter().map(|mark| mark.snapshot.init.len() + 256).sum();
        marks + self.markers.iter().map(|(_, label)| label.len() + 32).sum::<usize>()
    }

    /// Reads on. `chunks` starts with the chunk that the last mark is in: what comes after that mark is gone through
    /// again, so that no terminal has to be kept between two calls.
    pub(crate) async fn extend(mut self, mut chunks: Chunks, settings: &PlayerSettings) -> Result<Self, PlayerError> {
        let ended = chunks.manifest().map(|manifest| manifest.duration_micros);
        let Some(mut cutter) = Cutter::resume(&mut self, settings) else { return Ok(self) };
        let mut timeline = self;
        loop {
            match next(&mut chunks).await? {
                Next::End => break,
                Next::Lines(number, lines) => {
                    (timeline, cutter) = off(move || {
                        cutter.chunk(&mut timeline, number, &lines);
                        (timeline, cutter)
                    })
                    .await?;
                }
                Next::Gap(from, to) => cutter.gap(from, to),
                Next::Unreadable(number) => cutter.unreadable(number),
            }
        }
        timeline.end = cutter.projector.now().max(ended.unwrap_or(0)).max(timeline.end);
        cutter.activity.silence(timeline.end);
        timeline.shown = cutter.activity;
        timeline.complete = ended.is_some();
        Ok(timeline)
    }
}

/// A piece of a recording, with damage as a value.
pub(crate) enum Next {
    Lines(u32, Vec<u8>),
    Gap(u32, u32),
    Unreadable(u32),
    End,
}

/// The next piece. What is damaged is shown as that and does not keep the rest from being seen; a store that fails
/// is an error.
pub(crate) async fn next(chunks: &mut Chunks) -> Result<Next, PlayerError> {
    match chunks.next().await {
        Ok(None) => Ok(Next::End),
        Ok(Some(Piece::Lines { number, lines })) => Ok(Next::Lines(number, lines)),
        Ok(Some(Piece::Gap { from, to })) => Ok(Next::Gap(from, to)),
        Err(RecordingError::Chunk { number, .. }) => Ok(Next::Unreadable(number)),
        Err(RecordingError::Gap { number, .. }) => Ok(Next::Gap(number, number)),
        Err(error) => Err(error.into()),
    }
}

/// Goes through events, draws them, and puts marks.
struct Cutter {
    terminal: Terminal,
    projector: Projector,
    /// Events before it are in segments that are closed.
    from: Place,
    segment_start: u64,
    segment_bytes: usize,
    length: Duration,
    bytes: usize,
    /// Memory that snapshots may take before they get rare.
    snapshots: usize,
    taken: usize,
    /// Something was printed.
    drawn: bool,
    activity: Activity,
}

impl Cutter {
    /// Goes back to the last mark.
    fn resume(timeline: &mut Timeline, settings: &PlayerSettings) -> Option<Self> {
        let mark = timeline.marks.last()?;
        timeline.markers.truncate(mark.markers);
        Some(Self {
            terminal: terminal(&mark.snapshot)?,
            projector: mark.projector.clone(),
            from: mark.place,
            segment_start: mark.start,
            segment_bytes: 0,
            length: settings.segment_length,
            bytes: settings.segment_bytes,
            snapshots: settings.cache_bytes / 2,
            taken: timeline.bytes(),
            drawn: timeline.marks.len() > 1,
            activity: timeline.activity.clone(),
        })
    }

    fn chunk(&mut self, timeline: &mut Timeline, number: u32, lines: &[u8]) {
        let from = if number == self.from.chunk { self.from.event } else { 0 };
        for (place, event) in placed(number, lines, from) {
            let time = self.projector.time(&event);
            if self.cuts_before(time, timeline.marks.len()) {
                self.mark(timeline, place, time);
            }
            if let Some(shown) = self.projector.project(&event) {
                self.show(timeline, shown);
            }
        }
        timeline.chunk = timeline.chunk.max(number);
    }

    fn gap(&mut self, from: u32, to: u32) {
        let shown = self.projector.gap(from, to);
        self.draw(&shown);
    }

    fn unreadable(&mut self, number: u32) {
        let shown = self.projector.unreadable(number);
        self.draw(&shown);
    }

    /// A segment starts later than all events of the one before it: so two events of one moment are never parted.
    fn cuts_before(&self, time: u64, marks: usize) -> bool {
        if time <= self.projector.now() || time <= self.segment_start {
            return false;
        }
        let double = 1 << (marks / DOUBLE_EVERY).min(DOUBLINGS);
        // Snapshots of a huge screen: so rare that they never outweigh what was printed between them.
        let weight = if self.taken > self.snapshots { self.bytes << DOUBLINGS } else { 0 };
        let aged = Duration::from_micros(time - self.segment_start) >= self.length * double as u32;
        let full = self.segment_bytes >= self.bytes * double;
        (aged || full) && self.segment_bytes >= weight
    }

    fn mark(&mut self, timeline: &mut Timeline, place: Place, start: u64) {
        let snapshot = Arc::new(snapshot(&self.terminal));
        self.taken += snapshot.init.len() + 256;
        (self.segment_start, self.segment_bytes) = (start, 0);
        let markers = timeline.markers.len();
        timeline.activity = self.activity.clone();
        timeline.marks.push(Mark { start, place, projector: self.projector.clone(), snapshot, markers });
    }

    fn show(&mut self, timeline: &mut Timeline, shown: ProjectedEvent) {
        match shown {
            ProjectedEvent::Marker(label) if timeline.markers.len() < MARKERS => {
                timeline.markers.push((self.projector.now(), label));
            }
            shown => {
                if let ProjectedEvent::Resize(size) = shown
                    && !self.drawn
                {
                    timeline.start_with(size);
                }
                self.draw(&shown);
            }
        }
    }

    fn draw(&mut self, shown: &ProjectedEvent) {
        if let ProjectedEvent::Output(text) = shown {
            self.segment_bytes += text.len();
            self.activity.add(self.projector.now(), text.len());
            self.drawn = true;
        }
        draw(&mut self.terminal, shown);
    }
}

pub(crate) fn draw(terminal: &mut Terminal, shown: &ProjectedEvent) {
    match shown {
        ProjectedEvent::Output(text) => terminal.feed(text.as_str()),
        ProjectedEvent::Resize(size) => terminal.resize(size.cols.into(), size.rows.into()),
        ProjectedEvent::Marker(_) => {}
    }
}

/// A terminal that shows the snapshot. Sizes are clamped, so there is always one.
pub(crate) fn terminal(snapshot: &SegmentSnapshot) -> Option<Terminal> {
    let mut terminal = Terminal::new(snapshot.cols.into(), snapshot.rows.into()).ok()?;
    terminal.feed(snapshot.init.as_str());
    Some(terminal)
}

pub(crate) fn snapshot(terminal: &Terminal) -> SegmentSnapshot {
    let (cols, rows) = terminal.size();
    let narrow = |size: usize| u16::try_from(size).unwrap_or(u16::MAX);
    SegmentSnapshot { cols: narrow(cols), rows: narrow(rows), init: terminal.dump() }
}

/// The size before the first `r` event. Where no terminal was involved, one that shows log lines whole.
pub(crate) fn starting_size(header: &Header) -> TerminalSize {
    match (header.width, header.height) {
        _ if !header.kubetape.tty => TerminalSize { cols: 120, rows: 30 },
        (0, _) | (_, 0) => TerminalSize { cols: 80, rows: 24 },
        (cols, rows) => TerminalSize::clamped(cols, rows),
    }
}

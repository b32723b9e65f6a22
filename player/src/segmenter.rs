use std::{sync::Arc, time::Duration};

use avt::Terminal;
use recording::Micros;
use storage::recordings::Chunks;

use crate::{
    PlayerError, PlayerSettings,
    activity::Activity,
    blocking::blocking,
    chunk_read::{ChunkRead, read_chunk},
    projector::{EventPosition, ProjectedEvent, Projector, positioned_events},
    screen::{SegmentSnapshot, draw},
    timeline::{MAX_MARKERS, SEGMENT_START_BYTES, SegmentStart, Timeline},
};

/// After this many segments the next ones may be twice as long, so that the index of any recording stays small.
const DOUBLE_EVERY: usize = 256;

/// How often the length doubles at most: a segment is sent as a whole.
const MAX_DOUBLINGS: usize = 6;

/// Continues a timeline with the chunks that were stored since it was made. `chunks` begins with the chunk of the last
/// segment's start: the events of that segment are processed again, so that no terminal is kept between two calls.
///
/// # Errors
/// [`PlayerError::Recording`] if the store fails.
pub(crate) async fn extend(
    mut timeline: Timeline,
    mut chunks: Chunks,
    settings: &PlayerSettings,
) -> Result<Timeline, PlayerError> {
    let ended = chunks.manifest().map(|manifest| manifest.duration);
    let Some(mut segmenter) = Segmenter::resume(&mut timeline, settings) else { return Ok(timeline) };
    loop {
        match read_chunk(&mut chunks).await? {
            ChunkRead::End => break,
            ChunkRead::Lines(number, lines) => {
                (timeline, segmenter) = blocking(move || {
                    segmenter.chunk(&mut timeline, number, &lines);
                    (timeline, segmenter)
                })
                .await?;
            }
            ChunkRead::Gap(from, to) => segmenter.gap(from, to),
            ChunkRead::Unreadable(number) => segmenter.unreadable(number),
        }
    }
    timeline.end = segmenter.projector.now().max(ended.unwrap_or_default()).max(timeline.end);
    segmenter.activity.silence(timeline.end);
    timeline.activity = segmenter.activity;
    timeline.complete = ended.is_some();
    Ok(timeline)
}

/// Draws a recording's events and decides where its segments start.
struct Segmenter {
    terminal: Terminal,
    projector: Projector,
    /// Events before it are in segments that are closed.
    from: EventPosition,
    segment_start: Micros,
    segment_bytes: usize,
    max_length: Duration,
    max_bytes: usize,
    /// Memory that the timeline may take before snapshots become rare.
    timeline_limit: usize,
    timeline_bytes: usize,
    /// Something was printed.
    drawn: bool,
    activity: Activity,
}

impl Segmenter {
    /// Goes back to the last segment's start. `None` if its snapshot makes no terminal.
    fn resume(timeline: &mut Timeline, settings: &PlayerSettings) -> Option<Self> {
        let last = timeline.segments.last()?;
        timeline.markers.truncate(last.markers);
        Some(Self {
            terminal: last.snapshot.to_terminal()?,
            projector: last.projector.clone(),
            from: last.position,
            segment_start: last.time,
            segment_bytes: 0,
            max_length: settings.segment_length,
            max_bytes: settings.segment_bytes,
            timeline_limit: settings.cache_bytes / 2,
            timeline_bytes: timeline.bytes(),
            drawn: timeline.segments.len() > 1,
            activity: timeline.activity_before_last.clone(),
        })
    }

    fn chunk(&mut self, timeline: &mut Timeline, number: u32, lines: &[u8]) {
        let from = if number == self.from.chunk { self.from.event } else { 0 };
        for (position, event) in positioned_events(number, lines, from) {
            let time = self.projector.time(&event);
            if self.starts_segment(time, timeline.segments.len()) {
                self.start_segment(timeline, position, time);
            }
            if let Some(shown) = self.projector.project(&event) {
                self.apply(timeline, shown);
            }
        }
        timeline.chunk = timeline.chunk.max(number);
    }

    fn gap(&mut self, from: u32, to: u32) {
        let notice = self.projector.gap(from, to);
        self.draw(&notice);
    }

    fn unreadable(&mut self, number: u32) {
        let notice = self.projector.unreadable(number);
        self.draw(&notice);
    }

    /// Whether the event at `time` starts a segment. A segment starts later than all events of the one before it, so
    /// that events of the same time are never separated.
    fn starts_segment(&self, time: Micros, segments: usize) -> bool {
        if time <= self.projector.now() || time <= self.segment_start {
            return false;
        }
        let factor = 1 << (segments / DOUBLE_EVERY).min(MAX_DOUBLINGS);
        // The snapshots of a huge screen are taken so rarely that they never outweigh what was printed between them.
        let least = if self.timeline_bytes > self.timeline_limit { self.max_bytes << MAX_DOUBLINGS } else { 0 };
        let aged = time.since(self.segment_start) >= self.max_length * factor as u32;
        let full = self.segment_bytes >= self.max_bytes * factor;
        (aged || full) && self.segment_bytes >= least
    }

    fn start_segment(&mut self, timeline: &mut Timeline, position: EventPosition, time: Micros) {
        let snapshot = Arc::new(SegmentSnapshot::of(&self.terminal));
        self.timeline_bytes += snapshot.init.len() + SEGMENT_START_BYTES;
        (self.segment_start, self.segment_bytes) = (time, 0);
        let markers = timeline.markers.len();
        timeline.activity_before_last = self.activity.clone();
        let projector = self.projector.clone();
        timeline.segments.push(SegmentStart { time, position, projector, snapshot, markers });
    }

    fn apply(&mut self, timeline: &mut Timeline, event: ProjectedEvent) {
        match event {
            ProjectedEvent::Marker(label) if timeline.markers.len() < MAX_MARKERS => {
                timeline.markers.push((self.projector.now(), label));
            }
            event => {
                if let ProjectedEvent::Resize(size) = event
                    && !self.drawn
                {
                    timeline.set_first_size(size);
                }
                self.draw(&event);
            }
        }
    }

    fn draw(&mut self, event: &ProjectedEvent) {
        if let ProjectedEvent::Output(text) = event {
            self.segment_bytes += text.len();
            self.activity.add(self.projector.now(), text.len());
            self.drawn = true;
        }
        draw(&mut self.terminal, event);
    }
}

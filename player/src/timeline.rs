use std::{sync::Arc, time::Duration};

use recording::{Micros, cast::Header};
use serde::{Deserialize, Serialize};

use crate::{
    activity::Activity,
    projector::{EventPosition, Projector, label},
    screen::SegmentSnapshot,
    terminal_size::TerminalSize,
};

/// Most markers of an index; further ones are left out.
pub(crate) const MAX_MARKERS: usize = 10_000;

/// What a segment's start takes in memory beside its snapshot's text, roughly.
pub(crate) const SEGMENT_START_BYTES: usize = 256;

/// Where a segment starts, with all that playing from there needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SegmentStart {
    /// Time of the segment's first event.
    #[serde(rename = "micros")]
    pub(crate) time: Micros,
    pub(crate) position: EventPosition,
    pub(crate) projector: Projector,
    pub(crate) snapshot: Arc<SegmentSnapshot>,
    /// How many markers come before it.
    pub(crate) markers: usize,
}

/// How a recording is cut into segments, as far as it was stored when it was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Timeline {
    /// The terminal's size at the start.
    pub(crate) size: TerminalSize,
    /// Never empty: the first segment starts at 0.
    pub(crate) segments: Vec<SegmentStart>,
    /// Time and label.
    pub(crate) markers: Vec<(Micros, String)>,
    /// Activity up to the last segment's start, from where [`extend`](crate::segmenter::extend) continues.
    pub(crate) activity_before_last: Activity,
    /// Activity up to `end`.
    pub(crate) activity: Activity,
    /// Time of the end.
    pub(crate) end: Micros,
    /// The newest chunk that was read.
    pub(crate) chunk: u32,
    /// The manifest exists and every chunk it lists was read: nothing will be added.
    pub(crate) complete: bool,
}

impl Timeline {
    /// The timeline of a recording of which no chunk was read yet.
    pub(crate) fn new(header: &Header) -> Self {
        let size = TerminalSize::at_start(header);
        let command = label(&header.command);
        let markers = if command.is_empty() { Vec::new() } else { vec![(Micros::ZERO, command)] };
        let first = SegmentStart {
            time: Micros::ZERO,
            position: EventPosition { chunk: 1, event: 0 },
            projector: Projector::new(header),
            snapshot: Arc::new(SegmentSnapshot::blank(size)),
            markers: markers.len(),
        };
        Self {
            size,
            segments: vec![first],
            markers,
            activity_before_last: Activity::default(),
            activity: Activity::default(),
            end: Micros::ZERO,
            chunk: 0,
            complete: false,
        }
    }

    /// The marker of the command the session was started with. No event holds it. `None` if the header names no command.
    pub(crate) fn argv_marker(&self) -> Option<&str> {
        let first = self.segments.first().map_or(0, |segment| segment.markers);
        self.markers.first().filter(|_| first > 0).map(|(_, label)| label.as_str())
    }

    /// The number of the segment that a time lies in.
    pub(crate) fn segment_at(&self, time: Micros) -> usize {
        self.segments.partition_point(|segment| segment.time <= time).saturating_sub(1)
    }

    /// The time that the index's last event must have. asciinema-player wants every segment to start before it.
    pub(crate) fn duration(&self) -> Micros {
        let last = self.segments.last().map_or(Micros::ZERO, |segment| segment.time);
        if last == Micros::ZERO { self.end } else { self.end.max(last + Duration::from_micros(1)) }
    }

    /// Sets the size at the start. A terminal's first size arrives moments after the start and before any output;
    /// playback begins with it.
    pub(crate) fn set_first_size(&mut self, size: TerminalSize) {
        self.size = size;
        if let [first] = self.segments.as_mut_slice() {
            first.snapshot = Arc::new(SegmentSnapshot::blank(size));
        }
    }

    /// Roughly how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let segments: usize =
            self.segments.iter().map(|segment| segment.snapshot.init.len() + SEGMENT_START_BYTES).sum();
        segments + self.markers.iter().map(|(_, label)| label.len() + 32).sum::<usize>()
    }
}

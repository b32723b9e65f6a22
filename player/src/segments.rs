//! What asciinema-player 3.18's `segmented` source reads: an index, and segments that each start with a snapshot.

use recording::Micros;
use serde::Serialize;

use crate::{
    projector::ProjectedEvent,
    screen::{SegmentSnapshot, without_bidi_controls},
    terminal_size::TerminalSize,
    timeline::{SegmentStart, Timeline},
};

/// The index: `{"version":1,"duration":…,"term":{…},"segments":[…],"markers":[…]}`. Times are seconds since the
/// recording's start.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentIndex {
    /// Always 1.
    pub version: u8,
    /// Length of what is stored.
    pub duration: f64,
    /// Size at the start.
    pub term: TerminalSize,
    /// The segments in order; the first starts at 0.
    pub segments: Vec<SegmentRef>,
    /// Time and label of each command: argv at 0, typed ones when they were entered.
    pub markers: Vec<(f64, String)>,
    /// How much was printed when. asciinema-player does not read it; the page draws it.
    pub activity: ActivityBars,
    /// Start and end of each time of two seconds or more in which nothing was printed. If there are too many, the
    /// longest.
    pub pauses: Vec<(f64, f64)>,
}

/// Bytes printed over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityBars {
    /// Seconds that each bar covers.
    pub width: f64,
    /// Bytes in each bar, from the start on; zeros at the end are left out.
    pub bytes: Vec<u64>,
}

/// A segment, as the index lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentRef {
    /// Time of its first event, in seconds: the same double as in the segment, since asciinema-player compares the two.
    pub start: f64,
    /// Relative to the index: `<number>.json?end=<microseconds>`.
    pub url: String,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segment {
    /// The screen when it starts.
    pub snapshot: SegmentSnapshot,
    /// Time in seconds, code (`o`, `r` or `m`), data.
    pub events: Vec<(f64, &'static str, String)>,
}

impl SegmentIndex {
    pub(crate) fn of(timeline: &Timeline) -> Self {
        let end = timeline.duration();
        let segment = |(number, segment): (usize, &SegmentStart)| SegmentRef {
            start: segment.time.as_secs_f64(),
            url: format!("{number}.json?end={}", end.get()),
        };
        let activity = &timeline.activity;
        Self {
            version: 1,
            duration: end.as_secs_f64(),
            term: timeline.size,
            segments: timeline.segments.iter().enumerate().map(segment).collect(),
            markers: timeline.markers.iter().map(|(at, label)| (at.as_secs_f64(), label.clone())).collect(),
            activity: ActivityBars { width: Micros::new(activity.width).as_secs_f64(), bytes: activity.bars.clone() },
            pauses: activity.pauses.iter().map(|(from, to)| (from.as_secs_f64(), to.as_secs_f64())).collect(),
        }
    }
}

/// Collects a segment's events.
pub(crate) struct SegmentBuilder {
    segment: Segment,
    end: Micros,
    last: bool,
}

impl SegmentBuilder {
    /// Begins the segment at `start`. `end` is the next segment's start or, if it is the `last` one, the time of the
    /// recording's last event.
    pub(crate) fn new(timeline: &Timeline, start: &SegmentStart, end: Micros, last: bool) -> Self {
        // asciinema-player wants a segment's first event at the segment's start.
        let mut events = vec![(start.time.as_secs_f64(), "o", String::new())];
        if start.time == Micros::ZERO {
            events.extend(timeline.argv_marker().map(|label| (0.0, "m", label.to_owned())));
        }
        let mut snapshot = (*start.snapshot).clone();
        snapshot.init = without_bidi_controls(snapshot.init);
        Self { segment: Segment { snapshot, events }, end, last }
    }

    /// Adds an event. Returns false if the event is behind the segment's end.
    pub(crate) fn push(&mut self, time: Micros, event: ProjectedEvent) -> bool {
        if time > self.end || (time == self.end && !self.last) {
            return false;
        }
        let (code, data) = match event {
            ProjectedEvent::Output(text) => ("o", without_bidi_controls(text)),
            ProjectedEvent::Resize(size) => ("r", format!("{}x{}", size.cols, size.rows)),
            ProjectedEvent::Marker(label) => ("m", label),
        };
        self.segment.events.push((time.as_secs_f64(), code, data));
        true
    }

    pub(crate) fn finish(mut self) -> Segment {
        // asciinema-player wants a recording's last event at the recording's end.
        if self.last {
            self.segment.events.push((self.end.as_secs_f64(), "o", String::new()));
        }
        self.segment
    }
}

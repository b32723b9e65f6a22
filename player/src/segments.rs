//! What asciinema-player 3.18's `segmented` source reads: an index, and segments that each start with a snapshot.

use serde::Serialize;

/// The index: `{"version":1,"duration":…,"term":{…},"segments":[…],"markers":[…]}`. Times are seconds.
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
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TerminalSize {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
}

/// A segment, as the index lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentRef {
    /// Time of its first event.
    pub start: f64,
    /// Relative to the index: `<number>.json?end=<microseconds>`.
    pub url: String,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Segment {
    /// The screen when it starts.
    pub snapshot: SegmentSnapshot,
    /// Time, code (`o`, `r`, `m` or `i`), data.
    pub events: Vec<(f64, &'static str, String)>,
}

/// A screen as text that draws it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentSnapshot {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
    /// Draws the screen on a new terminal of that size, modes and unfinished sequences included.
    pub init: String,
}

/// The screen at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Screen {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
    /// The rows' text from the top, without blanks at their ends.
    pub lines: Vec<String>,
    /// Draws the screen on a terminal of that size.
    pub init: String,
}

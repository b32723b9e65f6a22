//! What asciinema-player 3.18's `segmented` source reads: an index, and segments that each start with a snapshot.

use avt::Terminal;
use serde::{Deserialize, Serialize};

use crate::{
    projector::ProjectedEvent,
    timeline::{Mark, Timeline, snapshot},
};

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
    /// When how much was printed. The player does not know it; the page draws it.
    pub activity: ActivityBars,
    /// From when to when nothing was printed for two seconds or more; of many, the longest.
    pub pauses: Vec<(f64, f64)>,
}

/// Bytes printed over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActivityBars {
    /// Seconds that each bar stands for.
    pub width: f64,
    /// Bytes in each, from the start on; zeros at the end are left out.
    pub bytes: Vec<u64>,
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
}

impl TerminalSize {
    /// A size that a terminal emulator can be made of: 1 to 1000 columns, 1 to 500 rows. A recording may claim any;
    /// 65535 by 65535 would be 4 GiB of cells.
    pub fn clamped(cols: u16, rows: u16) -> Self {
        Self { cols: cols.clamp(1, 1000), rows: rows.clamp(1, 500) }
    }
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
    /// Time, code (`o`, `r` or `m`), data.
    pub events: Vec<(f64, &'static str, String)>,
}

/// A screen as text that draws it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Screen {
    pub(crate) fn of(terminal: &Terminal) -> Self {
        let lines = terminal.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect();
        let SegmentSnapshot { cols, rows, init } = snapshot(terminal);
        Self { cols, rows, lines, init }
    }
}

impl Timeline {
    /// The index, as asciinema-player wants it.
    pub(crate) fn index(&self) -> SegmentIndex {
        let end = self.duration();
        let segment = |(number, mark): (usize, &Mark)| SegmentRef {
            start: seconds(mark.start),
            url: format!("{number}.json?end={end}"),
        };
        SegmentIndex {
            version: 1,
            duration: seconds(end),
            term: self.term,
            segments: self.marks.iter().enumerate().map(segment).collect(),
            markers: self.markers.iter().map(|(at, label)| (seconds(*at), label.clone())).collect(),
            activity: ActivityBars { width: seconds(self.shown.width), bytes: self.shown.bars.clone() },
            pauses: self.shown.pauses.iter().map(|(from, to)| (seconds(*from), seconds(*to))).collect(),
        }
    }
}

/// A segment's events while they are gathered.
pub(crate) struct Gathering {
    segment: Segment,
    end: u64,
    last: bool,
}

impl Gathering {
    /// The segment that starts at `mark`. `end` is the last moment of the last segment; of another one it is the next
    /// one's start.
    pub(crate) fn new(timeline: &Timeline, mark: &Mark, end: u64, last: bool) -> Self {
        // The first event of a segment must be at its start.
        let mut events = vec![(seconds(mark.start), "o", String::new())];
        if mark.start == 0 {
            // The marker of argv is in no event: it was known before there was any.
            events.extend(timeline.argv_marker().map(|label| (0.0, "m", label.to_owned())));
        }
        let mut snapshot = (*mark.snapshot).clone();
        snapshot.init = unturned(snapshot.init);
        Self { segment: Segment { snapshot, events }, end, last }
    }

    /// Takes an event; false once the segment is complete.
    pub(crate) fn take(&mut self, micros: u64, shown: ProjectedEvent) -> bool {
        if micros > self.end || (micros == self.end && !self.last) {
            return false;
        }
        let (code, data) = match shown {
            ProjectedEvent::Output(text) => ("o", unturned(text)),
            ProjectedEvent::Resize(size) => ("r", format!("{}x{}", size.cols, size.rows)),
            ProjectedEvent::Marker(label) => ("m", label),
        };
        self.segment.events.push((seconds(micros), code, data));
        true
    }

    pub(crate) fn finish(mut self) -> Segment {
        // The last event of a recording must be at its end.
        if self.last {
            self.segment.events.push((seconds(self.end), "o", String::new()));
        }
        self.segment
    }
}

/// Without the characters that turn the direction of the text around them: terminals do not obey them, browsers do,
/// and would show `txt.exe` for `exe.txt`. The text and the other exports keep them.
pub(crate) fn unturned(text: String) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.contains(turns) { text.replace(turns, "") } else { text }
}

/// The double next to a number of microseconds: the same number gives the same text in index and segment, which the
/// player compares.
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::unturned;

    #[test]
    fn no_text_is_turned_around() {
        assert_eq!(unturned("rm \u{202e}txt.exe\u{202c} \u{2067}x\u{2069}".to_owned()), "rm txt.exe x");
        assert_eq!(unturned("grüße שלום".to_owned()), "grüße שלום");
    }
}

//! The output limit: of a stream without a terminal the first part and the last are kept; the middle is counted and digested.
//!
//! ```text
//!  │◀──── first ────▶│◀───────── omitted ─────────▶│◀─ last ─▶│
//!  kept as it comes  │  passes through the ring    │ kept at the end
//!                    └ annotation, at once             └ annotation with number and SHA-256
//! ```
//!
//! The annotation at the beginning is written when the first byte is held back. What passes through the ring goes to the spool as
//! well, to files that replace each other: the process that finishes the recording of one that died has the last part and what
//! was omitted before it.

use std::collections::VecDeque;

use recording::{Micros, Omission, cast::Code, hex};
use sha2::{Digest, Sha256};
use spool::{StdStream, TailWrite};

use crate::streams::timeline::Timeline;

/// How much of a stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepLimits {
    /// Bytes from the stream's beginning.
    pub first: u64,
    /// Bytes from the beginning of a stream that is a tar archive: its files are listed with their digests anyway.
    pub first_of_archive: u64,
    /// Bytes before the stream's end. They wait in memory, and up to twice as many in the spool.
    pub last: usize,
    /// Whether all of a terminal's output is kept, however much it is.
    pub terminals: bool,
}

impl Default for KeepLimits {
    fn default() -> Self {
        Self { first: 64 << 20, first_of_archive: 8 << 20, last: 1 << 20, terminals: true }
    }
}

/// Writes one stream's bytes into lines, as far as the limits let it.
pub(crate) struct OutputLimiter {
    stream: StdStream,
    /// `None` if everything is kept.
    keep: Option<KeepLimits>,
    /// Bytes that passed.
    passed: u64,
    ring: VecDeque<(Micros, Box<[u8]>)>,
    ring_bytes: usize,
    /// When the first byte was held back, and its place in the stream.
    since: Option<(Micros, u64)>,
    omitted: Option<Omitted>,
    /// What the spool must get of the ring.
    tail: TailWrite,
    files: Files,
}

/// The files of a stream in the spool, where the newest two are.
#[derive(Default)]
struct Files {
    /// How many began.
    count: u64,
    /// Place in the stream at which the newest begins.
    newest: u64,
    /// What was omitted before that place, once the ring is past it.
    before_newest: Option<Omission>,
}

#[derive(Clone)]
struct Omitted {
    first: Micros,
    last: Micros,
    bytes: u64,
    digest: Sha256,
}

impl OutputLimiter {
    pub(crate) fn new(stream: StdStream, keep: Option<KeepLimits>) -> Self {
        let (ring, tail, files) = (VecDeque::new(), TailWrite::default(), Files::default());
        Self { stream, keep, passed: 0, ring, ring_bytes: 0, since: None, omitted: None, tail, files }
    }

    /// Takes what must be in the spool before its bytes may be forwarded.
    pub(crate) fn take_tail(&mut self) -> TailWrite {
        std::mem::take(&mut self.tail)
    }

    /// Takes the memory of a tail that is written for the next one.
    pub(crate) fn reuse(&mut self, tail: TailWrite) {
        if self.tail.is_empty() && self.since.is_some() {
            self.tail = tail;
        }
    }

    /// Whether the stream's end is held, and in no line.
    pub(crate) fn holds(&self) -> bool {
        self.since.is_some()
    }

    /// Whether the lines have, or will have, less than all of the stream.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.files.count > 0
    }

    /// Writes the bytes that are kept. `archive` says whether the stream is a tar archive, as far as is known by now.
    pub(crate) fn data(&mut self, timeline: &mut Timeline, time: Micros, data: &[u8], archive: bool) {
        let Some(keep) = self.keep else { return timeline.data(time, self.stream, data) };
        let first = if archive { keep.first_of_archive } else { keep.first };
        let room = if self.since.is_some() { 0 } else { first.saturating_sub(self.passed) };
        let (now, later) = data.split_at(usize::try_from(room).unwrap_or(data.len()).min(data.len()));
        if !now.is_empty() {
            timeline.data(time, self.stream, now);
        }
        self.passed += now.len() as u64;
        if later.is_empty() {
            return;
        }
        if self.since.is_none() {
            self.since = Some((time, self.passed));
            let (stream, from) = (self.stream.name(), self.passed);
            timeline.event(time, Code::Gap, &format!("omitting {stream} from byte {from} on, but for its end"));
        }
        self.hold(time, later, keep.last);
    }

    fn hold(&mut self, time: Micros, data: &[u8], last: usize) {
        let mut rest = data;
        // In parts, so that each file of the spool begins where the one before is full.
        while !rest.is_empty() {
            let room = self.room(last.max(LEAST_FILE));
            let (now, later) = rest.split_at(rest.len().min(room));
            self.tail.bytes(time, self.passed, now);
            self.pass(time, now, last);
            rest = later;
        }
    }

    /// How many bytes the newest file in the spool has room for. Begins a file if that is none.
    fn room(&mut self, file: usize) -> usize {
        let written = usize::try_from(self.passed - self.files.newest).unwrap_or(usize::MAX);
        match file.checked_sub(written) {
            Some(room @ 1..) if self.files.count > 0 => room,
            _ => {
                self.tail.begin(self.files.count, self.files.before_newest.as_ref());
                // If no last part is kept, the ring never holds bytes of before the file.
                let before_newest = if self.ring.is_empty() { self.omission() } else { None };
                self.files = Files { count: self.files.count + 1, newest: self.passed, before_newest };
                file
            }
        }
    }

    /// Takes bytes into the ring, and omits what is too much then.
    fn pass(&mut self, time: Micros, data: &[u8], last: usize) {
        self.passed += data.len() as u64;
        // Small pieces are joined: a ring of single bytes would take fifty times its size.
        match self.ring.back_mut() {
            Some((_, piece)) if piece.len() + data.len() <= SMALL => *piece = [&**piece, data].concat().into(),
            _ => self.ring.push_back((time, data.into())),
        }
        self.ring_bytes += data.len();
        while self.ring_bytes > last {
            let Some((at, piece)) = self.ring.pop_front() else { return };
            let over = (self.ring_bytes - last).min(piece.len());
            self.omit(at, &piece[..over]);
            self.ring_bytes -= over;
            if over < piece.len() {
                self.ring.push_front((at, piece[over..].into()));
            }
        }
    }

    fn omit(&mut self, time: Micros, bytes: &[u8]) {
        let omitted = self.omitted.as_ref().map_or(0, |omitted| omitted.bytes);
        let from = self.since.map_or(0, |(_, from)| from) + omitted;
        let to_newest = usize::try_from(self.files.newest.saturating_sub(from)).unwrap_or(usize::MAX);
        let (before, behind) = bytes.split_at(to_newest.min(bytes.len()));
        self.omit_one(time, before);
        if !before.is_empty() && before.len() == to_newest {
            self.files.before_newest = self.omission();
        }
        self.omit_one(time, behind);
    }

    fn omit_one(&mut self, time: Micros, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let new = || Omitted { first: time, last: time, bytes: 0, digest: Sha256::new() };
        let omitted = self.omitted.get_or_insert_with(new);
        omitted.last = omitted.last.max(time);
        omitted.bytes += bytes.len() as u64;
        omitted.digest.update(bytes);
    }

    /// What was omitted so far.
    fn omission(&self) -> Option<Omission> {
        let ((_, from_byte), omitted) = (self.since?, self.omitted.clone()?);
        Some(Omission {
            stream: self.stream.name().to_owned(),
            from_byte,
            bytes: omitted.bytes,
            sha256: hex(omitted.digest.finalize().into()),
            first: omitted.first,
            last: omitted.last,
        })
    }

    /// Ends the stream: writes an annotation of what was omitted, and the last part. Returns what was omitted.
    pub(crate) fn end(&mut self, timeline: &mut Timeline, time: Micros) -> Option<Omission> {
        let (_, from_byte) = self.since?;
        let omission = self.omission();
        annotation(timeline, self.stream, time, from_byte, omission.as_ref());
        for (at, piece) in self.ring.drain(..) {
            timeline.data(at, self.stream, &piece);
        }
        self.ring_bytes = 0;
        self.tail.clear();
        (self.keep, self.since, self.omitted) = (None, None, None);
        omission
    }
}

/// Writes the annotation of what was omitted of a stream from `from_byte` on. The stream's last part follows it.
pub(crate) fn annotation(
    timeline: &mut Timeline,
    stream: StdStream,
    time: Micros,
    from_byte: u64,
    omission: Option<&Omission>,
) {
    match omission {
        Some(omission) => timeline.event(omission.last, Code::Gap, &omission.to_string()),
        None => {
            let text = format!("omitted nothing of {} from byte {from_byte} on", stream.name());
            timeline.event(time, Code::Gap, &text);
        }
    }
}

/// Fewest bytes of a file in the spool: less would make a file for each few reads.
const LEAST_FILE: usize = 256 << 10;

/// Pieces below this are joined in the ring, with the time of the first.
const SMALL: usize = 512;

#[cfg(test)]
mod tests {
    use recording::cast::{Event, events};

    use super::*;

    const KEEP: KeepLimits = KeepLimits { first: 10, first_of_archive: 4, last: 6, terminals: true };

    fn recorded(pieces: &[&[u8]], archive: bool) -> (Vec<Event>, Option<Omission>) {
        let mut timeline = Timeline::new();
        let mut limiter = OutputLimiter::new(StdStream::Stdout, Some(KEEP));
        for (number, piece) in (0..).zip(pieces) {
            limiter.data(&mut timeline, Micros::new(number), piece, archive);
        }
        let omission = limiter.end(&mut timeline, Micros::from_millis(1));
        assert_eq!(limiter.end(&mut timeline, Micros::from_millis(1)), None, "an end is told once");
        timeline.end_stream(StdStream::Stdout);
        let lines = timeline.take_lines();
        (events(&lines).map(Result::unwrap).collect(), omission)
    }

    fn said(events: &[Event]) -> Vec<(Code, &str)> {
        events.iter().map(|event| (event.code, event.data.as_str())).collect()
    }

    #[test]
    fn a_stream_within_the_bound_is_untouched() {
        let (events, omission) = recorded(&[b"01234", b"56789"], false);
        assert_eq!((said(&events), omission), (vec![(Code::Output, "0123456789")], None));
    }

    #[test]
    fn the_middle_is_omitted_counted_and_digested_at_every_split() {
        let whole = b"0123456789abcdefghijklmnopqrstuvwxyz";
        for size in 1..=whole.len() {
            let pieces: Vec<_> = whole.chunks(size).collect();
            let (events, omission) = recorded(&pieces, false);
            let omission = omission.expect("something omitted");
            assert_eq!((omission.from_byte, omission.bytes), (10, 20), "{size}");
            assert_eq!(omission.sha256, hex(Sha256::digest(&whole[10..30]).into()));
            let text = omission.to_string();
            let expected = [
                (Code::Output, "0123456789"),
                (Code::Gap, "omitting stdout from byte 10 on, but for its end"),
                (Code::Gap, &*text),
                (Code::Output, "uvwxyz"),
            ];
            assert_eq!(said(&events), expected, "{size}");
        }
    }

    #[test]
    fn an_end_that_is_still_at_hand_is_no_hole() {
        let (events, omission) = recorded(&[b"0123456789ab"], false);
        assert_eq!(omission, None);
        let expected = [
            (Code::Output, "0123456789"),
            (Code::Gap, "omitting stdout from byte 10 on, but for its end"),
            (Code::Gap, "omitted nothing of stdout from byte 10 on"),
            (Code::Output, "ab"),
        ];
        assert_eq!(said(&events), expected);
    }

    #[test]
    fn less_is_kept_of_an_archive() {
        let (events, omission) = recorded(&[b"0123456789abcdef"], true);
        assert_eq!(omission.map(|omission| (omission.from_byte, omission.bytes)), Some((4, 6)));
        assert_eq!(said(&events)[0], (Code::Output, "0123"));
    }

    #[test]
    fn a_ring_of_single_bytes_is_no_larger_than_its_bytes() {
        let mut timeline = Timeline::new();
        let mut limiter = OutputLimiter::new(StdStream::Stdout, Some(KeepLimits { first: 0, last: 1 << 20, ..KEEP }));
        for number in 0..2 << 20 {
            limiter.data(&mut timeline, Micros::new(number), b"y", false);
        }
        assert_eq!(limiter.ring_bytes, 1 << 20);
        assert!(limiter.ring.len() <= (1 << 20) / SMALL + 1, "{}", limiter.ring.len());
    }
}

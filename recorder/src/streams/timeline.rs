use std::time::Duration;

use recording::{
    Micros,
    cast::{Code, write_bytes, write_event},
};
use spool::{PartialUtf8, StdStream};

/// Most bytes of a stream in one event. A line stays below 64 KiB even where every byte needs six (`\u001b`).
const PIECE: usize = 10 << 10;
/// Bytes of one stream that come within this time of each other are one event, so that many small frames are not as many lines.
const JOIN: Duration = Duration::from_millis(1);
/// A character's first bytes wait this long for the rest.
const TAIL_WAIT: Duration = Duration::from_secs(1);
/// Memory for lines that is kept between two of them.
const IDLE_BYTES: usize = 4 << 10;
/// Text between bytes that are not UTF-8 becomes an event of its own from this length on.
const TEXT_RUN: usize = 64;

/// Turns events into asciicast lines. Times never go backwards, and a stream's text and `b` events, in order, are its exact
/// bytes.
#[derive(Debug)]
pub(crate) struct Timeline {
    lines: Vec<u8>,
    last: Micros,
    /// Bytes of one stream that are not yet a line.
    run: Vec<u8>,
    run_stream: StdStream,
    run_began: Micros,
    /// By stream: an incomplete character at its end.
    tails: [PartialUtf8; 3],
}

impl Timeline {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            last: Micros::ZERO,
            run: Vec::new(),
            run_stream: StdStream::Stdout,
            run_began: Micros::ZERO,
            tails: [PartialUtf8::default(); 3],
        }
    }

    /// A timeline that goes on behind lines that end at `last`, with these beginnings of characters.
    pub(crate) fn resumed(last: Micros, tails: [PartialUtf8; 3]) -> Self {
        Self { last, tails, ..Self::new() }
    }

    /// Writes bytes of a stream.
    pub(crate) fn data(&mut self, time: Micros, stream: StdStream, bytes: &[u8]) {
        if stream != self.run_stream || time.since(self.run_began) > JOIN {
            self.end_run();
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.run.is_empty() {
                self.begin_run(time, stream);
            }
            let (now, later) = rest.split_at(rest.len().min(PIECE.saturating_sub(self.run.len())));
            self.run.extend_from_slice(now);
            rest = later;
            if self.run.len() >= PIECE {
                self.end_run();
            }
        }
    }

    /// Writes any other event.
    pub(crate) fn event(&mut self, time: Micros, code: Code, data: &str) {
        self.end_run();
        let time = self.stamp(time);
        write_event(&mut self.lines, time, code, data);
    }

    /// Ends a stream: what is left of a character is not one.
    pub(crate) fn end_stream(&mut self, stream: StdStream) {
        self.end_run();
        self.give_up_tail(stream);
    }

    /// Whether there are lines that were not taken.
    pub(crate) fn has_lines(&mut self) -> bool {
        self.end_run();
        !self.lines.is_empty()
    }

    /// Takes the lines so far, all of them whole. Beginnings of characters stay in [`Self::tails`].
    pub(crate) fn take_lines(&mut self) -> Vec<u8> {
        self.end_run();
        std::mem::take(&mut self.lines)
    }

    /// By stream: the beginning of a character at its end.
    pub(crate) fn tails(&self) -> [PartialUtf8; 3] {
        self.tails
    }

    /// Takes the memory of lines that are written for the next ones, unless it is much.
    pub(crate) fn reuse(&mut self, mut lines: Vec<u8>) {
        if self.lines.capacity() == 0 && lines.capacity() <= IDLE_BYTES {
            lines.clear();
            self.lines = lines;
        }
        if self.run.is_empty() && self.run.capacity() > 0 && self.lines.capacity() == 0 {
            self.run = Vec::new();
        }
    }

    /// Whether something waits that time alone makes a line.
    pub(crate) fn is_waiting(&self) -> bool {
        self.tails.iter().any(|tail| tail.len > 0)
    }

    /// Gives up characters whose rest does not come.
    pub(crate) fn passed(&mut self, now: Micros) {
        for stream in StdStream::ALL {
            let tail = &self.tails[stream.index()];
            if tail.len > 0 && now.since(tail.time) >= TAIL_WAIT {
                self.give_up_tail(stream);
            }
        }
    }

    fn begin_run(&mut self, time: Micros, stream: StdStream) {
        self.run_stream = stream;
        self.run_began = time;
        let tail = std::mem::take(&mut self.tails[stream.index()]);
        self.run.extend_from_slice(&tail.bytes[..tail.len]);
    }

    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let mut run = std::mem::take(&mut self.run);
        match std::str::from_utf8(&run) {
            Ok(text) => self.text(text),
            Err(_) => self.mixed(&run),
        }
        run.clear();
        self.run = run;
    }

    /// Writes a run that is not UTF-8 throughout: long texts stay text, the rest is bytes, an unfinished character waits.
    fn mixed(&mut self, run: &[u8]) {
        let unfinished = unfinished(run);
        let (whole, rest) = run.split_at(run.len() - unfinished);
        let mut at = 0;
        let mut odd = 0..0;
        for chunk in whole.utf8_chunks() {
            let (valid, invalid) = (chunk.valid(), chunk.invalid());
            let long = valid.len() >= TEXT_RUN || (odd.is_empty() && invalid.is_empty());
            if long {
                self.bytes(&whole[odd]);
                self.text(valid);
                odd = at + valid.len()..at + valid.len();
            }
            at += valid.len() + invalid.len();
            odd.end = at;
        }
        self.bytes(&whole[odd]);
        if !rest.is_empty() {
            let tail = &mut self.tails[self.run_stream.index()];
            *tail = PartialUtf8 { bytes: [0; 3], len: rest.len(), time: self.run_began };
            tail.bytes[..rest.len()].copy_from_slice(rest);
        }
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            let time = self.stamp(self.run_began);
            write_event(&mut self.lines, time, self.run_stream.code(), text);
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let time = self.stamp(self.run_began);
            write_bytes(&mut self.lines, time, self.run_stream.code(), bytes);
        }
    }

    fn give_up_tail(&mut self, stream: StdStream) {
        let tail = std::mem::take(&mut self.tails[stream.index()]);
        if tail.len > 0 {
            let time = self.stamp(tail.time);
            write_bytes(&mut self.lines, time, stream.code(), &tail.bytes[..tail.len]);
        }
    }

    fn stamp(&mut self, time: Micros) -> Micros {
        self.last = self.last.max(time);
        self.last
    }
}

/// How many bytes at the end are the beginning of a character: 0 to 3.
fn unfinished(bytes: &[u8]) -> usize {
    let open = |len: &usize| {
        let last = &bytes[bytes.len() - len..];
        std::str::from_utf8(last).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..=bytes.len().min(3)).find(open).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use recording::cast::Event;

    use super::*;

    fn events(lines: &[u8]) -> Vec<Event> {
        lines.split_inclusive(|&byte| byte == b'\n').map(|line| Event::parse(line).expect("a line of ours")).collect()
    }

    fn taken(timeline: &mut Timeline) -> Vec<u8> {
        let lines = timeline.take_lines();
        timeline.reuse(lines.clone());
        lines
    }

    fn written(timeline: &mut Timeline) -> Vec<(Code, String)> {
        timeline.passed(Micros::MAX);
        let lines = taken(timeline);
        events(&lines).into_iter().map(|event| (event.code, event.data)).collect()
    }

    fn restored(events: &[Event], stream: Code) -> Vec<u8> {
        let pieces = events.iter().filter_map(Event::bytes).filter(|(code, _)| *code == stream);
        pieces.flat_map(|(_, bytes)| bytes.into_owned()).collect()
    }

    #[test]
    fn a_character_cut_by_a_frame_is_joined() {
        let mut timeline = Timeline::new();
        timeline.data(Micros::ZERO, StdStream::Stdout, b"ls \xc3");
        timeline.data(Micros::new(5_000), StdStream::Stdout, b"\xa9\r\n");
        assert_eq!(written(&mut timeline), [(Code::Output, "ls ".to_owned()), (Code::Output, "é\r\n".to_owned())]);
    }

    #[test]
    fn a_character_is_joined_across_another_stream() {
        let mut timeline = Timeline::new();
        timeline.data(Micros::ZERO, StdStream::Stdout, b"\xe2\x82");
        timeline.data(Micros::ZERO, StdStream::Stderr, b"warning");
        timeline.data(Micros::ZERO, StdStream::Stdout, b"\xac");
        assert_eq!(written(&mut timeline), [(Code::Stderr, "warning".to_owned()), (Code::Output, "€".to_owned())]);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_and_long_text_between_them_stays_text() {
        let mut timeline = Timeline::new();
        let text = "x".repeat(TEXT_RUN);
        timeline.data(Micros::ZERO, StdStream::Stdout, &[b"a\xffb\xfe", text.as_bytes(), b"\xff"].concat());
        timeline.end_stream(StdStream::Stdout);
        assert_eq!(
            written(&mut timeline),
            [(Code::Bytes, "o Yf9i/g==".to_owned()), (Code::Output, text), (Code::Bytes, "o /w==".to_owned()),]
        );
    }

    #[test]
    fn half_a_character_at_the_end_is_bytes() {
        let mut timeline = Timeline::new();
        timeline.data(Micros::ZERO, StdStream::Stderr, b"caf\xc3");
        timeline.end_stream(StdStream::Stderr);
        assert_eq!(written(&mut timeline), [(Code::Stderr, "caf".to_owned()), (Code::Bytes, "e ww==".to_owned())]);
    }

    #[test]
    fn small_pieces_become_one_event_and_large_ones_stay_in_short_lines() {
        let mut timeline = Timeline::new();
        for number in 0..500 {
            timeline.data(Micros::new(number), StdStream::Stdout, b"y\r\n");
        }
        timeline.data(Micros::new(10_000), StdStream::Stdout, &[0x1b; 3 * PIECE]);
        let lines = taken(&mut timeline);
        let lengths: Vec<_> = lines.split(|&byte| byte == b'\n').map(<[u8]>::len).collect();
        assert_eq!(lengths.len(), 1 + 3 + 1, "{lengths:?}");
        assert!(lengths.iter().all(|&len| len < 64 << 10), "{lengths:?}");
    }

    #[test]
    fn times_never_go_backwards() {
        let mut timeline = Timeline::new();
        timeline.event(Micros::new(900), Code::Marker, "ls");
        timeline.data(Micros::new(100), StdStream::Stdout, b"late");
        let lines = taken(&mut timeline);
        assert!(events(&lines).iter().all(|event| event.time == Micros::new(900)));
    }

    proptest! {
        #[test]
        fn streams_are_restored_byte_for_byte(
            pieces in prop::collection::vec(
                (0..3usize, 0..2_000u64, prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..100),
                    "[aé€😀]{0,90}".prop_map(String::into_bytes),
                ], any::<bool>()),
                0..40,
            )
        ) {
                        let mut timeline = Timeline::new();
            let mut expected = [const { Vec::new() }; 3];
            let (mut now, mut lines) = (Micros::ZERO, Vec::new());
            for (stream, pause, bytes, cut) in pieces {
                now = now + Duration::from_micros(pause);
                // Any cut of the stream gives the same bytes.
                let (one, two) = bytes.split_at(bytes.len() / 2);
                timeline.data(now, StdStream::ALL[stream], one);
                timeline.data(now, StdStream::ALL[stream], two);
                expected[stream].extend_from_slice(&bytes);
                if cut {
                    timeline.passed(now);
                    lines.extend(taken(&mut timeline));
                }
            }
            for stream in StdStream::ALL {
                timeline.end_stream(stream);
            }
            lines.extend(taken(&mut timeline));
            let events = events(&lines);
            prop_assert!(events.is_sorted_by_key(|event| event.time));
            for stream in StdStream::ALL {
                prop_assert_eq!(&restored(&events, stream.code()), &expected[stream.index()]);
            }
        }
    }
}

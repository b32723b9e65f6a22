//! Reading a session's files as they were left, damage included.

use std::{fs, io, path::Path};

use super::{
    Checkpoint, SessionRecord, SessionRecords, SpoolError,
    frame::{self, Frame, Part},
    writer::segment,
};
use recording::{
    cast::{Code, Event, write_event},
    seconds,
};

/// A segment's content.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Whole lines. Where frames were damaged a `g` line stands between them, that says from when to when.
    pub lines: Vec<u8>,
    /// The last mark.
    pub mark: Option<Checkpoint>,
    /// Bytes at the end that are no frame, and were never forwarded.
    pub torn: u64,
    /// Places where frames were damaged.
    pub damaged: usize,
}

impl Segment {
    /// Time of the last line, microseconds since the recording's start.
    pub fn last_micros(&self) -> Option<u64> {
        last_micros(&self.lines)
    }

    /// Time of the first line.
    pub fn first_micros(&self) -> Option<u64> {
        micros(self.lines.split(|&byte| byte == b'\n').next()?)
    }
}

fn last_micros(lines: &[u8]) -> Option<u64> {
    micros(lines.strip_suffix(b"\n")?.rsplit(|&byte| byte == b'\n').next()?)
}

/// The number before the first comma: an event of a later version has it in the same place.
fn micros(line: &[u8]) -> Option<u64> {
    match Event::parse(line) {
        Ok(event) => Some(event.micros),
        Err(_) => None,
    }
}

/// Numbers of the segments that are there, in order, 0 with the facts left out.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().filter(|name| name.len() >= 6).and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.retain(|number| *number > 0);
    numbers.sort_unstable();
    Ok(numbers)
}

/// A segment, whatever was done to it. `closed`: it is known that all of it was forwarded.
pub(super) fn read(folder: &Path, number: u32, closed: bool) -> Result<Segment, SpoolError> {
    let found = read_one(folder, number)?;
    if found.is_whole() {
        return Ok(found.segment);
    }
    let later = next_micros(folder, number)?;
    Ok(if closed || later.is_some() { found.forwarded(later) } else { found.unforwarded() })
}

fn read_one(folder: &Path, number: u32) -> Result<Recovered, SpoolError> {
    let path = segment(folder, number);
    let bytes = fs::read(&path).map_err(|error| SpoolError::failed("read", &path, error))?;
    Ok(segment_of(&bytes))
}

/// When something was said, or the end, behind segment `number`; none where nothing says that it goes on.
fn next_micros(folder: &Path, number: u32) -> Result<Option<u64>, SpoolError> {
    let numbers = numbers(folder).map_err(|error| SpoolError::failed("read", folder, error))?;
    for later in numbers.into_iter().filter(|later| *later > number) {
        let Recovered { segment, .. } = read_one(folder, later)?;
        // Lines of an append that never ended do not count.
        if let Some(mark) = segment.mark {
            return Ok(Some(segment.first_micros().unwrap_or(mark.micros)));
        }
    }
    let ended = facts(folder)?.and_then(|facts| facts.ended);
    Ok(ended.map(|manifest| manifest.duration_micros))
}

/// A segment's content from its file's.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    segment: Segment,
    /// Lines at its end whose append ends in a later segment, or nowhere.
    begun: Vec<u8>,
}

impl Recovered {
    fn is_whole(&self) -> bool {
        self.begun.is_empty() && self.segment.torn == 0
    }

    /// The content, of a segment that ends in the middle of an append: nothing of that was forwarded.
    pub(super) fn unforwarded(mut self) -> Segment {
        self.segment.torn += self.begun.len() as u64;
        self.segment
    }

    /// The content, of one behind which more came, at that time: all of it was forwarded, and what cannot be read is damage.
    pub(super) fn forwarded(mut self, later: Option<u64>) -> Segment {
        if std::mem::take(&mut self.segment.torn) > 0 {
            let from = self.last_micros().unwrap_or(0);
            write_event(&mut self.begun, from, Code::Gap, &gap(from, later.unwrap_or(from).max(from)));
            self.segment.damaged += 1;
        }
        self.segment.lines.append(&mut self.begun);
        self.segment
    }

    /// Takes lines, with an annotation before them where something is missing since then.
    fn take(&mut self, lines: &[u8], missing: &mut Option<u64>) {
        if let Some(from) = missing.take() {
            let to = lines.split(|&byte| byte == b'\n').next().and_then(micros).unwrap_or(from);
            write_event(&mut self.segment.lines, from, Code::Gap, &gap(from, to));
        }
        self.begun.extend_from_slice(lines);
    }

    /// A damaged place: what stands before it may have ended there, and been forwarded.
    fn damaged(&mut self) {
        self.segment.lines.append(&mut self.begun);
        self.segment.damaged += 1;
    }

    fn last_micros(&self) -> Option<u64> {
        last_micros(&self.begun).or_else(|| self.segment.last_micros())
    }
}

/// A segment's content from its file's.
pub(super) fn segment_of(bytes: &[u8]) -> Recovered {
    let mut found = Recovered::default();
    let mut at = 0;
    // Since when bytes are missing.
    let mut missing: Option<u64> = None;
    while let Some((part, next)) = frame::part(bytes, at) {
        at = next;
        match part {
            Part::Frame(Frame::LinesBegun(lines)) => found.take(lines, &mut missing),
            Part::Frame(Frame::Lines(mark, lines)) => {
                found.take(lines, &mut missing);
                found.segment.lines.append(&mut found.begun);
                found.segment.mark = Some(mark);
            }
            Part::Frame(_) => {}
            Part::Damaged(_) => {
                found.damaged();
                missing = missing.or_else(|| Some(found.last_micros().unwrap_or(0)));
            }
            Part::Torn(range) => found.segment.torn = range.len() as u64,
        }
    }
    found
}

/// Of what the last line's frame and the mark by itself say, the newer. Digests are in the latter only, and of streams that
/// moved on since they are not known: the process died between two writes.
pub(super) fn last(of_lines: Option<Checkpoint>, alone: Option<Checkpoint>) -> Option<Checkpoint> {
    let (Some(of_lines), Some(alone)) = (of_lines, alone) else { return of_lines.or(alone) };
    let counts = |mark: &Checkpoint| [mark.totals.stdout, mark.totals.stderr, mark.totals.stdin];
    let age = |mark: &Checkpoint| (mark.micros, counts(mark).iter().sum::<u64>());
    if age(&alone) > age(&of_lines) {
        return Some(alone);
    }
    let mut digests = alone.digests;
    for (digest, (now, then)) in digests.iter_mut().zip(counts(&of_lines).into_iter().zip(counts(&alone))) {
        *digest = digest.filter(|_| now == then);
    }
    Some(Checkpoint { digests, ..of_lines })
}

/// What a `g` line says of bytes that are missing.
pub fn gap(from: u64, to: u64) -> String {
    format!("missing: what was said from {} s to {} s was damaged on the gateway's disk", seconds(from), seconds(to))
}

/// Whether there is no file but the first, and in that no frame that is whole: header and first fact are written and synced
/// at once, before anything else is.
pub(super) fn is_unopened(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() != "000000" {
            return Ok(false);
        }
    }
    let bytes = first_file(folder)?;
    Ok(!matches!(frame::part(&bytes, 0), Some((Part::Frame(_) | Part::Damaged(_), _))))
}

/// Nothing where there is none.
fn first_file(folder: &Path) -> io::Result<Vec<u8>> {
    match fs::read(segment(folder, 0)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// The facts; none where the header is not whole.
pub(super) fn facts(folder: &Path) -> Result<Option<SessionRecords>, SpoolError> {
    let bytes = first_file(folder).map_err(|error| SpoolError::failed("read", &segment(folder, 0), error))?;
    let (mut facts, mut begun, mut at) = (SessionRecords::default(), Vec::new(), 0);
    while let Some((part, next)) = frame::part(&bytes, at) {
        at = next;
        match part {
            Part::Frame(Frame::Header(line)) => facts.header = line.to_vec(),
            Part::Frame(Frame::FactBegun(json)) => begun.extend_from_slice(json),
            Part::Frame(Frame::SessionRecord(json)) => {
                begun.extend_from_slice(json);
                if let Ok(fact) = serde_json::from_slice::<SessionRecord>(&begun) {
                    facts.learn(fact);
                }
                begun.clear();
            }
            Part::Damaged(_) => begun.clear(),
            Part::Frame(_) | Part::Torn(_) => {}
        }
    }
    Ok((!facts.header.is_empty()).then_some(facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"[1.000000, \"o\", \"a\"]\n";

    fn begun() -> Vec<u8> {
        [&frame::begun_head(LINE)[..], LINE].concat()
    }

    fn ended() -> Vec<u8> {
        let mark = Checkpoint { micros: 1_000_000, ..Checkpoint::default() };
        [&frame::lines_head(&mark, LINE)[..], LINE].concat()
    }

    #[test]
    fn damage_before_an_append_that_never_ended_is_told() {
        let bytes = [ended(), vec![0xff; 20], begun()].concat();
        let segment = segment_of(&bytes).unforwarded();
        assert_eq!(segment.torn, LINE.len() as u64, "bytes of the file, and none of the annotation's");
        assert_eq!(segment.damaged, 1);
        let annotation = "[1.000000, \"g\", \"missing: what was said from 1.000000 s to 1.000000 s was damaged on the gateway's disk\"]\n";
        assert_eq!(String::from_utf8(segment.lines).unwrap(), String::from_utf8(LINE.to_vec()).unwrap() + annotation);
    }

    #[test]
    fn what_stands_before_damage_may_have_been_forwarded_and_stays() {
        let bytes = [begun(), vec![0xff; 20], begun()].concat();
        let segment = segment_of(&bytes).unforwarded();
        assert!(segment.lines.starts_with(LINE) && segment.lines.len() > LINE.len());
        assert_eq!((segment.torn, segment.damaged), (LINE.len() as u64, 1));
    }
}

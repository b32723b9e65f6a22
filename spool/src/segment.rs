//! Files `000001` and up of a session: the lines of one chunk each, as they were left, damage included.

use std::{fs, io, path::Path, time::SystemTime};

use crate::{
    Checkpoint, SpoolError, files,
    frame::{self, Frame, Part},
    record_file,
};
use recording::{
    Micros,
    cast::{Code, Event, write_event},
    seconds,
};

/// A segment's content.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Whole lines. Where frames were damaged a `g` line stands between them, which says from when to when.
    pub lines: Vec<u8>,
    /// The last checkpoint; `None` if no line is whole.
    pub checkpoint: Option<Checkpoint>,
    /// Bytes at the end that are no frame, and were never forwarded.
    pub torn: u64,
    /// Number of places where frames were damaged.
    pub damaged: usize,
    /// When its file was last written, by the disk's clock; `None` if the disk does not tell.
    pub written: Option<SystemTime>,
}

/// Time of the first line; `None` if there is none, or it is no event.
pub fn first_time(lines: &[u8]) -> Option<Micros> {
    time(lines.split(|&byte| byte == b'\n').next()?)
}

/// Time of the last line, likewise.
pub fn last_time(lines: &[u8]) -> Option<Micros> {
    time(lines.strip_suffix(b"\n")?.rsplit(|&byte| byte == b'\n').next()?)
}

fn time(line: &[u8]) -> Option<Micros> {
    Event::parse(line).ok().map(|event| event.time)
}

/// Numbers of the segments that are in a folder, in order. 0, which has the records, is not one.
pub(crate) fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().filter(|name| name.len() >= 6).and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.retain(|number| *number > 0);
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads a segment, whatever happened to it. `is_closed`: all of it is known to have been forwarded.
pub(crate) fn read(folder: &Path, number: u32, is_closed: bool) -> Result<Segment, SpoolError> {
    let found = read_one(folder, number)?;
    if found.is_whole() {
        return Ok(found.segment);
    }
    let later = next_time(folder, number)?;
    Ok(if is_closed || later.is_some() { found.forwarded(later) } else { found.unforwarded() })
}

fn read_one(folder: &Path, number: u32) -> Result<Recovered, SpoolError> {
    let path = files::numbered(folder, number);
    let failed = |error| SpoolError::failed("read", &path, error);
    let bytes = fs::read(&path).map_err(failed)?;
    let mut recovered = segment_of(&bytes);
    recovered.segment.written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    Ok(recovered)
}

/// The time of the first line behind segment `number`, or of the session's end; `None` if nothing came behind it.
fn next_time(folder: &Path, number: u32) -> Result<Option<Micros>, SpoolError> {
    let numbers = numbers(folder).map_err(|error| SpoolError::failed("read", folder, error))?;
    for later in numbers.into_iter().filter(|later| *later > number) {
        let Recovered { segment, .. } = read_one(folder, later)?;
        // Lines of an append that never ended do not count.
        if let Some(checkpoint) = segment.checkpoint {
            return Ok(Some(first_time(&segment.lines).unwrap_or(checkpoint.time)));
        }
    }
    let ended = record_file::read(folder)?.and_then(|records| records.ended);
    Ok(ended.map(|manifest| manifest.duration))
}

/// A segment's content, before it is known whether its end was forwarded.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    segment: Segment,
    /// Lines at its end whose append ends in a later segment, or nowhere.
    begun: Vec<u8>,
}

impl Recovered {
    fn is_whole(&self) -> bool {
        self.begun.is_empty() && self.segment.torn == 0
    }

    /// The content, if the last append never ended: nothing of that append was forwarded.
    pub(crate) fn unforwarded(mut self) -> Segment {
        self.segment.torn += self.begun.len() as u64;
        self.segment
    }

    /// The content, if more came behind it, at the time `later`: all of it was forwarded, and what cannot be read is damage.
    pub(crate) fn forwarded(mut self, later: Option<Micros>) -> Segment {
        if std::mem::take(&mut self.segment.torn) > 0 {
            let from = self.last_time().unwrap_or_default();
            write_event(&mut self.begun, from, Code::Gap, &gap(from, later.unwrap_or(from).max(from)));
            self.segment.damaged += 1;
        }
        self.segment.lines.append(&mut self.begun);
        self.segment
    }

    /// Takes lines. Where something is missing since a time, an annotation stands before them.
    fn take(&mut self, lines: &[u8], missing: &mut Option<Micros>) {
        if let Some(from) = missing.take() {
            let to = lines.split(|&byte| byte == b'\n').next().and_then(time).unwrap_or(from);
            write_event(&mut self.segment.lines, from, Code::Gap, &gap(from, to));
        }
        self.begun.extend_from_slice(lines);
    }

    /// Notes a damaged place: the append before it may have ended there, and been forwarded.
    fn damaged(&mut self) {
        self.segment.lines.append(&mut self.begun);
        self.segment.damaged += 1;
    }

    fn last_time(&self) -> Option<Micros> {
        last_time(&self.begun).or_else(|| last_time(&self.segment.lines))
    }
}

/// Reads a segment from its file's bytes.
pub(crate) fn segment_of(bytes: &[u8]) -> Recovered {
    let mut found = Recovered::default();
    let mut at = 0;
    // Since when bytes are missing.
    let mut missing: Option<Micros> = None;
    while let Some((part, next)) = frame::part(bytes, at) {
        at = next;
        match part {
            Part::Frame(Frame::LinesBegun(lines)) => found.take(lines, &mut missing),
            Part::Frame(Frame::Lines(checkpoint, lines)) => {
                found.take(lines, &mut missing);
                found.segment.lines.append(&mut found.begun);
                found.segment.checkpoint = Some(checkpoint);
            }
            Part::Frame(_) => {}
            Part::Damaged(_) => {
                found.damaged();
                missing = missing.or_else(|| Some(found.last_time().unwrap_or_default()));
            }
            Part::Torn(range) => found.segment.torn = range.len() as u64,
        }
    }
    found
}

/// The text of a `g` line about lines that are missing between two times.
pub fn gap(from: Micros, to: Micros) -> String {
    format!("missing: what was said from {} s to {} s was damaged on the gateway's disk", seconds(from), seconds(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"[1.000000, \"o\", \"a\"]\n";

    fn begun() -> Vec<u8> {
        [&frame::begun_head(LINE)[..], LINE].concat()
    }

    fn ended() -> Vec<u8> {
        let checkpoint = Checkpoint { time: Micros::from_secs(1), ..Checkpoint::default() };
        [&frame::lines_head(&checkpoint, LINE)[..], LINE].concat()
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

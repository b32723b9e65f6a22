use std::{borrow::Cow, fs::File, io, vec};

use recording::{
    Micros,
    cast::{Code, Event},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{ImportError, ImportLimits, header::ForeignHeader, lines::Lines};

/// The header of a file and its events, one after the other, with absolute times that never go back.
pub(crate) struct EventReader {
    pub(crate) header: ForeignHeader,
    pub(crate) oddities: Oddities,
    source: EventSource,
    limits: ImportLimits,
    now: Micros,
}

/// What was wrong with a file and did not keep it from being imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// Events with a time before the one before them: they were given its time.
    pub(crate) backwards: u64,
    /// Events of a code that is not known: they were left out.
    pub(crate) unknown: u64,
}

enum EventSource {
    /// v2 and v3: an event a line.
    Lines { lines: Lines, line: Vec<u8> },
    /// v1: all frames at once.
    Frames(vec::IntoIter<(f64, String)>),
}

/// A v1 file; what else is in it stays in the header.
#[derive(Deserialize)]
struct V1File {
    stdout: Vec<(f64, String)>,
    #[serde(flatten)]
    header: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct ForeignEventLine<'a>(f64, #[serde(borrow)] Cow<'a, str>, #[serde(borrow)] &'a RawValue);

impl EventReader {
    /// Reads the header.
    ///
    /// # Errors
    /// Why the file is no asciicast.
    pub(crate) fn open(
        file: File,
        limits: ImportLimits,
        tick: impl Fn(u64) + Send + 'static,
    ) -> Result<Self, ImportError> {
        let failed = |error: io::Error| ImportError::Compressed { line: 1, source: error };
        let mut lines = Lines::open(file, limits, tick).map_err(failed)?;
        let mut line = Vec::new();
        loop {
            if !lines.next(&mut line)? {
                return Err(ImportError::broken(1, "the file is empty"));
            }
            if !line.trim_ascii().is_empty() {
                break;
            }
        }
        let number = lines.number();
        let broken = |reason: String| ImportError::broken(number, reason);
        let (header, source) = match serde_json::from_slice::<Value>(&line) {
            Ok(whole) if whole.get("version").and_then(Value::as_u64) != Some(1) => {
                (ForeignHeader::new(whole).map_err(broken)?, EventSource::Lines { lines, line: Vec::new() })
            }
            Ok(_) => v1_file(&mut lines, line)?,
            // A v1 file may be written over many lines; one that begins like an object is given the chance.
            Err(_) if line.trim_ascii_start().starts_with(b"{") => v1_file(&mut lines, line)?,
            Err(_) => return Err(broken("it is no asciicast: the first line is no JSON object".to_owned())),
        };
        let length = header.whole.to_string().len();
        if length > limits.header_bytes {
            return Err(broken(format!("the header has {length} bytes; {} at most", limits.header_bytes)));
        }
        Ok(Self { header, oddities: Oddities::default(), source, limits, now: Micros::ZERO })
    }

    /// The next event; `None` at the end.
    ///
    /// # Errors
    /// A line that is no event, or a time that cannot be.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, ImportError> {
        match &mut self.source {
            EventSource::Frames(frames) => {
                let Some((delay, data)) = frames.next() else { return Ok(None) };
                self.now = self.after(delay, 1)?;
                Ok(Some(Event { time: self.now, code: Code::Output, data }))
            }
            EventSource::Lines { .. } => self.next_line(),
        }
    }

    fn next_line(&mut self) -> Result<Option<Event>, ImportError> {
        loop {
            let EventSource::Lines { lines, line } = &mut self.source else { return Ok(None) };
            if !lines.next(line)? {
                return Ok(None);
            }
            let (number, line) = (lines.number(), std::mem::take(line));
            // v3 has comments; an empty line is none in v2 either.
            let skipped = line.trim_ascii().is_empty() || (self.header.version == 3 && line.starts_with(b"#"));
            let event = if skipped { Ok(None) } else { self.event(number, &line) };
            if let EventSource::Lines { line: place, .. } = &mut self.source {
                *place = line;
            }
            if let Some(event) = event? {
                return Ok(Some(event));
            }
        }
    }

    /// The event of a line; `None` if its code is not known: its time counts all the same.
    fn event(&mut self, number: u64, line: &[u8]) -> Result<Option<Event>, ImportError> {
        let ForeignEventLine(seconds, name, data) =
            serde_json::from_slice(line).map_err(|error| syntax(number, line, &error))?;
        self.now = if self.header.version == 3 { self.after(seconds, number)? } else { self.at(seconds, number)? };
        let Some(code) = Code::from_name(&name) else {
            self.oddities.unknown += 1;
            return Ok(None);
        };
        let data: Cow<'_, str> = serde_json::from_str(data.get())
            .map_err(|_| ImportError::broken(number, format!("the data of the event {name:?} is no text")))?;
        Ok(Some(Event { time: self.now, code, data: data.into_owned() }))
    }

    /// The moment so long after the event before.
    fn after(&self, seconds: f64, number: u64) -> Result<Micros, ImportError> {
        let moment = self.now + self.time(seconds, number)?.to_duration();
        if moment > self.latest() { Err(self.too_late(moment.as_secs_f64(), number)) } else { Ok(moment) }
    }

    /// The moment so long after the start; one before the last event becomes that one's.
    fn at(&mut self, seconds: f64, number: u64) -> Result<Micros, ImportError> {
        let moment = self.time(seconds, number)?;
        if moment < self.now {
            self.oddities.backwards += 1;
        }
        Ok(moment.max(self.now))
    }

    fn time(&self, seconds: f64, number: u64) -> Result<Micros, ImportError> {
        let micros = (seconds * 1e6).round();
        if micros < 0.0 || !micros.is_finite() {
            return Err(ImportError::broken(number, format!("the time {seconds} is before the start")));
        }
        if micros > self.latest().get() as f64 {
            return Err(self.too_late(seconds, number));
        }
        Ok(Micros::new(micros as u64))
    }

    /// The latest time that an event may have.
    fn latest(&self) -> Micros {
        self.limits.duration.into()
    }

    fn too_late(&self, seconds: f64, number: u64) -> ImportError {
        let most = self.limits.duration.as_secs();
        ImportError::broken(number, format!("the time {seconds} s is too late: a recording lasts {most} s at most"))
    }
}

fn v1_file(lines: &mut Lines, mut whole: Vec<u8>) -> Result<(ForeignHeader, EventSource), ImportError> {
    let number = lines.number();
    lines.rest(&mut whole)?;
    let broken = |line: u64, reason: String| ImportError::broken(line, reason);
    let first: V1File = serde_json::from_slice(&whole).map_err(|error| {
        let line = number + (error.line() as u64).saturating_sub(1);
        broken(line, format!("it is no asciicast v1: {}", place(&error)))
    })?;
    let header = ForeignHeader::new(Value::Object(first.header)).map_err(|reason| broken(number, reason))?;
    if header.version != 1 {
        return Err(broken(number, "the header of v2 and v3 stands on a line of its own".to_owned()));
    }
    Ok((header, EventSource::Frames(first.stdout.into_iter())))
}

fn syntax(number: u64, line: &[u8], error: &serde_json::Error) -> ImportError {
    let reason = match std::str::from_utf8(line) {
        Err(bad) => format!("byte {} is no UTF-8", bad.valid_up_to() + 1),
        Ok(_) if error.is_eof() => "it is cut off in the middle of an event".to_owned(),
        Ok(_) => format!("it is no event [time, code, data]: {}", place(error)),
    };
    ImportError::broken(number, reason)
}

/// The message without serde's own place, which counts lines within what it was given; the column is kept. Nothing of the
/// content is in it.
fn place(error: &serde_json::Error) -> String {
    let category = match error.classify() {
        serde_json::error::Category::Data => "a value of another kind",
        serde_json::error::Category::Eof => "an end in the middle",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
    };
    format!("{category} at column {}", error.column())
}

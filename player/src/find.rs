use recording::{
    RecordingId,
    cast::{Header, events},
};
use serde::Serialize;
use storage::RecordingReader;
use transcript::{Bounds, Line, Lines};

use crate::{
    PlayerError, off,
    projector::label,
    timeline::{Next, next},
};

/// Places that are told of; a text that is everywhere is not looked for to the end.
const PLACES: usize = 500;

/// Where a text was shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindResult {
    /// In order of time.
    pub places: Vec<FoundLine>,
    /// There are more than these.
    pub more: bool,
}

/// A line in which it was shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundLine {
    /// Seconds from the start to the moment at which the line stood there.
    pub offset: f64,
    /// The line, cut where it is long.
    pub text: String,
}

/// Goes through what a person could have read of the recording.
pub(crate) async fn find(
    recordings: &RecordingReader,
    header: &Header,
    id: RecordingId,
    text: &str,
) -> Result<FindResult, PlayerError> {
    let mut chunks = recordings.chunks(id).await?;
    let mut search = Search::new(header.kubetape.tty, text);
    loop {
        match next(&mut chunks).await? {
            Next::End => break,
            Next::Lines(_, lines) => search = off(move || search.chunk(&lines)).await?,
            Next::Gap(..) | Next::Unreadable(_) => {}
        }
        if search.found.more {
            return Ok(search.found);
        }
    }
    off(move || search.finish()).await
}

struct Search {
    needle: String,
    lines: Lines,
    found: FindResult,
}

impl Search {
    fn new(tty: bool, text: &str) -> Self {
        let found = FindResult { places: Vec::new(), more: false };
        Self { needle: text.to_lowercase(), lines: Lines::new(tty, Bounds::NONE), found }
    }

    fn chunk(mut self, lines: &[u8]) -> Self {
        let Self { needle, lines: reader, found } = &mut self;
        for event in events(lines).filter_map(Result::ok) {
            reader.event(&event, &mut |line| take(found, needle, &line));
            if found.more {
                break;
            }
        }
        self
    }

    fn finish(self) -> FindResult {
        let Self { needle, lines, mut found } = self;
        lines.finish(&mut |line| take(&mut found, &needle, &line));
        found
    }
}

fn take(found: &mut FindResult, needle: &str, line: &Line) {
    if !line.text.to_lowercase().contains(needle) {
        return;
    }
    if found.places.len() < PLACES {
        found.places.push(FoundLine { offset: line.micros as f64 / 1e6, text: label(&line.text) });
    } else {
        found.more = true;
    }
}

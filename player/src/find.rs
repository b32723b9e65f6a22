use recording::{
    RecordingId,
    cast::{Header, events},
};
use serde::Serialize;
use storage::RecordingReader;
use transcript::{Bounds, Line, Lines};

use crate::{
    PlayerError,
    blocking::blocking,
    chunk_read::{ChunkRead, read_chunk},
    projector::label,
};

/// Most lines that are returned; the search ends at the next one.
const MAX_LINES: usize = 500;

/// The lines that contain a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FindResult {
    /// In order of time.
    pub places: Vec<FoundLine>,
    /// True if the recording has more such lines.
    pub more: bool,
}

/// A line that contains the text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundLine {
    /// Seconds from the start to the time the line stood on the screen.
    pub offset: f64,
    /// The line, cut if it is long.
    pub text: String,
}

/// Searches the lines that a person could have read.
pub(crate) async fn find(
    recordings: &RecordingReader,
    header: &Header,
    id: RecordingId,
    text: &str,
) -> Result<FindResult, PlayerError> {
    let mut chunks = recordings.chunks(id).await?;
    let mut search = LineSearch::new(header.kubetape.tty, text);
    loop {
        match read_chunk(&mut chunks).await? {
            ChunkRead::End => break,
            ChunkRead::Lines(_, lines) => search = blocking(move || search.chunk(&lines)).await?,
            ChunkRead::Gap(..) | ChunkRead::Unreadable(_) => {}
        }
        if search.found.more {
            return Ok(search.found);
        }
    }
    blocking(move || search.finish()).await
}

struct LineSearch {
    needle: String,
    lines: Lines,
    found: FindResult,
}

impl LineSearch {
    fn new(tty: bool, text: &str) -> Self {
        let found = FindResult { places: Vec::new(), more: false };
        Self { needle: text.to_lowercase(), lines: Lines::new(tty, Bounds::NONE), found }
    }

    fn chunk(mut self, lines: &[u8]) -> Self {
        let Self { needle, lines: reader, found } = &mut self;
        for event in events(lines).filter_map(Result::ok) {
            reader.event(&event, &mut |line| push_if_found(found, needle, &line));
            if found.more {
                break;
            }
        }
        self
    }

    fn finish(self) -> FindResult {
        let Self { needle, lines, mut found } = self;
        lines.finish(&mut |line| push_if_found(&mut found, &needle, &line));
        found
    }
}

fn push_if_found(found: &mut FindResult, needle: &str, line: &Line) {
    if !line.text.to_lowercase().contains(needle) {
        return;
    }
    if found.places.len() < MAX_LINES {
        found.places.push(FoundLine { offset: line.time.as_secs_f64(), text: label(&line.text) });
    } else {
        found.more = true;
    }
}

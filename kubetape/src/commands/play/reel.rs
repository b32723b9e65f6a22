use std::{collections::VecDeque, time::Duration};

use anyhow::Result;
use recording::{
    Manifest, RecordingId,
    cast::{Code, Event, Header, events},
};
use storage::{
    RecordingReader,
    recordings::{Chunks, Piece},
};

use super::commands::Commands;

/// Between two looks for what has been stored of a session that goes on.
pub const LOOK: Duration = Duration::from_millis(500);

/// A recording's events for a terminal, read chunk by chunk.
pub struct PlaybackCursor {
    recordings: RecordingReader,
    id: RecordingId,
    pub header: Header,
    pub manifest: Option<Manifest>,
    chunks: Chunks,
    /// The last chunk that was read.
    last: u32,
    ready: VecDeque<Shown>,
    commands: Commands,
}

/// Something to show at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Microseconds since the start.
    pub micros: u64,
    /// What.
    pub what: What,
}

/// What there is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Bytes for the terminal.
    Output(Vec<u8>),
    /// Bytes of stderr.
    Errors(Vec<u8>),
    /// The recorded terminal's new size.
    Size(u16, u16),
    /// A gap.
    Note(String),
}

impl PlaybackCursor {
    /// Opens a recording at its beginning.
    pub async fn open(recordings: &RecordingReader, id: RecordingId) -> Result<Self> {
        let (header, manifest) = (recordings.header(id).await?, recordings.manifest(id).await?);
        Ok(Self {
            commands: Commands::new(&header, manifest.as_ref()),
            header,
            manifest,
            chunks: recordings.chunks(id).await?,
            last: 0,
            ready: VecDeque::new(),
            recordings: recordings.clone(),
            id,
        })
    }

    /// Length in microseconds, where it is known.
    pub fn length(&self) -> Option<u64> {
        self.manifest.as_ref().map(|manifest| manifest.duration_micros)
    }

    /// The next thing to show, without taking it.
    pub async fn peek(&mut self) -> Result<Option<&Shown>> {
        while self.ready.is_empty() {
            match self.chunks.next().await {
                Ok(None) => return Ok(None),
                Ok(Some(Piece::Lines { number, lines })) => {
                    self.last = number;
                    self.take(&lines);
                }
                Ok(Some(Piece::Gap { from, to })) => {
                    self.last = to;
                    self.note(format!("chunks {from} to {to} of the recording are missing"));
                }
                Err(error) => {
                    self.last += 1;
                    self.note(format!("{:#}", anyhow::Error::new(error)));
                }
            }
        }
        Ok(self.ready.front())
    }

    /// The command that was entered last at a moment, as far as the recording was read.
    pub fn command_at(&self, micros: u64) -> Option<&str> {
        self.commands.at(micros)
    }

    /// Takes it.
    pub async fn next(&mut self) -> Result<Option<Shown>> {
        self.peek().await?;
        Ok(self.ready.pop_front())
    }

    /// Goes to a moment: what comes next is the first thing after it.
    pub async fn seek(&mut self, micros: u64) -> Result<()> {
        let chunks = self.manifest.iter().flat_map(|manifest| &manifest.chunks);
        let before =
            chunks.filter(|chunk| chunk.number > 0 && chunk.last_micros < micros).map(|chunk| chunk.number).max();
        self.last = before.unwrap_or(0);
        self.chunks = self.recordings.chunks_after(self.id, self.last).await?;
        self.ready.clear();
        while self.peek().await?.is_some_and(|shown| shown.micros <= micros) {
            self.ready.pop_front();
        }
        Ok(())
    }

    /// Goes to the beginning.
    pub async fn rewind(&mut self) -> Result<()> {
        self.last = 0;
        self.chunks = self.recordings.chunks(self.id).await?;
        self.ready.clear();
        Ok(())
    }

    /// Looks for what was stored of a session that went on, after everything was shown. Once there is a manifest, nothing
    /// will come after what it lists.
    pub async fn look(&mut self) -> Result<()> {
        self.manifest = self.recordings.manifest(self.id).await?;
        if self.manifest.is_some() {
            self.commands = Commands::new(&self.header, self.manifest.as_ref());
        }
        self.chunks = self.recordings.chunks_after(self.id, self.last).await?;
        Ok(())
    }

    fn take(&mut self, lines: &[u8]) {
        for event in events(lines) {
            if let Ok(Event { code: Code::Marker, micros, data }) = &event {
                self.commands.learn(*micros, data);
            }
            self.ready.extend(shown(event));
        }
    }

    fn note(&mut self, text: String) {
        self.ready.push_back(Shown { micros: 0, what: What::Note(text) });
    }
}

/// What of a line is for a terminal; a damaged one is said.
fn shown(event: Result<Event, recording::cast::CastError>) -> Option<Shown> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Some(Shown { micros: 0, what: What::Note(error.to_string()) }),
    };
    let what = match event.code {
        Code::Output | Code::Stderr | Code::Bytes => match event.bytes()? {
            (Code::Output, bytes) => What::Output(bytes.into_owned()),
            (Code::Stderr, bytes) => What::Errors(bytes.into_owned()),
            _ => return None,
        },
        Code::Resize => event.size().map(|(width, height)| What::Size(width, height))?,
        Code::Gap => What::Note(event.data),
        Code::Input | Code::Marker | Code::Exit | Code::Port => return None,
    };
    Some(Shown { micros: event.micros, what })
}

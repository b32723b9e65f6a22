use std::{collections::VecDeque, time::Duration};

use anyhow::Result;
use recording::{
    Manifest, Micros, RecordingId,
    cast::{Code, Event, Header, events},
};
use storage::{
    RecordingReader,
    recordings::{ChunkOrGap, Chunks},
};

use super::commands::EnteredCommands;

/// Time between two looks for what has been stored of a live session.
pub const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// A recording's events for a terminal, read chunk by chunk.
pub struct PlaybackCursor {
    recordings: RecordingReader,
    id: RecordingId,
    pub header: Header,
    pub manifest: Option<Manifest>,
    chunks: Chunks,
    /// The last chunk that was read.
    last: u32,
    ready: VecDeque<ScreenEvent>,
    commands: EnteredCommands,
}

/// What the screen does at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScreenEvent {
    /// When it happens.
    pub time: Micros,
    /// What changes.
    pub change: ScreenChange,
}

/// A change of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScreenChange {
    /// Bytes for the terminal.
    Output(Vec<u8>),
    /// Bytes of stderr.
    Errors(Vec<u8>),
    /// The recorded terminal's new size.
    Size(u16, u16),
    /// A gap, or a damaged line.
    Note(String),
}

impl PlaybackCursor {
    /// Opens a recording at its beginning.
    pub async fn open(recordings: &RecordingReader, id: RecordingId) -> Result<Self> {
        let (header, manifest) = (recordings.header(id).await?, recordings.manifest(id).await?);
        Ok(Self {
            commands: EnteredCommands::new(&header, manifest.as_ref()),
            header,
            manifest,
            chunks: recordings.chunks(id).await?,
            last: 0,
            ready: VecDeque::new(),
            recordings: recordings.clone(),
            id,
        })
    }

    /// Length, or `None` while the session is live.
    pub fn length(&self) -> Option<Micros> {
        self.manifest.as_ref().map(|manifest| manifest.duration)
    }

    /// The next event, without taking it.
    pub async fn peek(&mut self) -> Result<Option<&ScreenEvent>> {
        while self.ready.is_empty() {
            match self.chunks.next().await {
                Ok(None) => return Ok(None),
                Ok(Some(ChunkOrGap::Lines { number, lines })) => {
                    self.last = number;
                    self.take(&lines);
                }
                Ok(Some(ChunkOrGap::Gap { from, to })) => {
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
    pub fn command_at(&self, time: Micros) -> Option<&str> {
        self.commands.at(time)
    }

    /// Takes the next event.
    pub async fn next(&mut self) -> Result<Option<ScreenEvent>> {
        self.peek().await?;
        Ok(self.ready.pop_front())
    }

    /// Goes to a moment: the next event is the first one after it.
    pub async fn seek(&mut self, time: Micros) -> Result<()> {
        let chunks = self.manifest.iter().flat_map(|manifest| &manifest.chunks);
        let before = chunks.filter(|chunk| chunk.number > 0 && chunk.last < time).map(|chunk| chunk.number).max();
        self.last = before.unwrap_or(0);
        self.chunks = self.recordings.chunks_after(self.id, self.last).await?;
        self.ready.clear();
        while self.peek().await?.is_some_and(|event| event.time <= time) {
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

    /// Looks for what was stored of a live session after everything was shown. Once there is a manifest, nothing comes after
    /// what it lists.
    pub async fn poll(&mut self) -> Result<()> {
        self.manifest = self.recordings.manifest(self.id).await?;
        if self.manifest.is_some() {
            self.commands = EnteredCommands::new(&self.header, self.manifest.as_ref());
        }
        self.chunks = self.recordings.chunks_after(self.id, self.last).await?;
        Ok(())
    }

    fn take(&mut self, lines: &[u8]) {
        for event in events(lines) {
            if let Ok(Event { code: Code::Marker, time, data }) = &event {
                self.commands.learn(*time, data);
            }
            self.ready.extend(screen_event(event));
        }
    }

    fn note(&mut self, text: String) {
        self.ready.push_back(ScreenEvent { time: Micros::ZERO, change: ScreenChange::Note(text) });
    }
}

/// The event of a line, or `None` if the line is not for a terminal. A damaged line becomes a note.
fn screen_event(event: Result<Event, recording::cast::CastError>) -> Option<ScreenEvent> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Some(ScreenEvent { time: Micros::ZERO, change: ScreenChange::Note(error.to_string()) }),
    };
    let change = match event.code {
        Code::Output | Code::Stderr | Code::Bytes => match event.bytes()? {
            (Code::Output, bytes) => ScreenChange::Output(bytes.into_owned()),
            (Code::Stderr, bytes) => ScreenChange::Errors(bytes.into_owned()),
            _ => return None,
        },
        Code::Resize => event.size().map(|(width, height)| ScreenChange::Size(width, height))?,
        Code::Gap => ScreenChange::Note(event.data),
        Code::Input | Code::Marker | Code::Exit | Code::Port => return None,
    };
    Some(ScreenEvent { time: event.time, change })
}

use storage::{
    Chunk, Command, CommandSource, Manifest, Outcome, RecordingError, RecordingId, Recordings, StreamTotals,
    cast::{Code, Event, Session, events},
};

use crate::opened::argv_command;

/// Most commands and remarks of a manifest, as for a session that ended.
const COMMANDS: usize = 10_000;
const REMARKS: usize = 100;

/// What a recording's lines say of it, for the manifest of one that nobody ended.
#[derive(Debug, Default)]
pub(crate) struct Gist {
    size: Option<(u16, u16)>,
    totals: StreamTotals,
    commands: Vec<Command>,
    remarks: Vec<String>,
    exit: Option<i64>,
    last_micros: u64,
}

impl Gist {
    /// Reads the listed chunks. One that cannot be read is a remark.
    pub(crate) async fn of(recordings: &Recordings, id: RecordingId, chunks: &[Chunk]) -> Result<Self, RecordingError> {
        let mut gist = Self::default();
        for number in chunks.iter().map(|chunk| chunk.number).filter(|number| *number > 0) {
            match recordings.chunk(id, number).await {
                Ok(lines) => events(&lines).flatten().for_each(|event| gist.event(&event)),
                Err(error @ RecordingError::Store(_)) => return Err(error),
                Err(error) => gist.remarks.push(error.to_string()),
            }
        }
        Ok(gist)
    }

    fn event(&mut self, event: &Event) {
        self.last_micros = self.last_micros.max(event.micros);
        if let Some((stream, bytes)) = event.bytes() {
            let total = match stream {
                Code::Output => &mut self.totals.stdout,
                Code::Stderr => &mut self.totals.stderr,
                _ => &mut self.totals.stdin,
            };
            *total += bytes.len() as u64;
        }
        match event.code {
            Code::Resize => self.size = self.size.or_else(|| event.size()),
            Code::Marker if self.commands.len() < COMMANDS => self.commands.push(Command {
                micros: event.micros,
                source: CommandSource::Typed,
                text: event.data.clone(),
                typed: None,
            }),
            Code::Gap if self.remarks.len() < REMARKS => self.remarks.push(event.data.clone()),
            Code::Exit => self.exit = event.data.parse().ok(),
            _ => {}
        }
    }

    /// The outcome that an `x` event tells.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.exit.map(|exit_code| Outcome::Exited { exit_code })
    }

    /// The manifest, without chunks.
    pub(crate) fn manifest(self, session: Session, outcome: Outcome, transport: String) -> Manifest {
        let (width, height) = self.size.unwrap_or((80, 24));
        let commands = argv_command(&session).into_iter().chain(self.commands).collect();
        Manifest {
            format: 1,
            ended_micros: session.started_micros.saturating_add_unsigned(self.last_micros),
            duration_micros: self.last_micros,
            outcome,
            width,
            height,
            totals: self.totals,
            contents: storage::Contents::default(),
            image: String::new(),
            chunks: Vec::new(),
            commands,
            anomalies: self.remarks,
            transport,
            session,
        }
    }
}

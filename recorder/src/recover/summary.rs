use recording::{
    Chunk, Command, CommandSource, Contents, Manifest, Omission, Outcome, RecordingId, StreamDigests, StreamTotals,
    cast::{Code, Event, SessionMetadata, events},
    hex,
};
use sha2::Digest;
use spool::Checkpoint;
use storage::{RecordingError, RecordingReader};

use crate::{
    recover::recovered_tail::bytes_of, session::encoder::STREAMS, session::open_recording::argv_command,
    streams::digests::Digests, streams::ports::Told,
};

/// Most commands and annotations of a manifest, as for a session that ended.
const COMMANDS: usize = 10_000;
const ANNOTATIONS: usize = 100;

/// What a recording's lines say of it, for the manifest of one that nobody ended.
#[derive(Debug, Default)]
pub(crate) struct RecoveredSummary {
    size: Option<(u16, u16)>,
    totals: StreamTotals,
    digests: Digests,
    commands: Vec<Command>,
    annotations: Vec<String>,
    omitted: Vec<Omission>,
    ports: Told,
    exit: Option<i64>,
    last_micros: u64,
}

impl RecoveredSummary {
    /// Reads the listed chunks. One that cannot be read is an annotation.
    pub(crate) async fn of(
        recordings: &RecordingReader,
        id: RecordingId,
        chunks: &[Chunk],
    ) -> Result<Self, RecordingError> {
        let mut gist = Self::default();
        for number in chunks.iter().map(|chunk| chunk.number).filter(|number| *number > 0) {
            match recordings.chunk(id, number).await {
                Ok(lines) => events(&lines).flatten().for_each(|event| gist.event(&event)),
                Err(error @ RecordingError::Store(_)) => return Err(error),
                Err(error) => gist.annotations.push(error.to_string()),
            }
        }
        Ok(gist)
    }

    fn event(&mut self, event: &Event) {
        self.last_micros = self.last_micros.max(event.micros);
        if let Some((stream, bytes)) = event.bytes() {
            let (total, digest) = match stream {
                Code::Output => (&mut self.totals.stdout, &mut self.digests.stdout),
                Code::Stderr => (&mut self.totals.stderr, &mut self.digests.stderr),
                _ => (&mut self.totals.stdin, &mut self.digests.stdin),
            };
            *total += bytes.len() as u64;
            digest.update(&bytes);
        }
        match event.code {
            Code::Resize => self.size = self.size.or_else(|| event.size()),
            Code::Marker if self.commands.len() < COMMANDS => self.commands.push(Command {
                micros: event.micros,
                source: CommandSource::Typed,
                text: event.data.clone(),
                typed: None,
            }),
            Code::Gap => self.annotation(&event.data),
            Code::Port => serde_json::from_str(&event.data).into_iter().for_each(|told| self.ports.take(told)),
            Code::Exit => self.exit = event.data.parse().ok(),
            _ => {}
        }
    }

    fn annotation(&mut self, text: &str) {
        let omission = Omission::parse(text);
        // One of each stream, whoever wrote the lines.
        if self.omitted.len() < STREAMS.len() {
            self.omitted.extend(omission);
        }
        if self.annotations.len() < ANNOTATIONS {
            self.annotations.push(text.to_owned());
        }
    }

    /// Digests of all bytes that the mark counts, where all three are known: the mark's, or the lines' of a stream that is
    /// wholly in them.
    pub(crate) fn digests(&self, mark: &Checkpoint) -> Option<StreamDigests> {
        let of_lines = self.digests.so_far();
        let [stdout, stderr, stdin] = mark.digests.map(|digest| digest.map(hex));
        let whole = |code, of_lines| (bytes_of(code, &self.totals) == bytes_of(code, &mark.totals)).then_some(of_lines);
        Some(StreamDigests {
            stdin: stdin.or_else(|| whole(Code::Input, of_lines.stdin))?,
            stdout: stdout.or_else(|| whole(Code::Output, of_lines.stdout))?,
            stderr: stderr.or_else(|| whole(Code::Stderr, of_lines.stderr))?,
        })
    }

    /// The outcome that an `x` event tells.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.exit.map(|exit_code| Outcome::Exited { exit_code })
    }

    /// The manifest, without chunks.
    pub(crate) fn manifest(self, session: SessionMetadata, outcome: Outcome, transport: String) -> Manifest {
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
            contents: Contents { omitted: self.omitted, ports: self.ports.sums(), ..Contents::default() },
            image: String::new(),
            chunks: Vec::new(),
            commands,
            anomalies: self.annotations,
            transport,
            session,
        }
    }
}

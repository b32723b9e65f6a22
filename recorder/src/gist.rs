use sha2::Digest;
use storage::{
    Chunk, Command, CommandSource, Contents, Manifest, Omission, Outcome, RecordingError, RecordingId, Recordings,
    StreamDigests, StreamTotals,
    cast::{Code, Event, Session, events},
    chunk::hex,
    spool::Mark,
};

use crate::{digest::Digests, opened::argv_command, rest::bytes_of, tape::STREAMS};

/// Most commands and remarks of a manifest, as for a session that ended.
const COMMANDS: usize = 10_000;
const REMARKS: usize = 100;

/// What a recording's lines say of it, for the manifest of one that nobody ended.
#[derive(Debug, Default)]
pub(crate) struct Gist {
    size: Option<(u16, u16)>,
    totals: StreamTotals,
    digests: Digests,
    commands: Vec<Command>,
    remarks: Vec<String>,
    omitted: Vec<Omission>,
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
            Code::Gap => self.remark(&event.data),
            Code::Exit => self.exit = event.data.parse().ok(),
            _ => {}
        }
    }

    fn remark(&mut self, text: &str) {
        let omission = Omission::parse(text);
        // One of each stream, whoever wrote the lines.
        if self.omitted.len() < STREAMS.len() {
            self.omitted.extend(omission);
        }
        if self.remarks.len() < REMARKS {
            self.remarks.push(text.to_owned());
        }
    }

    /// What the spool knew beside the lines: bytes that crossed, and digests where all three are known. Those of a stream
    /// that is wholly in the lines are theirs.
    pub(crate) fn complement(&self, mark: &Mark) -> (StreamTotals, Option<StreamDigests>) {
        let of_lines = self.digests.so_far();
        let known = STREAMS.into_iter().zip(mark.digests).zip([of_lines.stdout, of_lines.stderr, of_lines.stdin]);
        let mut digests = known.map(|((code, digest), of_lines)| {
            let whole = bytes_of(code, &self.totals) == bytes_of(code, &mark.totals);
            digest.map(hex).or_else(|| whole.then_some(of_lines))
        });
        let mut next = || digests.next().flatten();
        let digests = match (next(), next(), next()) {
            (Some(stdout), Some(stderr), Some(stdin)) => Some(StreamDigests { stdin, stdout, stderr }),
            _ => None,
        };
        (mark.totals, digests)
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
            contents: Contents { omitted: self.omitted, ..Contents::default() },
            image: String::new(),
            chunks: Vec::new(),
            commands,
            anomalies: self.remarks,
            transport,
            session,
        }
    }
}

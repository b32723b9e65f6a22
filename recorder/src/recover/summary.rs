use recording::{
    Chunk, Command, CommandSource, Contents, Manifest, Micros, Omission, Outcome, RecordingId, StreamDigests,
    StreamTotals,
    cast::{Code, Event, SessionMetadata, events},
    hex,
};
use spool::{Checkpoint, StdStream};
use storage::{RecordingError, RecordingReader};

use crate::{
    argv::argv_command,
    blocking::blocking,
    manifest_limits::{ANNOTATIONS, COMMAND_BYTES, COMMANDS, TYPED_BYTES},
    streams::{digests::Digests, ports::ReportedPorts},
};

/// Most bytes of an annotation; a longer one is cut. The recorder's own are shorter, unless a server's last word is long.
const ANNOTATION_BYTES: usize = 8 << 10;

/// What a recording's lines say of it, for the manifest of a session that nobody ended.
///
/// The lines may be forged: everything that is kept of them is bounded, in number and in bytes.
#[derive(Debug, Default)]
pub(crate) struct RecoveredSummary {
    size: Option<(u16, u16)>,
    totals: StreamTotals,
    digests: Digests,
    commands: Vec<Command>,
    command_bytes: usize,
    annotations: Vec<String>,
    omitted: Vec<Omission>,
    ports: ReportedPorts,
    exit: Option<i64>,
    last: Micros,
}

impl RecoveredSummary {
    /// Reads the listed chunks from the store. One that cannot be read is an annotation.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn read(
        reader: &RecordingReader,
        id: RecordingId,
        chunks: &[Chunk],
    ) -> Result<Self, RecordingError> {
        let mut summary = Self::default();
        for number in chunks.iter().map(|chunk| chunk.number).filter(|number| *number > 0) {
            match reader.chunk(id, number).await {
                Ok(lines) => summary = summary.with_lines(lines).await,
                Err(error @ RecordingError::Store(_)) => return Err(error),
                Err(error) => summary.annotate(&error.to_string()),
            }
        }
        Ok(summary)
    }

    /// Takes a chunk's lines.
    pub(crate) async fn with_lines(mut self, lines: Vec<u8>) -> Self {
        blocking(move || {
            events(&lines).flatten().for_each(|event| self.take(&event));
            self
        })
        .await
    }

    fn take(&mut self, event: &Event) {
        self.last = self.last.max(event.time);
        if let Some((code, bytes)) = event.bytes()
            && let Some(stream) = StdStream::from_code(code)
        {
            let total = match stream {
                StdStream::Stdout => &mut self.totals.stdout,
                StdStream::Stderr => &mut self.totals.stderr,
                StdStream::Stdin => &mut self.totals.stdin,
            };
            *total += bytes.len() as u64;
            self.digests.update(stream, &bytes);
        }
        match event.code {
            Code::Resize => self.size = self.size.or_else(|| event.size()),
            Code::Marker => self.command(event),
            Code::Gap => self.annotate(&event.data),
            Code::Port => {
                serde_json::from_str(&event.data).into_iter().for_each(|connection| self.ports.take(connection))
            }
            Code::Exit => self.exit = event.data.parse().ok(),
            Code::Output | Code::Stderr | Code::Input | Code::Bytes => {}
        }
    }

    /// Lists a typed command, while there is room as in the manifest of a session that ended.
    fn command(&mut self, event: &Event) {
        let text = cut(&event.data, COMMAND_BYTES);
        self.command_bytes = self.command_bytes.saturating_add(text.len());
        if self.commands.len() < COMMANDS && self.command_bytes <= TYPED_BYTES {
            let (time, source, text) = (event.time, CommandSource::Typed, text.to_owned());
            self.commands.push(Command { time, source, text, typed: None });
        }
    }

    /// Adds an annotation, while there is room.
    pub(crate) fn annotate(&mut self, text: &str) {
        let text = cut(text, ANNOTATION_BYTES);
        // A recorder writes one for each stream at most.
        if self.omitted.len() < StdStream::ALL.len() {
            self.omitted.extend(Omission::parse(text));
        }
        if self.annotations.len() < ANNOTATIONS {
            self.annotations.push(text.to_owned());
        }
    }

    /// Digests of all bytes that the checkpoint counts; `None` if one of the three is not known. They are the checkpoint's, or
    /// those of the lines if a stream is wholly in them.
    pub(crate) fn digests(&self, checkpoint: &Checkpoint) -> Option<StreamDigests> {
        let of_lines = self.digests.so_far();
        let [stdout, stderr, stdin] = checkpoint.digests.map(|digest| digest.map(hex));
        let whole = |stream: StdStream, of_lines| {
            (stream.total(&self.totals) == stream.total(&checkpoint.totals)).then_some(of_lines)
        };
        Some(StreamDigests {
            stdin: stdin.or_else(|| whole(StdStream::Stdin, of_lines.stdin))?,
            stdout: stdout.or_else(|| whole(StdStream::Stdout, of_lines.stdout))?,
            stderr: stderr.or_else(|| whole(StdStream::Stderr, of_lines.stderr))?,
        })
    }

    /// The outcome that an `x` event tells; `None` if there was none.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.exit.map(|exit_code| Outcome::Exited { exit_code })
    }

    /// The manifest, without chunks.
    pub(crate) fn manifest(self, session: SessionMetadata, outcome: Outcome, transport: String) -> Manifest {
        let (width, height) = self.size.unwrap_or((80, 24));
        let commands = argv_command(&session).into_iter().chain(self.commands).collect();
        Manifest {
            format: 1,
            ended: session.started + self.last,
            duration: self.last,
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

fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

use recording::{
    Micros,
    cast::{CastError, Code, Event, Header, PortConnection, PortState, events},
};
use serde::{Deserialize, Serialize};
use transcript::Utf8Decoder;

use crate::terminal_size::TerminalSize;

/// Most characters of a marker's label; the rest is cut off.
const LABEL_CHARS: usize = 200;

/// Without a terminal, stderr is a stream of its own; it is shown in light red.
const STDERR_COLOR: &str = "\x1b[91m";
/// Ends [`STDERR_COLOR`].
const DEFAULT_COLOR: &str = "\x1b[39m";

/// What one event of a recording does to a viewer's screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProjectedEvent {
    Output(String),
    Resize(TerminalSize),
    Marker(String),
}

/// An event's position in a recording: the number of its chunk, and its own number in that chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct EventPosition {
    pub(crate) chunk: u32,
    pub(crate) event: usize,
}

/// The chunk's events with their positions, from event number `from` on.
pub(crate) fn positioned_events(
    chunk: u32,
    lines: &[u8],
    from: usize,
) -> impl Iterator<Item = (EventPosition, Result<Event, CastError>)> {
    events(lines).enumerate().skip(from).map(move |(event, read)| (EventPosition { chunk, event }, read))
}

/// Turns a recording's events into what a viewer sees. A copy that was kept with a position continues from there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Projector {
    tty: bool,
    stdout: Utf8Decoder,
    stderr: Utf8Decoder,
    /// The last character shown was a carriage return.
    returned: bool,
    now: Micros,
}

impl Projector {
    pub(crate) fn new(header: &Header) -> Self {
        let tty = header.kubetape.tty;
        Self { tty, stdout: Utf8Decoder::default(), stderr: Utf8Decoder::default(), returned: false, now: Micros::ZERO }
    }

    /// Time of the newest event so far.
    pub(crate) fn now(&self) -> Micros {
        self.now
    }

    /// The event's time: at least [`Self::now`], whatever the recording says.
    pub(crate) fn time(&self, event: &Result<Event, CastError>) -> Micros {
        event.as_ref().map_or(self.now, |event| event.time.max(self.now))
    }

    /// What the event shows, or `None` if a viewer sees nothing of it. Advances [`Self::now`] to the event's time.
    pub(crate) fn project(&mut self, event: &Result<Event, CastError>) -> Option<ProjectedEvent> {
        self.now = self.time(event);
        match event {
            Ok(event) => self.event(event),
            Err(_) => Some(self.notice("a line of the recording is damaged")),
        }
    }

    /// A notice for the missing chunks `from` to `to`.
    pub(crate) fn gap(&mut self, from: u32, to: u32) -> ProjectedEvent {
        if from == to {
            self.notice(&format!("chunk {from} of the recording is missing"))
        } else {
            self.notice(&format!("chunks {from} to {to} of the recording are missing"))
        }
    }

    /// A notice for a chunk that is stored and cannot be read.
    pub(crate) fn unreadable(&mut self, number: u32) -> ProjectedEvent {
        self.notice(&format!("chunk {number} of the recording cannot be read"))
    }

    /// A notice for chunks that the store does not return now.
    pub(crate) fn unavailable(&mut self, from: u32, to: u32) -> ProjectedEvent {
        self.notice(&format!("what came before cannot be read from storage now: chunks {from} to {to}"))
    }

    fn event(&mut self, event: &Event) -> Option<ProjectedEvent> {
        match event.code {
            Code::Output | Code::Stderr | Code::Bytes => self.bytes(event),
            Code::Resize => {
                let (cols, rows) = event.size()?;
                // kubectl sends 0 where it does not know: nothing changes then.
                (cols > 0 && rows > 0).then(|| ProjectedEvent::Resize(TerminalSize::clamped(cols, rows)))
            }
            Code::Marker => Some(ProjectedEvent::Marker(label(&event.data))),
            // A marker, not text: the recorder's annotations are about the bytes around them, and those are shown.
            Code::Gap => Some(ProjectedEvent::Marker(annotation(&event.data))),
            Code::Port => {
                let connection: PortConnection = serde_json::from_str(&event.data).ok()?;
                Some(self.line(&port(&connection)))
            }
            Code::Input | Code::Exit => None,
        }
    }

    fn bytes(&mut self, event: &Event) -> Option<ProjectedEvent> {
        let (stream, bytes) = event.bytes()?;
        let decoder = match stream {
            Code::Output => &mut self.stdout,
            Code::Stderr => &mut self.stderr,
            _ => return None,
        };
        let mut text = String::with_capacity(bytes.len());
        decoder.decode(&bytes, &mut text);
        if text.is_empty() {
            return None;
        }
        if self.tty {
            return Some(ProjectedEvent::Output(text));
        }
        let text = self.with_returns(&text);
        Some(ProjectedEvent::Output(if stream == Code::Stderr {
            format!("{STDERR_COLOR}{text}{DEFAULT_COLOR}")
        } else {
            text
        }))
    }

    /// Turns `\n` into `\r\n`: the session had no terminal that did it, and the viewer's terminal needs it.
    fn with_returns(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len() + text.len() / 32);
        for part in text.split_inclusive('\n') {
            match part.strip_suffix('\n') {
                Some(line) => {
                    let returned = if line.is_empty() { self.returned } else { line.ends_with('\r') };
                    shown.push_str(line);
                    shown.push_str(if returned { "\n" } else { "\r\n" });
                    self.returned = false;
                }
                None => {
                    shown.push_str(part);
                    self.returned = part.ends_with('\r');
                }
            }
        }
        shown
    }

    /// A line that Kubetape adds, in reverse video so that nobody takes it for the session's output.
    fn notice(&mut self, text: &str) -> ProjectedEvent {
        self.line(&format!("\x1b[7m[kubetape: {}]\x1b[27m", label(text)))
    }

    fn line(&mut self, text: &str) -> ProjectedEvent {
        self.returned = false;
        ProjectedEvent::Output(format!("\r\n{text}\r\n"))
    }
}

/// `text` as one line without control characters, of at most [`LABEL_CHARS`] characters.
pub(crate) fn label(text: &str) -> String {
    let line = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut label: String = line.clone().take(LABEL_CHARS).collect();
    if line.count() > LABEL_CHARS {
        label.push('…');
    }
    label
}

/// The label of a marker for one of the recorder's annotations.
pub(crate) fn annotation(text: &str) -> String {
    label(&format!("kubetape: {text}"))
}

fn port(connection: &PortConnection) -> String {
    let PortConnection { port, connection: number, sent, received, .. } = connection;
    match connection.state {
        PortState::Opened => format!("port {port}: connection {number} opened"),
        PortState::Closed => format!("port {port}: connection {number} closed, {sent} bytes sent, {received} received"),
        PortState::Failed => format!("port {port}: connection {number} failed: {}", label(&connection.error)),
    }
}

use recording::cast::{CastError, Code, Event, Header, PortConnection, PortState, events};
use serde::{Deserialize, Serialize};

use crate::{lossy::Lossy, segments::TerminalSize};

/// Most characters of a marker's label; the rest is cut off.
const LABEL: usize = 200;

/// Errors are told from output by their colour, where there was no terminal to mix them: light red, and back.
const ERRORS: &str = "\x1b[91m";
const ERRORS_OVER: &str = "\x1b[39m";

/// What one event does to the screen of somebody who watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProjectedEvent {
    Output(String),
    Resize(TerminalSize),
    Marker(String),
}

/// Where an event is: the chunk's number, and the event's number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) chunk: u32,
    pub(crate) event: usize,
}

/// A chunk's events with their places, from event number `from` on.
pub(crate) fn placed(chunk: u32, lines: &[u8], from: usize) -> impl Iterator<Item = (Place, Result<Event, CastError>)> {
    events(lines).enumerate().skip(from).map(move |(event, read)| (Place { chunk, event }, read))
}

/// Turns a recording's events into what is shown. A copy, kept with a place, goes on from there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Projector {
    tty: bool,
    stdout: Lossy,
    stderr: Lossy,
    /// What was shown last was a carriage return.
    returned: bool,
    now: u64,
}

impl Projector {
    pub(crate) fn new(header: &Header) -> Self {
        let tty = header.kubetape.tty;
        Self { tty, stdout: Lossy::default(), stderr: Lossy::default(), returned: false, now: 0 }
    }

    /// Microseconds of the newest event so far.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// When this event is: never before the one before it, whatever the recording says.
    pub(crate) fn time(&self, event: &Result<Event, CastError>) -> u64 {
        event.as_ref().map_or(self.now, |event| event.micros.max(self.now))
    }

    /// What the event shows; the clock goes on to its time.
    pub(crate) fn project(&mut self, event: &Result<Event, CastError>) -> Option<ProjectedEvent> {
        self.now = self.time(event);
        match event {
            Ok(event) => self.event(event),
            Err(_) => Some(self.note("a line of the recording is damaged")),
        }
    }

    /// What missing chunks show.
    pub(crate) fn gap(&mut self, from: u32, to: u32) -> ProjectedEvent {
        if from == to {
            self.note(&format!("chunk {from} of the recording is missing"))
        } else {
            self.note(&format!("chunks {from} to {to} of the recording are missing"))
        }
    }

    /// What a chunk shows that is there and cannot be read.
    pub(crate) fn unreadable(&mut self, number: u32) -> ProjectedEvent {
        self.note(&format!("chunk {number} of the recording cannot be read"))
    }

    /// What chunks show that the store does not give at this moment.
    pub(crate) fn away(&mut self, from: u32, to: u32) -> ProjectedEvent {
        self.note(&format!("what came before cannot be read from storage now: chunks {from} to {to}"))
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
            // Not on the screen: the recorder's annotations are about the bytes around them, which are all there.
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
        let lossy = match stream {
            Code::Output => &mut self.stdout,
            Code::Stderr => &mut self.stderr,
            _ => return None,
        };
        let mut text = String::with_capacity(bytes.len());
        lossy.push(&bytes, &mut text);
        if text.is_empty() {
            return None;
        }
        if self.tty {
            return Some(ProjectedEvent::Output(text));
        }
        let text = self.with_returns(&text);
        Some(ProjectedEvent::Output(if stream == Code::Stderr { format!("{ERRORS}{text}{ERRORS_OVER}") } else { text }))
    }

    /// Where no terminal was involved, nothing turned `\n` into `\r\n`; a player's terminal needs it.
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

    /// A line of ours between the lines of the session, in reverse so that nobody takes it for output.
    fn note(&mut self, text: &str) -> ProjectedEvent {
        self.line(&format!("\x1b[7m[kubetape: {}]\x1b[27m", label(text)))
    }

    fn line(&mut self, text: &str) -> ProjectedEvent {
        self.returned = false;
        ProjectedEvent::Output(format!("\r\n{text}\r\n"))
    }
}

/// One line of visible characters, not too long.
pub(crate) fn label(text: &str) -> String {
    let line = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut label: String = line.clone().take(LABEL).collect();
    if line.count() > LABEL {
        label.push('…');
    }
    label
}

/// An annotation of the recorder, among the markers.
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

//! asciicast v2 lines (absolute times in seconds, six decimals) with our own event codes.

mod pieces;
mod read;
mod write;

pub use pieces::pieces;
pub use read::{CastError, events};
pub use write::{write_bytes, write_event};

use serde::{Deserialize, Serialize};

use crate::{Micros, UnixMicros};

/// The second member of an event line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// `o`: standard output, or everything of a terminal. UTF-8 text.
    Output,
    /// `e`: standard error (no terminal). UTF-8 text. Other players ignore it.
    Stderr,
    /// `i`: standard input, if the policy records it. UTF-8 text.
    Input,
    /// `b`: bytes that are not UTF-8: the code of the stream they belong to (`o`, `e` or `i`), a space,
    /// and the bytes in padded base64. A stream's exact bytes are its text events and its `b` events, in order.
    Bytes,
    /// `r`: the terminal's new size, `COLUMNSxROWS`.
    Resize,
    /// `m`: a command that was typed.
    Marker,
    /// `x`: the exit status as decimal text; last event of a session that had one.
    Exit,
    /// `p`: a forwarded connection, as JSON: [`PortConnection`].
    Port,
    /// `g`: a gap, or a note of the recorder about bytes that are missing: text for a reader.
    Gap,
}

impl Code {
    /// The character in the line.
    pub fn as_char(self) -> char {
        match self {
            Self::Output => 'o',
            Self::Stderr => 'e',
            Self::Input => 'i',
            Self::Bytes => 'b',
            Self::Resize => 'r',
            Self::Marker => 'm',
            Self::Exit => 'x',
            Self::Port => 'p',
            Self::Gap => 'g',
        }
    }

    /// The code of a line's second member; `None` if this version does not know it.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "o" => Self::Output,
            "e" => Self::Stderr,
            "i" => Self::Input,
            "b" => Self::Bytes,
            "r" => Self::Resize,
            "m" => Self::Marker,
            "x" => Self::Exit,
            "p" => Self::Port,
            "g" => Self::Gap,
            _ => return None,
        })
    }
}

/// One event: time since the recording's start, code, data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub time: Micros,
    /// What kind of event.
    pub code: Code,
    /// The third member, unescaped.
    pub data: String,
}

/// The first line of a recording. Other players read `version`, `width`, `height`, `timestamp`, `command`,
/// `title`; everything of ours is under `kubetape`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Always 2.
    pub version: u8,
    /// Columns at the start; 80 if there is no terminal or it announced no size.
    pub width: u16,
    /// Rows at the start; 24 if there is no terminal or it announced no size.
    pub height: u16,
    /// Start, whole seconds since 1970 UTC.
    pub timestamp: i64,
    /// `argv`, quoted for a shell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// What a player shows above the recording: `user@cluster namespace/pod/container`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What only Kubetape writes: the session.
    pub kubetape: SessionMetadata,
}

/// What the client asked for, and what the gateway decided: all that is known before the upstream is dialled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMetadata {
    /// The recording's id (UUID v7).
    pub id: crate::RecordingId,
    /// `exec`, `attach` or `port_forward`.
    pub kind: SessionKind,
    /// Start.
    #[serde(rename = "started_micros")]
    pub started: UnixMicros,
    /// Name of the gateway that recorded.
    pub gateway: String,
    /// The person, as the gateway authenticated them.
    pub principal: access::Principal,
    /// The pod and container that the session was aimed at.
    pub target: access::Target,
    /// The user and groups that Kubernetes saw.
    pub impersonation: access::Impersonation,
    /// The policy rule that permitted it.
    pub rule: String,
    /// Whether stdin is in the recording.
    pub input: access::InputRecording,
    /// The exec request's argv, element by element. Empty for attach.
    #[serde(default)]
    pub argv: Vec<String>,
    /// Whether a terminal was asked for.
    pub tty: bool,
    /// Whether stdin was asked for.
    pub stdin: bool,
    /// Client's address, `ip:port`.
    #[serde(default)]
    pub client: String,
    /// `User-Agent`, as the client claimed.
    #[serde(default)]
    pub user_agent: String,
    /// `Kubectl-Command`, as the client claimed.
    #[serde(default)]
    pub kubectl_command: String,
    /// `Kubectl-Session`, as the client claimed; joins requests of one person only.
    #[serde(default)]
    pub kubectl_session: String,
    /// The file it was imported from; `None` for a session that a gateway recorded. With it, everything else here is what
    /// the file, or the person who imported it, claims: no gateway saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<Imported>>,
}

/// The `gateway` of imported recordings. No gateway may have the name.
pub const IMPORTED: &str = "import";

/// Where an imported recording came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The file's name, without its folder.
    pub file: String,
    /// SHA-256 of the file as it was, compressed or not: 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Bytes of the file.
    pub size: u64,
    /// `asciicast v1`, `asciicast v2` or `asciicast v3`.
    pub format: String,
    /// When it was imported.
    #[serde(rename = "at_micros")]
    pub at: UnixMicros,
    /// The account that imported it, as the operating system names it; empty if it has no name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The file's own header, whatever was in it.
    pub header: serde_json::Value,
}

impl SessionMetadata {
    /// Whether stdin is in the recording, as the policy decided for this kind of session.
    pub fn stores_input(&self) -> bool {
        match self.input {
            access::InputRecording::Always => true,
            access::InputRecording::Piped => !self.tty,
            access::InputRecording::Never => false,
        }
    }
}

/// The streaming subresource that the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// `pods/exec`
    Exec,
    /// `pods/attach`
    Attach,
    /// `pods/portforward`
    PortForward,
}

/// One forwarded connection's opening or end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortConnection {
    /// `opened`, `closed` or `failed`.
    pub state: PortState,
    /// The pod's port.
    pub port: u16,
    /// Which connection: `requestid` of SPDY, or the channel pair's number.
    pub connection: u32,
    /// Bytes from the client so far.
    #[serde(default)]
    pub sent: u64,
    /// Bytes to the client so far.
    #[serde(default)]
    pub received: u64,
    /// The error stream's text; empty if there was no error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
}

/// State of a forwarded connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    /// The client opened it.
    Opened,
    /// It is over.
    Closed,
    /// The other end refused it.
    Failed,
}

use serde::{Deserialize, Serialize};

use crate::{Contents, Micros, UnixMicros, cast::SessionMetadata};

/// Largest object that is read as a manifest: the longest list of commands and the chunks of a month stay below.
pub const LARGEST_MANIFEST: u64 = 128 << 20;

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The process ended and its exit code was seen.
    Exited {
        /// 0 to 255 on Linux. Windows has all of 32 bits, which container runtimes write signed or unsigned.
        exit_code: i64,
    },
    /// The stream ended in good order, without saying anything about a process: attach, port-forward.
    Ended,
    /// The upstream refused, or a Status other than an exit code came: nothing ran, or it is not known how it ended.
    FailedToStart {
        /// What the upstream said.
        message: String,
    },
    /// The gateway ended it.
    EndedByGateway {
        /// Why: what the person saw.
        reason: String,
        /// Who asked for it; empty if the gateway did it by itself.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        by: String,
    },
    /// The client's connection went away first.
    ClientGone,
    /// The upstream's connection went away first.
    UpstreamGone,
    /// The gateway stopped before the session did.
    Interrupted,
    /// The streams ended without a Status.
    Unknown,
}

impl Outcome {
    /// As manifests and journal name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Ended => "ended",
            Self::FailedToStart { .. } => "failed_to_start",
            Self::EndedByGateway { .. } => "ended_by_gateway",
            Self::ClientGone => "client_gone",
            Self::UpstreamGone => "upstream_gone",
            Self::Interrupted => "interrupted",
            Self::Unknown => "unknown",
        }
    }
}

/// Bytes that crossed, by stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTotals {
    /// Bytes of stdin, whether stored or not.
    pub stdin: u64,
    /// Bytes of stdout.
    pub stdout: u64,
    /// Bytes of stderr.
    pub stderr: u64,
}

/// One chunk, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Number in the object's name.
    pub number: u32,
    /// Bytes of the object.
    pub size: u64,
    /// Bytes of the lines in it, before compression.
    pub uncompressed: u64,
    /// SHA-256 of the previous chunk's digest (32 zero bytes for the first) followed by the object's bytes; hex.
    pub digest: String,
    /// Time of its first event (0 for the header's chunk).
    #[serde(rename = "first_micros")]
    pub first: Micros,
    /// Time of its last event.
    #[serde(rename = "last_micros")]
    pub last: Micros,
}

/// Where a command was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandSource {
    /// The exec request.
    Argv,
    /// The screen's line when Enter was pressed.
    Typed,
    /// An API request, or the joined requests of one kubectl run.
    Request,
}

/// A command of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// When it was entered.
    #[serde(rename = "micros")]
    pub time: Micros,
    /// Where it was learned.
    pub source: CommandSource,
    /// The command line.
    pub text: String,
    /// What else is known of one that was typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed: Option<Box<Typed>>,
}

/// A command that was typed at a terminal, as the screen showed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// When its prompt waited for it.
    #[serde(rename = "ready_micros")]
    pub ready: Micros,
    /// When the next prompt came; `None` if that is not known.
    #[serde(default, rename = "ended_micros", skip_serializing_if = "Option::is_none")]
    pub ended: Option<Micros>,
    /// First and last time of output until then; `None` if there was no output.
    #[serde(default, rename = "output_micros", skip_serializing_if = "Option::is_none")]
    pub output: Option<(Micros, Micros)>,
    /// The prompt's last line.
    #[serde(default)]
    pub prompt: String,
    /// How it is known.
    #[serde(default)]
    pub evidence: Evidence,
    /// The exit status that the shell told (OSC 133).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u8>,
}

/// What says that a line on the screen was a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// The shell marked prompt and input (OSC 133).
    Osc133,
    /// A line editor switched bracketed paste off when the line was entered.
    Bracketed,
    /// The line began with something that looks like a prompt, or that others began with too, and the cursor waited there.
    #[default]
    Prompt,
}

/// The summary of a recording, written last. The object listing is the truth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always 1.
    pub format: u32,
    /// What the header said.
    pub session: SessionMetadata,
    /// End.
    #[serde(rename = "ended_micros")]
    pub ended: UnixMicros,
    /// Length of the recording: the end, by the clock that its events have.
    #[serde(rename = "duration_micros")]
    pub duration: Micros,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Columns and rows that playback starts with.
    pub width: u16,
    /// See `width`.
    pub height: u16,
    /// Bytes that crossed.
    pub totals: StreamTotals,
    /// What they carried.
    #[serde(flatten)]
    pub contents: Contents,
    /// The chunks in order.
    pub chunks: Vec<Chunk>,
    /// Commands, in order of time.
    pub commands: Vec<Command>,
    /// Anomalies that the decoder flagged, for a reader.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<String>,
    /// The Kubernetes transport and protocol, such as `websocket v5.channel.k8s.io`.
    #[serde(default)]
    pub transport: String,
    /// The image that the container runs, as the pod names it; empty where it was not learned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
}

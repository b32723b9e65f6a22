//! What is indexed, and what comes back from it: documents without a schema, so that each backend has its own.
//!
//! ```text
//! header, manifest, chunks ─▶ from_recording, output ─┐
//! journal entries ─▶ kubectl_run, request_line ───────┴─▶ mask ─▶ Document ─▶ (backend) ─▶ Document ─▶ render ─▶ Hit
//! ```

pub(crate) mod from_recording;
pub(crate) mod highlighter;
pub(crate) mod hit;
pub(crate) mod journalled;
pub(crate) mod kubectl_command;
pub(crate) mod kubectl_run;
pub(crate) mod mask;
pub(crate) mod output;
pub(crate) mod passage;
pub(crate) mod rate_limiter;
pub(crate) mod render;
pub(crate) mod request_line;
pub(crate) mod session;
pub(crate) mod snippet;

use std::{
    borrow::Cow,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use kubectl_command::kubectl_command;
use kubectl_run::KubectlRun;
use passage::{OutputPassage, OutputStage};
use recording::{CommandSource, Micros, RecordingId, UnixMicros};
use request_line::RequestLine;
use serde::{Deserialize, Serialize};
use session::{SessionContext, SessionJson, SessionRow, session_text};

use crate::query::filter::HitKind;

/// A document, as every backend stores it: in JSON, tagged by kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Document {
    /// A session's metadata.
    Session {
        /// As lists show it.
        row: SessionJson,
    },
    /// A command of a session.
    Command(CommandDocument),
    /// Some lines of a session's output.
    Output(OutputPassage),
    /// The requests of one kubectl run.
    Run(KubectlRun),
    /// A request of no run.
    Request(RequestDocument),
}

/// A command of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandDocument {
    #[serde(rename = "of")]
    pub(crate) session: SessionContext,
    /// When it was entered.
    pub(crate) offset: Micros,
    pub(crate) source: CommandSource,
    pub(crate) text: String,
}

/// A request that belongs to no kubectl run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestDocument {
    /// The journal object, and the number of the entry in it.
    pub(crate) key: String,
    /// The recording that the request opened.
    pub(crate) session: Option<RecordingId>,
    /// When it came.
    #[serde(rename = "micros")]
    pub(crate) time: UnixMicros,
    pub(crate) user: String,
    pub(crate) cluster: String,
    pub(crate) line: RequestLine,
    /// The client's `User-Agent`.
    pub(crate) agent: String,
    /// How often it occurs in the journal object.
    pub(crate) times: u32,
}

impl RequestDocument {
    /// `kubectl get pods web-0 -n default`, and the client.
    pub(crate) fn text(&self) -> String {
        let times = if self.times > 1 { format!(" ({} times)", self.times) } else { String::new() };
        let space = if self.agent.is_empty() { "" } else { " " };
        let command = kubectl_command(&self.line.command, std::slice::from_ref(&self.line));
        format!("{command}{space}{}{times}", self.agent)
    }
}

/// The documents that are replaced and deleted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DocumentGroup {
    /// A session and its commands.
    Session(RecordingId),
    /// A session's output, as far as it was read at one stage.
    Output(RecordingId, OutputStage),
    /// A kubectl run, by [`KubectlRun::key`].
    Run(String),
    /// A request of no run, by the journal entry's place.
    Request(String),
}

impl fmt::Display for DocumentGroup {
    /// The group as a key. Keys of two groups differ: they begin with the kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Output(id, OutputStage::Live) => write!(f, "live:{id}"),
            Self::Output(id, OutputStage::Growing) => write!(f, "growing:{id}"),
            Self::Output(id, OutputStage::Final) => write!(f, "output:{id}"),
            Self::Run(key) | Self::Request(key) => f.write_str(key),
        }
    }
}

impl Document {
    pub(crate) fn session(row: &SessionRow) -> Self {
        Self::Session { row: row.into() }
    }

    /// The kind of hit that the document becomes.
    pub fn kind(&self) -> HitKind {
        match self {
            Self::Session { .. } => HitKind::Session,
            Self::Command(_) | Self::Run(_) => HitKind::Command,
            Self::Output(_) => HitKind::Output,
            Self::Request(_) => HitKind::Request,
        }
    }

    /// The group that the document is replaced with.
    pub fn group(&self) -> DocumentGroup {
        match self {
            Self::Session { row } => DocumentGroup::Session(row.id()),
            Self::Command(command) => DocumentGroup::Session(command.session.id),
            Self::Output(passage) => DocumentGroup::Output(passage.session.id, passage.stage),
            Self::Run(run) => DocumentGroup::Run(run.key()),
            Self::Request(request) => DocumentGroup::Request(request.key.clone()),
        }
    }

    /// Tells the documents of one group apart. With the group's key it is the document's id: a document that is applied
    /// twice has the same.
    pub fn number_in_group(&self) -> u64 {
        match self {
            Self::Session { .. } | Self::Run(_) | Self::Request(_) => 0,
            Self::Command(command) => {
                let mut hasher = DefaultHasher::new();
                (command.offset, &command.text).hash(&mut hasher);
                hasher.finish()
            }
            Self::Output(passage) => passage.number.into(),
        }
    }

    /// When it happened: what hits are sorted by.
    pub fn at(&self) -> UnixMicros {
        match self {
            Self::Session { row } => row.started().into(),
            Self::Command(command) => command.session.at(command.offset),
            Self::Output(passage) => passage.session.at(passage.offset()),
            Self::Run(run) => run.time,
            Self::Request(request) => request.time,
        }
    }

    /// The text that is searched.
    pub fn searched_text(&self) -> Cow<'_, str> {
        match self {
            Self::Session { row } => session_text(&SessionRow::from(row.clone())).into(),
            Self::Command(command) => command.text.as_str().into(),
            Self::Output(passage) => passage.searched_text().into(),
            Self::Run(run) => run.searched_text().into(),
            Self::Request(request) => {
                format!("{}\n{} {}", request.text(), request.line.raw(), request.line.reason).into()
            }
        }
    }

    /// How a command was learned; `None` for sessions and output.
    pub fn source(&self) -> Option<CommandSource> {
        match self {
            Self::Session { .. } | Self::Output(_) => None,
            Self::Command(command) => Some(command.source),
            Self::Run(_) | Self::Request(_) => Some(CommandSource::Request),
        }
    }
}

/// The name of a command's source in queries and JSON.
pub(crate) fn source_name(source: CommandSource) -> &'static str {
    match source {
        CommandSource::Argv => "argv",
        CommandSource::Typed => "typed",
        CommandSource::Request => "request",
    }
}

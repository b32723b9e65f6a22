//! What the index holds: sessions, their commands and output, runs, single requests.

pub(crate) mod from_recording;
pub(crate) mod highlighter;
pub(crate) mod hit;
pub(crate) mod kubectl_command;
pub(crate) mod kubectl_run;
pub(crate) mod mask;
pub(crate) mod origin;
pub(crate) mod output;
pub(crate) mod rate_limiter;
pub(crate) mod render;
pub(crate) mod request_line;
pub(crate) mod session;
pub(crate) mod snippet;

use std::hash::{DefaultHasher, Hash, Hasher};

use recording::{CommandSource, RecordingId};
use serde::{Deserialize, Serialize};
use tantivy::{
    TantivyDocument, Term,
    schema::{Field, Value},
};

use crate::{
    HitKind, OutcomeFilter, SearchError, SessionRow, documents::kubectl_run::KubectlRun, documents::mask::goes_on,
    documents::origin::Origin, documents::output::LINE_BYTES, documents::session::RowJson, tantivy::schema::Fields,
    tantivy::session_kind,
};

/// Bytes of a text that are searched; more of it is shown with the recording only. A passage of one long line has 256 KiB.
const LONGEST_TEXT: usize = 320 << 10;

/// Bytes of a line that may have been cut: a terminal's are cut before the row that would make them longer than
/// [`LINE_BYTES`], and few terminals have rows of more than 512 bytes.
const CUT: usize = LINE_BYTES - 512;
/// Bytes of a token that are searched on each side of a cut. As many count of any token: see `token.rs`.
const SEAM: usize = 200;

/// A document, as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Stored {
    Session { row: RowJson },
    Command(Command),
    Output(Output),
    Run(KubectlRun),
    Request(Request),
}

/// A command of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) of: Origin,
    /// Microseconds from the session's start.
    pub(crate) offset: u64,
    pub(crate) source: CommandSource,
    pub(crate) text: String,
}

/// Some lines of what a session showed, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) of: Origin,
    /// Counts the passages of a session.
    pub(crate) number: u32,
    /// How far the session was when this was read.
    pub(crate) stage: Stage,
    /// Microseconds from the session's start at which each line appeared, and the line.
    pub(crate) lines: Vec<(u64, String)>,
}

/// How far a session was when its output was read. At its end all of it is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// It went on, and the passage was full: it stays until the end.
    Live,
    /// It went on, and the passage may still grow: the last of a session, replaced whenever it does.
    Growing,
    /// It was over.
    Over,
}

/// A request that belongs to no run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Object of the journal and line in it.
    pub(crate) key: String,
    pub(crate) session: Option<RecordingId>,
    pub(crate) micros: i64,
    pub(crate) user: String,
    pub(crate) cluster: String,
    pub(crate) line: crate::documents::kubectl_run::RequestLine,
    /// What the client says it is.
    pub(crate) agent: String,
    /// How often it came within one object of the journal.
    pub(crate) times: u32,
}

/// The term that finds a session and its commands.
pub(crate) fn session_key(fields: &Fields, id: RecordingId) -> Term {
    Term::from_field_text(fields.key, &format!("session:{id}"))
}

/// The term that finds a session's output, as it was read at one stage.
pub(crate) fn output_key(fields: &Fields, id: RecordingId, stage: Stage) -> Term {
    Term::from_field_text(fields.key, &output_key_text(id, stage))
}

fn output_key_text(id: RecordingId, stage: Stage) -> String {
    let stage = match stage {
        Stage::Live => "live",
        Stage::Growing => "growing",
        Stage::Over => "output",
    };
    format!("{stage}:{id}")
}

/// The term that finds a run.
pub(crate) fn run_key(fields: &Fields, key: &str) -> Term {
    Term::from_field_text(fields.key, key)
}

impl Output {
    /// The lines as one text.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(|(_, line)| line.as_str()).collect();
        lines.join("\n")
    }

    /// What is searched: the lines, and where one may have been cut off in a token and goes on in the next, that token.
    fn searched(&self) -> String {
        let mut text = self.text();
        for pair in self.lines.windows(2) {
            if let Some(seam) = seam(&pair[0].1, &pair[1].1) {
                text.push('\n');
                text.push_str(&seam);
            }
        }
        text
    }

    /// When the first line appeared.
    pub(crate) fn offset(&self) -> u64 {
        self.lines.first().map_or(0, |(offset, _)| *offset)
    }
}

/// What stands over the end of a line that is so long that it may have been cut there: from the last blank of the one to the
/// first of the other, [`SEAM`] bytes of each at most.
fn seam(line: &str, next: &str) -> Option<String> {
    if line.len() < CUT || !goes_on(line, next) {
        return None;
    }
    let before = &line[line.ceil_char_boundary(line.len() - SEAM)..];
    let after = &next[..next.floor_char_boundary(SEAM)];
    let start = before.rfind(char::is_whitespace).unwrap_or(0);
    let end = after.find(char::is_whitespace).unwrap_or(after.len());
    Some(format!("{}{}", before[start..].trim_start(), &after[..end]))
}

impl Request {
    /// `kubectl get pods web-0 -n default`, and who asked.
    pub(crate) fn text(&self) -> String {
        let times = if self.times > 1 { format!(" ({} times)", self.times) } else { String::new() };
        let space = if self.agent.is_empty() { "" } else { " " };
        format!("{}{space}{}{times}", self.line.as_command(), self.agent)
    }
}

impl Stored {
    pub(crate) fn session(row: &SessionRow) -> Self {
        Self::Session { row: row.into() }
    }

    pub(crate) fn parse(json: &str) -> Result<Self, SearchError> {
        serde_json::from_str(json).map_err(SearchError::Document)
    }

    /// Reads back what [`Stored::document`] made.
    pub(crate) fn of(fields: &Fields, document: &TantivyDocument) -> Result<Self, SearchError> {
        let json = document.get_first(fields.stored).and_then(|value| value.as_str()).unwrap_or_default();
        Self::parse(json)
    }

    /// The document with every field that searches and lists need.
    pub(crate) fn document(&self, fields: &Fields) -> Result<TantivyDocument, SearchError> {
        let mut document = Document { fields, document: TantivyDocument::new() };
        match self {
            Self::Session { row } => document.session(&SessionRow::from(row.clone())),
            Self::Command(command) => document.command(command),
            Self::Output(output) => document.output(output),
            Self::Run(run) => document.run(run),
            Self::Request(request) => document.request(request),
        }
        let json = serde_json::to_string(self).map_err(SearchError::Document)?;
        document.document.add_text(fields.stored, json);
        Ok(document.document)
    }
}

struct Document<'a> {
    fields: &'a Fields,
    document: TantivyDocument,
}

impl Document<'_> {
    fn add(&mut self, field: Field, value: &str) {
        if !value.is_empty() {
            self.document.add_text(field, value);
        }
    }

    fn text(&mut self, text: &str) {
        self.add(self.fields.text, &text[..text.floor_char_boundary(LONGEST_TEXT)]);
    }

    /// What every document has. `what` tells those of one key apart.
    fn common(&mut self, kind: HitKind, key: &str, what: u64, at: i64) {
        self.add(self.fields.key, key);
        self.add(self.fields.kind, kind.name());
        self.document.add_i64(self.fields.at, at);
        let mut hasher = DefaultHasher::new();
        (key, what).hash(&mut hasher);
        self.document.add_u64(self.fields.tie, hasher.finish());
    }

    fn who(&mut self, user: &str, cluster: &str) {
        self.add(self.fields.user, user);
        self.add(self.fields.cluster, cluster);
    }

    fn origin(&mut self, of: &Origin) {
        let fields = self.fields;
        self.who(&of.user, &of.cluster);
        self.add(fields.namespace, &of.namespace);
        self.add(fields.pod, &of.pod);
        self.add(fields.container, &of.container);
        self.add(fields.image, &of.image);
        self.add(fields.session, &of.session.to_string());
        self.add(fields.session_kind, session_kind(of.kind));
        self.add(fields.outcome, &of.outcome);
        self.document.add_bool(fields.tty, of.tty);
        if let Some(code) = of.exit_code {
            self.document.add_i64(fields.exit_code, code);
        }
    }

    fn session(&mut self, row: &SessionRow) {
        let of = Origin::of(row);
        self.common(HitKind::Session, &format!("session:{}", row.id), 0, row.started.as_microsecond());
        self.origin(&of);
        let (high, low) = row.id.0.as_u64_pair();
        self.document.add_u64(self.fields.high, high);
        self.document.add_u64(self.fields.low, low);
        self.text(&session_text(row));
    }

    fn command(&mut self, command: &Command) {
        let of = &command.of;
        let mut hasher = DefaultHasher::new();
        (command.offset, &command.text).hash(&mut hasher);
        self.common(HitKind::Command, &format!("session:{}", of.session), hasher.finish(), of.at(command.offset));
        self.origin(of);
        self.add(self.fields.source, source_name(command.source));
        self.text(&command.text);
    }

    fn output(&mut self, output: &Output) {
        let of = &output.of;
        let key = output_key_text(of.session, output.stage);
        self.common(HitKind::Output, &key, output.number.into(), of.at(output.offset()));
        self.origin(of);
        self.text(&output.searched());
    }

    fn run(&mut self, run: &KubectlRun) {
        self.common(HitKind::Command, &KubectlRun::key(&run.user, &run.cluster, &run.id), 0, run.micros);
        self.who(&run.user, &run.cluster);
        for line in &run.lines {
            self.line(line);
        }
        self.requested(run.session);
        self.text(&run.searched());
    }

    fn request(&mut self, request: &Request) {
        self.common(HitKind::Request, &request.key, 0, request.micros);
        self.who(&request.user, &request.cluster);
        self.line(&request.line);
        self.requested(request.session);
        self.text(&format!("{}\n{} {}", request.text(), request.line.raw(), request.line.reason));
    }

    fn line(&mut self, line: &crate::documents::kubectl_run::RequestLine) {
        let fields = self.fields;
        self.add(fields.namespace, &line.namespace);
        if line.resource == "pods" {
            self.add(fields.pod, &line.name);
        }
        self.add(fields.container, &line.container);
        self.add(fields.verb, &line.verb);
        self.add(fields.resource, &line.resource);
        self.document.add_i64(fields.code, line.code.into());
    }

    fn requested(&mut self, session: Option<RecordingId>) {
        if let Some(session) = session {
            self.add(self.fields.session, &session.to_string());
        }
        self.add(self.fields.source, source_name(CommandSource::Request));
    }
}

pub(crate) fn source_name(source: CommandSource) -> &'static str {
    match source {
        CommandSource::Argv => "argv",
        CommandSource::Typed => "typed",
        CommandSource::Request => "request",
    }
}

/// `ada@prod default/web-0/app from 10.1.2.3:4567`, and what the upstream or gateway said.
pub(crate) fn session_text(row: &SessionRow) -> String {
    let container = if row.container.is_empty() { String::new() } else { format!("/{}", row.container) };
    let mut text = format!("{}@{} {}/{}{container}", row.user, row.cluster, row.namespace, row.pod);
    if !row.client.is_empty() {
        text.push_str(" from ");
        text.push_str(&row.client);
    }
    if let Some(message) = row.message() {
        text.push_str(": ");
        text.push_str(message);
    }
    text
}

impl Origin {
    /// What a list's row says.
    pub(crate) fn of(row: &SessionRow) -> Self {
        Self {
            session: row.id,
            kind: row.kind,
            started: row.started.as_microsecond(),
            user: row.user.clone(),
            cluster: row.cluster.clone(),
            namespace: row.namespace.clone(),
            pod: row.pod.clone(),
            container: row.container.clone(),
            image: row.image.clone(),
            tty: row.tty,
            outcome: OutcomeFilter::of(row.outcome.as_ref()).name().to_owned(),
            exit_code: row.exit_code(),
        }
    }
}

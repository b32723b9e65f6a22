//! What the index holds: sessions, their commands, runs, single requests.

use serde::{Deserialize, Serialize};
use storage::{CommandSource, RecordingId};
use tantivy::{
    TantivyDocument, Term,
    schema::{Field, Value},
};

use crate::{
    Hit, Kind, OutcomeFilter, SearchError, SessionRow,
    query::{Needle, session_kind},
    row::{RowJson, time},
    run::Run,
    schema::Fields,
    snippet::snippet,
};

/// Bytes of a text that are searched; more of it is shown with the recording only.
const LONGEST_TEXT: usize = 64 * 1024;

/// A document, as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(crate) enum Stored {
    Session { row: RowJson },
    Command(Command),
    Run(Run),
    Request(Request),
}

/// A command of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) session: RecordingId,
    pub(crate) offset: u64,
    pub(crate) micros: i64,
    pub(crate) user: String,
    pub(crate) cluster: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) source: CommandSource,
    pub(crate) text: String,
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
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) text: String,
    /// How often it came within one object of the journal.
    pub(crate) times: u32,
}

/// The term that finds all documents of a session.
pub(crate) fn session_key(fields: &Fields, id: RecordingId) -> Term {
    Term::from_field_text(fields.key, &format!("session:{id}"))
}

/// The term that finds a run.
pub(crate) fn run_key(fields: &Fields, key: &str) -> Term {
    Term::from_field_text(fields.key, key)
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
            Self::Run(run) => document.run(run),
            Self::Request(request) => document.request(request),
        }
        let json = serde_json::to_string(self).map_err(SearchError::Document)?;
        document.document.add_text(fields.stored, json);
        Ok(document.document)
    }

    /// As a hit of a search for `needles`.
    pub(crate) fn into_hit(self, needles: &[Needle]) -> Hit {
        let mut hit = match self {
            Self::Session { row } => session_hit(&row.into()),
            Self::Command(command) => command.into(),
            Self::Run(run) => run_hit(&run),
            Self::Request(request) => request.into(),
        };
        hit.snippet = snippet(&hit.text, needles);
        hit
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
        let text = &text[..text.floor_char_boundary(LONGEST_TEXT)];
        self.add(self.fields.words, text);
        self.add(self.fields.tokens, text);
    }

    fn common(&mut self, kind: Kind, key: &str, micros: i64, user: &str, cluster: &str) {
        self.add(self.fields.key, key);
        self.add(self.fields.kind, kind.name());
        self.document.add_i64(self.fields.at, micros);
        self.add(self.fields.user, user);
        self.add(self.fields.cluster, cluster);
    }

    fn place(&mut self, namespace: &str, pod: &str, container: &str) {
        self.add(self.fields.namespace, namespace);
        self.add(self.fields.pod, pod);
        self.add(self.fields.container, container);
    }

    fn session(&mut self, row: &SessionRow) {
        let fields = self.fields;
        let (key, micros) = (format!("session:{}", row.id), row.started.as_microsecond());
        self.common(Kind::Session, &key, micros, &row.user, &row.cluster);
        self.place(&row.namespace, &row.pod, &row.container);
        self.add(fields.session, &row.id.to_string());
        self.add(fields.session_kind, session_kind(row.kind));
        self.add(fields.outcome, OutcomeFilter::of(row.outcome.as_ref()).name());
        self.document.add_bool(fields.tty, row.tty);
        if let Some(code) = row.exit_code() {
            self.document.add_i64(fields.exit_code, code);
        }
        let (high, low) = row.id.0.as_u64_pair();
        self.document.add_u64(fields.high, high);
        self.document.add_u64(fields.low, low);
        self.text(&session_text(row));
    }

    fn command(&mut self, command: &Command) {
        let key = format!("session:{}", command.session);
        self.common(Kind::Command, &key, command.micros, &command.user, &command.cluster);
        self.place(&command.namespace, &command.pod, &command.container);
        self.add(self.fields.session, &command.session.to_string());
        self.add(self.fields.source, source_name(command.source));
        self.text(&command.text);
    }

    fn run(&mut self, run: &Run) {
        let key = Run::key(&run.user, &run.cluster, &run.id);
        self.common(Kind::Command, &key, run.micros, &run.user, &run.cluster);
        for line in &run.lines {
            self.place(&line.namespace, &line.pod, &line.container);
        }
        if let Some(session) = run.session {
            self.add(self.fields.session, &session.to_string());
        }
        self.add(self.fields.source, source_name(CommandSource::Request));
        self.text(&run.text());
    }

    fn request(&mut self, request: &Request) {
        self.common(Kind::Request, &request.key, request.micros, &request.user, &request.cluster);
        self.place(&request.namespace, &request.pod, &request.container);
        if let Some(session) = request.session {
            self.add(self.fields.session, &session.to_string());
        }
        self.add(self.fields.source, source_name(CommandSource::Request));
        self.text(&request.text);
    }
}

fn source_name(source: CommandSource) -> &'static str {
    match source {
        CommandSource::Argv => "argv",
        CommandSource::Typed => "typed",
        CommandSource::Request => "request",
    }
}

/// `ada@prod default/web-0/app from 10.1.2.3:4567`, and what the upstream or gateway said.
fn session_text(row: &SessionRow) -> String {
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

fn session_hit(row: &SessionRow) -> Hit {
    Hit {
        kind: Kind::Session,
        session: Some(row.id),
        micros_in_session: Some(0),
        at: row.started,
        user: row.user.clone(),
        cluster: row.cluster.clone(),
        namespace: row.namespace.clone(),
        pod: row.pod.clone(),
        container: row.container.clone(),
        source: None,
        text: session_text(row),
        snippet: crate::Snippet::default(),
    }
}

impl From<Command> for Hit {
    fn from(command: Command) -> Self {
        Self {
            kind: Kind::Command,
            session: Some(command.session),
            micros_in_session: Some(command.offset),
            at: time(command.micros),
            user: command.user,
            cluster: command.cluster,
            namespace: command.namespace,
            pod: command.pod,
            container: command.container,
            source: Some(command.source),
            text: command.text,
            snippet: crate::Snippet::default(),
        }
    }
}

impl From<Request> for Hit {
    fn from(request: Request) -> Self {
        Self {
            kind: Kind::Request,
            session: request.session,
            micros_in_session: None,
            at: time(request.micros),
            user: request.user,
            cluster: request.cluster,
            namespace: request.namespace,
            pod: request.pod,
            container: request.container,
            source: Some(CommandSource::Request),
            text: if request.times > 1 { format!("{} ({} times)", request.text, request.times) } else { request.text },
            snippet: crate::Snippet::default(),
        }
    }
}

fn run_hit(run: &Run) -> Hit {
    let first = |part: fn(&crate::run::Line) -> &String| {
        run.lines.iter().map(part).find(|value| !value.is_empty()).cloned().unwrap_or_default()
    };
    Hit {
        kind: Kind::Command,
        session: run.session,
        micros_in_session: None,
        at: time(run.micros),
        user: run.user.clone(),
        cluster: run.cluster.clone(),
        namespace: first(|line| &line.namespace),
        pod: first(|line| &line.pod),
        container: first(|line| &line.container),
        source: Some(CommandSource::Request),
        text: run.text(),
        snippet: crate::Snippet::default(),
    }
}

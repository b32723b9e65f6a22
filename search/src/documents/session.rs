//! Sessions, as lists show them, and as their commands and output repeat them.

use jiff::Timestamp;
use recording::{
    Manifest, Micros, Outcome, RecordingId, UnixMicros,
    cast::{SessionKind, SessionMetadata},
    shell_quoted,
};
use serde::{Deserialize, Serialize, Serializer};

use crate::query::{cursor::SessionCursor, filter::OutcomeFilter};

/// A session, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The recording.
    pub id: RecordingId,
    /// Exec, attach or port-forward.
    pub kind: SessionKind,
    /// Who.
    pub user: String,
    /// The cluster's name.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container; empty if the client named none.
    pub container: String,
    /// The image that the container runs; empty while the session is live, and if the gateway did not learn it.
    pub image: String,
    /// The command's elements; empty for attach and port-forward.
    pub argv: Vec<String>,
    /// `argv`, quoted for a shell.
    pub command: String,
    /// Whether the client asked for a terminal.
    pub tty: bool,
    /// Start.
    pub started: Timestamp,
    /// End; `None` while the session is live.
    pub ended: Option<Timestamp>,
    /// Length; `None` while the session is live.
    pub duration: Option<Micros>,
    /// How it ended; `None` while it is live, and if its gateway died.
    pub outcome: Option<Outcome>,
    /// Name of the gateway.
    pub gateway: String,
    /// The client's address.
    pub client: String,
}

impl SessionRow {
    /// Exit code of the process; `None` if the gateway saw none.
    pub fn exit_code(&self) -> Option<i64> {
        match self.outcome {
            Some(Outcome::Exited { exit_code }) => Some(exit_code),
            _ => None,
        }
    }

    /// The upstream's message if it refused the session, or the reason for which the gateway ended it.
    pub fn message(&self) -> Option<&str> {
        match &self.outcome {
            Some(Outcome::FailedToStart { message: text } | Outcome::EndedByGateway { reason: text, .. }) => Some(text),
            _ => None,
        }
    }

    /// [`Self::message`], to be masked.
    pub(crate) fn message_mut(&mut self) -> Option<&mut String> {
        match &mut self.outcome {
            Some(Outcome::FailedToStart { message: text } | Outcome::EndedByGateway { reason: text, .. }) => Some(text),
            _ => None,
        }
    }

    /// Whether no end is known.
    pub fn is_live(&self) -> bool {
        self.outcome.is_none()
    }

    /// A row from a recording's header, and its manifest if it has one.
    pub(crate) fn new(session: &SessionMetadata, manifest: Option<&Manifest>) -> Self {
        let target = &session.target;
        Self {
            id: session.id,
            kind: session.kind,
            user: session.principal.name.clone(),
            cluster: target.cluster.clone(),
            namespace: target.namespace.clone(),
            pod: target.name.clone(),
            container: target.container.clone(),
            image: manifest.map_or_else(String::new, |manifest| manifest.image.clone()),
            argv: session.argv.clone(),
            command: shell_quoted(&session.argv),
            tty: session.tty,
            started: time(session.started),
            ended: manifest.map(|manifest| time(manifest.ended)),
            duration: manifest.map(|manifest| manifest.duration),
            outcome: manifest.map(|manifest| manifest.outcome.clone()),
            gateway: session.gateway.clone(),
            client: session.client.clone(),
        }
    }
}

/// The moment in the calendar; 1970 if no calendar has it.
pub(crate) fn time(at: UnixMicros) -> Timestamp {
    at.timestamp().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A [`SessionRow`] in JSON, for the API and in the index. Every key is always there; `outcome` is `live` if no end is
/// known; times are RFC 3339.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionJson {
    id: RecordingId,
    kind: SessionKind,
    user: String,
    cluster: String,
    namespace: String,
    pod: String,
    container: String,
    /// Empty in an index of a version before 5.
    #[serde(default)]
    image: String,
    argv: Vec<String>,
    command: String,
    tty: bool,
    started: Timestamp,
    ended: Option<Timestamp>,
    /// For readers.
    #[serde(rename = "duration")]
    seconds: Option<f64>,
    #[serde(rename = "duration_micros")]
    duration: Option<Micros>,
    outcome: String,
    exit_code: Option<i64>,
    /// See [`SessionRow::message`].
    message: Option<String>,
    gateway: String,
    client: String,
}

impl SessionJson {
    pub(crate) fn id(&self) -> RecordingId {
        self.id
    }

    pub(crate) fn started(&self) -> Timestamp {
        self.started
    }
}

impl From<&SessionRow> for SessionJson {
    fn from(row: &SessionRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            user: row.user.clone(),
            cluster: row.cluster.clone(),
            namespace: row.namespace.clone(),
            pod: row.pod.clone(),
            container: row.container.clone(),
            image: row.image.clone(),
            argv: row.argv.clone(),
            command: row.command.clone(),
            tty: row.tty,
            started: row.started,
            ended: row.ended,
            seconds: row.duration.map(Micros::as_secs_f64),
            duration: row.duration,
            outcome: OutcomeFilter::of(row.outcome.as_ref()).name().to_owned(),
            exit_code: row.exit_code(),
            message: row.message().map(str::to_owned),
            gateway: row.gateway.clone(),
            client: row.client.clone(),
        }
    }
}

impl From<SessionJson> for SessionRow {
    fn from(json: SessionJson) -> Self {
        let message = json.message.unwrap_or_default();
        let outcome = match json.outcome.as_str() {
            "exited" => json.exit_code.map(|exit_code| Outcome::Exited { exit_code }),
            "ended" => Some(Outcome::Ended),
            "failed_to_start" => Some(Outcome::FailedToStart { message }),
            "ended_by_gateway" => Some(Outcome::EndedByGateway { reason: message, by: String::new() }),
            "client_gone" => Some(Outcome::ClientGone),
            "upstream_gone" => Some(Outcome::UpstreamGone),
            "interrupted" => Some(Outcome::Interrupted),
            "unknown" => Some(Outcome::Unknown),
            _ => None,
        };
        Self {
            id: json.id,
            kind: json.kind,
            user: json.user,
            cluster: json.cluster,
            namespace: json.namespace,
            pod: json.pod,
            container: json.container,
            image: json.image,
            argv: json.argv,
            command: json.command,
            tty: json.tty,
            started: json.started,
            ended: json.ended,
            duration: json.duration,
            outcome,
            gateway: json.gateway,
            client: json.client,
        }
    }
}

impl Serialize for SessionRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        SessionJson::from(self).serialize(serializer)
    }
}

/// The fields of a session that its commands and output are filtered by, repeated in each of their documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionContext {
    #[serde(rename = "session")]
    pub(crate) id: RecordingId,
    pub(crate) kind: SessionKind,
    pub(crate) started: UnixMicros,
    pub(crate) user: String,
    pub(crate) cluster: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    /// Empty in an index of a version before 5.
    #[serde(default)]
    pub(crate) image: String,
    pub(crate) tty: bool,
    /// [`OutcomeFilter::name`]
    pub(crate) outcome: String,
    pub(crate) exit_code: Option<i64>,
}

impl SessionContext {
    pub(crate) fn of(row: &SessionRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            started: row.started.into(),
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

    /// When a moment of the session was; its start if that is out of range, which only a forged recording has.
    pub(crate) fn at(&self, offset: Micros) -> UnixMicros {
        if i64::try_from(offset.get()).is_ok() { self.started + offset } else { self.started }
    }
}

/// The text by which a session is found: `ada@prod default/web-0/app from 10.1.2.3:4567`, and its message.
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

/// The name of a session's kind in queries and in the index.
pub(crate) fn session_kind_name(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Exec => "exec",
        SessionKind::Attach => "attach",
        SessionKind::PortForward => "port_forward",
    }
}

/// A page of a list, newest session first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions.
    pub rows: Vec<SessionRow>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<SessionCursor>,
    /// Sessions that the filter finds, on all pages: exact.
    pub total: usize,
}

/// The values that occur in fields, for the choices of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// People.
    pub users: Vec<String>,
    /// Clusters.
    pub clusters: Vec<String>,
    /// Namespaces.
    pub namespaces: Vec<String>,
}

use jiff::Timestamp;
use recording::{Manifest, Outcome, RecordingId, cast};
use serde::{Deserialize, Serialize, Serializer};

use crate::{Cursor, OutcomeFilter, quote::quoted};

/// A session, as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The recording.
    pub id: RecordingId,
    /// Exec, attach or port-forward.
    pub kind: cast::SessionKind,
    /// Who.
    pub user: String,
    /// The cluster's name.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container that was named; empty where none was.
    pub container: String,
    /// The image that the container runs; empty while it is live, and where it was not learned.
    pub image: String,
    /// The command's elements; empty for attach and port-forward.
    pub argv: Vec<String>,
    /// `argv`, quoted for a shell.
    pub command: String,
    /// Whether a terminal was asked for.
    pub tty: bool,
    /// Start.
    pub started: Timestamp,
    /// End; none while it is live.
    pub ended: Option<Timestamp>,
    /// Length in microseconds; none while it is live.
    pub duration_micros: Option<u64>,
    /// How it ended; none while it is live, and for one whose gateway died.
    pub outcome: Option<Outcome>,
    /// Name of the gateway.
    pub gateway: String,
    /// The client's address.
    pub client: String,
}

impl SessionRow {
    /// Exit code of the process, where one was seen.
    pub fn exit_code(&self) -> Option<i64> {
        match self.outcome {
            Some(Outcome::Exited { exit_code }) => Some(exit_code),
            _ => None,
        }
    }

    /// What the upstream said when it refused, or why the gateway ended it.
    pub fn message(&self) -> Option<&str> {
        match &self.outcome {
            Some(Outcome::FailedToStart { message: text } | Outcome::EndedByGateway { reason: text, .. }) => Some(text),
            _ => None,
        }
    }

    /// The same, to be masked.
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

    /// What the header says, and the manifest where there is one.
    pub(crate) fn new(session: &cast::SessionMetadata, manifest: Option<&Manifest>) -> Self {
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
            command: quoted(&session.argv),
            tty: session.tty,
            started: time(session.started_micros),
            ended: manifest.map(|manifest| time(manifest.ended_micros)),
            duration_micros: manifest.map(|manifest| manifest.duration_micros),
            outcome: manifest.map(|manifest| manifest.outcome.clone()),
            gateway: session.gateway.clone(),
            client: session.client.clone(),
        }
    }
}

/// Microseconds since 1970 as time; 1970 for what is out of range.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The row in JSON, in lists' output and in the index: every key is always there; `outcome` is `live` where no end
/// is known; times are RFC 3339.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RowJson {
    id: RecordingId,
    kind: cast::SessionKind,
    user: String,
    cluster: String,
    namespace: String,
    pod: String,
    container: String,
    /// Since version 5.
    #[serde(default)]
    image: String,
    argv: Vec<String>,
    command: String,
    tty: bool,
    started: Timestamp,
    ended: Option<Timestamp>,
    /// Seconds, for readers.
    duration: Option<f64>,
    duration_micros: Option<u64>,
    outcome: String,
    exit_code: Option<i64>,
    /// What the upstream said, or why the gateway ended it.
    message: Option<String>,
    gateway: String,
    client: String,
}

impl From<&SessionRow> for RowJson {
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
            duration: row.duration_micros.map(|micros| micros as f64 / 1e6),
            duration_micros: row.duration_micros,
            outcome: OutcomeFilter::of(row.outcome.as_ref()).name().to_owned(),
            exit_code: row.exit_code(),
            message: row.message().map(str::to_owned),
            gateway: row.gateway.clone(),
            client: row.client.clone(),
        }
    }
}

impl From<RowJson> for SessionRow {
    fn from(json: RowJson) -> Self {
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
            duration_micros: json.duration_micros,
            outcome,
            gateway: json.gateway,
            client: json.client,
        }
    }
}

impl Serialize for SessionRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RowJson::from(self).serialize(serializer)
    }
}

/// A page of a list, newest session first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions.
    pub rows: Vec<SessionRow>,
    /// Where the next page begins; none when this is the last one.
    pub next: Option<Cursor>,
    /// Sessions that the filter finds, on all pages.
    pub total: usize,
}

/// The values that sessions have in a field, for a form's choices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Values {
    /// People.
    pub users: Vec<String>,
    /// Clusters.
    pub clusters: Vec<String>,
    /// Namespaces.
    pub namespaces: Vec<String>,
}

//! What a file's recording is: its session, header and manifest, by what the importing person, the file and the file system
//! say.

use std::path::Path;

use jiff::Timestamp;
use recording::{
    Chunk, Command, CommandSource, Manifest, Micros, Outcome, RecordingId, UnixMicros,
    cast::{Header, IMPORTED, Imported, SessionMetadata},
};
use serde::Serialize;
use storage::StoredManifest;

use crate::{DeclaredIdentity, ImportError, scan::ScanSummary};

/// A file that is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedFile {
    /// The recording.
    pub id: RecordingId,
    /// The file's SHA-256, in hexadecimal.
    pub sha256: String,
    /// It was there before; nothing was written.
    pub already: bool,
    /// The manifest that was put, for the journal to vouch for; `None` if it was there before.
    #[serde(skip)]
    pub stored: Option<StoredManifest>,
    /// Events of the file.
    pub events: u64,
    /// Length.
    #[serde(rename = "duration_micros")]
    pub duration: Micros,
    /// Input events that were left out.
    pub dropped_inputs: u64,
    /// What was not as it should be.
    pub annotations: Vec<String>,
}

/// A file, and what is known of it without looking into it.
pub(crate) struct SourceFile<'a> {
    pub(crate) path: &'a Path,
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) modified: Option<std::time::SystemTime>,
    pub(crate) declared: &'a DeclaredIdentity,
}

impl SourceFile<'_> {
    pub(crate) fn done(&self, summary: &ScanSummary, id: RecordingId, stored: Option<StoredManifest>) -> ImportedFile {
        ImportedFile {
            id,
            sha256: self.sha256.clone(),
            already: stored.is_none(),
            stored,
            events: summary.events,
            duration: summary.duration,
            dropped_inputs: if self.declared.keep_input { 0 } else { summary.inputs },
            annotations: annotations(summary),
        }
    }

    /// When it started: as the importing person says, or else the file, or else the file system.
    fn started(&self, summary: &ScanSummary) -> Result<UnixMicros, ImportError> {
        let header = &summary.header;
        let said = self.declared.started.map(UnixMicros::from);
        let ours = || header.kubetape.as_ref().map(|session| session.started);
        let theirs = || header.timestamp.map(|seconds| UnixMicros::new((seconds * 1e6) as i64));
        let modified = || self.modified.and_then(|at| Timestamp::try_from(at).ok()).map(UnixMicros::from);
        let started = said.or_else(ours).or_else(theirs).or_else(modified).unwrap_or_default();
        match started.timestamp() {
            Some(_) if started >= UnixMicros::EPOCH => Ok(started),
            _ => Err(ImportError::Start(format!("{} s", started.as_secs()))),
        }
    }

    pub(crate) fn session(&self, summary: &ScanSummary) -> Result<SessionMetadata, ImportError> {
        let started = self.started(summary)?;
        let (declared, header) = (self.declared, &summary.header);
        let (ours, tailscale) = (header.kubetape.as_ref(), &header.tailscale);
        let kind = declared.kind.or(ours.map(|session| session.kind)).or(tailscale.kind);
        let said = |declared: &Option<String>, ours: Option<&String>, theirs: &str| {
            declared.clone().or_else(|| ours.cloned()).unwrap_or_else(|| theirs.to_owned())
        };
        let target = ours.map(|session| &session.target);
        let pod = said(&declared.pod, target.map(|t| &t.name), &tailscale.pod);
        let kind = kind.unwrap_or(recording::cast::SessionKind::Exec);
        Ok(SessionMetadata {
            id: id(started, &self.sha256),
            kind,
            started,
            gateway: IMPORTED.to_owned(),
            principal: access::Principal {
                name: said(&declared.user, ours.map(|session| &session.principal.name), &tailscale.user),
                groups: if declared.groups.is_empty() {
                    ours.map(|session| session.principal.groups.clone()).unwrap_or_default()
                } else {
                    declared.groups.clone()
                },
                credential: access::Credential::Claimed,
                credential_id: String::new(),
            },
            target: access::Target {
                cluster: said(&declared.cluster, target.map(|t| &t.cluster), ""),
                namespace: said(&declared.namespace, target.map(|t| &t.namespace), &tailscale.namespace),
                resource: if pod.is_empty() { String::new() } else { "pods".to_owned() },
                name: pod,
                subresource: if kind == recording::cast::SessionKind::Attach { "attach" } else { "exec" }.to_owned(),
                container: said(&declared.container, target.map(|t| &t.container), &tailscale.container),
            },
            impersonation: access::Impersonation { user: String::new(), groups: Vec::new() },
            rule: String::new(),
            input: if declared.keep_input { access::InputRecording::Always } else { access::InputRecording::Never },
            argv: argv(summary),
            tty: header.tty(),
            stdin: summary.inputs > 0 || header.tty(),
            client: tailscale.node.clone(),
            user_agent: String::new(),
            kubectl_command: String::new(),
            kubectl_session: String::new(),
            imported: Some(Box::new(Imported {
                file: self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                sha256: self.sha256.clone(),
                size: self.size,
                format: format!("asciicast v{}", header.version),
                at: Timestamp::now().into(),
                by: declared.by.clone(),
                header: header.whole.clone(),
            })),
        })
    }
}

/// The words of the command that the header names; one word if a shell could not split it.
fn argv(summary: &ScanSummary) -> Vec<String> {
    let header = &summary.header;
    if let Some(session) = &header.kubetape {
        return session.argv.clone();
    }
    let command = if header.command.is_empty() { &header.tailscale.command } else { &header.command };
    if command.is_empty() { Vec::new() } else { shlex::split(command).unwrap_or_else(|| vec![command.clone()]) }
}

/// The recording's header. `theirs` is the title that the file has: it is used if no pod is known.
pub(crate) fn header(session: SessionMetadata, theirs: &str) -> Header {
    let target = &session.target;
    let place = [&target.namespace, &target.name, &target.container];
    let place = place.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/");
    let title = if place.is_empty() {
        theirs.to_owned()
    } else {
        format!("{}@{} {place}", session.principal.name, target.cluster)
    };
    Header {
        version: 2,
        width: 80,
        height: 24,
        timestamp: session.started.as_secs(),
        command: shlex::try_join(session.argv.iter().map(String::as_str)).unwrap_or_default(),
        title,
        kubetape: session,
    }
}

pub(crate) fn manifest(session: SessionMetadata, summary: &ScanSummary, chunks: Vec<Chunk>) -> Manifest {
    let (width, height) = summary.size.unwrap_or((80, 24));
    let argv = shlex::try_join(session.argv.iter().map(String::as_str)).unwrap_or_default();
    let first = (!argv.is_empty()).then_some(Command {
        time: Micros::ZERO,
        source: CommandSource::Argv,
        text: argv,
        typed: None,
    });
    Manifest {
        format: 1,
        ended: session.started + summary.duration,
        duration: summary.duration,
        outcome: summary.exit.map_or(Outcome::Unknown, |exit_code| Outcome::Exited { exit_code }),
        width,
        height,
        totals: summary.totals,
        contents: recording::Contents::default(),
        chunks,
        commands: first.into_iter().chain(summary.typed.iter().cloned()).collect(),
        anomalies: annotations(summary),
        transport: String::new(),
        image: String::new(),
        session,
    }
}

fn annotations(summary: &ScanSummary) -> Vec<String> {
    let mut annotations = Vec::new();
    let (backwards, unknown) = (summary.oddities.backwards, summary.oddities.unknown);
    if backwards > 0 {
        annotations.push(format!("{backwards} events had a time before the one before them, and were given its time"));
    }
    if unknown > 0 {
        annotations.push(format!("{unknown} events of unknown codes were left out"));
    }
    let header = &summary.header;
    if header.timestamp.is_none() && header.kubetape.is_none() {
        annotations.push("the file does not say when it started".to_owned());
    }
    annotations
}

/// UUID v7 (RFC 9562, section 5.7) of the start; its random bits are the digest's, so the same file has the same id.
fn id(started: UnixMicros, sha256: &str) -> RecordingId {
    let digits = u128::from_str_radix(&sha256[..32], 16).unwrap_or_default().to_be_bytes();
    let mut random = [0; 10];
    random.copy_from_slice(&digits[..10]);
    let millis = started.get().unsigned_abs() / 1000;
    RecordingId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

//! Recordings and journals, written as gateways write them.

use std::sync::Arc;

use jiff::Timestamp;
use recording::{
    Chunk, Command, CommandSource, Key, Manifest, Micros, Outcome, RecordingId, UnixMicros,
    cast::{Code, Header, write_event},
    journal::{ApiRequest, JournalEntry, JournalEvent},
};
use search::{Hit, Index, Query, SessionFilter};
use serde_json::json;
use storage::{Disk, Memory, Store, journal};
use uuid::Builder;

/// 2026-11-22 10:00:00 UTC, seconds since 1970.
pub const MORNING: i64 = 1_795_341_600;

/// A session to be written.
#[derive(Clone, Debug)]
pub struct Session {
    pub user: &'static str,
    pub cluster: &'static str,
    pub namespace: &'static str,
    pub pod: &'static str,
    pub container: &'static str,
    pub kind: &'static str,
    pub argv: Vec<&'static str>,
    /// Known at the end.
    pub image: &'static str,
    /// Seconds after [`MORNING`].
    pub at: i64,
    /// Tells sessions of one moment apart.
    pub number: u16,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            user: "ada",
            cluster: "prod",
            namespace: "default",
            pod: "web-0",
            container: "app",
            kind: "exec",
            argv: vec!["sh"],
            image: "registry.example.com/web:1.27",
            at: 0,
            number: 0,
        }
    }
}

/// A store and what is in it.
#[derive(Clone, Debug)]
pub struct Library {
    pub store: Arc<dyn Store>,
}

impl Library {
    pub fn new() -> Self {
        Self { store: Arc::new(Memory::new()) }
    }

    /// A store in a folder, as the program has by default.
    pub async fn on_disk(folder: &std::path::Path) -> Self {
        Self { store: Arc::new(Disk::open(folder).await.unwrap()) }
    }

    pub async fn put(&self, key: &Key, bytes: Vec<u8>) {
        self.store.put_new(key, bytes.into()).await.unwrap();
    }

    pub async fn read(&self, key: &Key) -> Vec<u8> {
        self.store.read(key, u64::MAX).await.unwrap().to_vec()
    }

    /// Writes the header's chunk.
    pub async fn begin(&self, session: &Session) -> RecordingId {
        let header = header(session);
        self.put(&Key::chunk(header.kubetape.id, 0), zstd::bulk::compress(&header.to_line(), 1).unwrap()).await;
        header.kubetape.id
    }

    /// Writes a chunk with these commands, at one second each, among output.
    pub async fn types(&self, id: RecordingId, number: u32, commands: &[&str]) {
        let mut lines = Vec::new();
        for (second, command) in (1u64..).zip(commands) {
            write_event(&mut lines, Micros::from_secs(second), Code::Output, "$ \"m\", not a marker\r\n");
            write_event(&mut lines, Micros::from_secs(second), Code::Marker, command);
        }
        self.put(&Key::chunk(id, number), zstd::bulk::compress(&lines, 1).unwrap()).await;
    }

    /// Writes a chunk with this output, each piece at its microsecond.
    pub async fn shows(&self, id: RecordingId, number: u32, output: &[(u64, &str)]) {
        let mut lines = Vec::new();
        for (at, text) in output {
            write_event(&mut lines, Micros::new(*at), Code::Output, text);
        }
        self.put(&Key::chunk(id, number), zstd::bulk::compress(&lines, 1).unwrap()).await;
    }

    /// Writes the manifest.
    pub async fn end(&self, session: &Session, outcome: Outcome, typed: &[&str]) {
        let manifest = manifest(session, outcome, typed);
        let key = Key::manifest(manifest.session.id);
        self.put(&key, serde_json::to_vec(&manifest).unwrap()).await;
    }

    /// Writes a whole session.
    pub async fn record(&self, session: &Session, outcome: Outcome, typed: &[&str]) -> RecordingId {
        let id = self.begin(session).await;
        self.types(id, 1, typed).await;
        self.end(session, outcome, typed).await;
        id
    }

    /// Writes nothing of a session but its manifest.
    pub async fn end_only(&self, session: &Session) {
        self.end(session, Outcome::Exited { exit_code: 0 }, &[]).await;
    }

    /// Writes an object of a gateway's journal.
    pub async fn journal(&self, gateway: &str, seq: u64, entries: &[JournalEntry]) {
        let at = Timestamp::from_second(MORNING).unwrap();
        let key = Key::journal(gateway, at, seq).unwrap();
        self.put(&key, journal::encode(entries).unwrap()).await;
    }
}

pub fn header(session: &Session) -> Header {
    let millis = (MORNING + session.at) as u64 * 1000;
    let mut random = [0; 10];
    random[..2].copy_from_slice(&session.number.to_be_bytes());
    random[9] = session.number.to_be_bytes()[1];
    let id = Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    let header = json!({
        "version": 2, "width": 80, "height": 24, "timestamp": MORNING + session.at,
        "kubetape": {
            "id": id, "kind": session.kind, "started_micros": (MORNING + session.at) * 1_000_000, "gateway": "gw-1",
            "principal": {
                "name": session.user, "groups": [], "credential": "token", "credential_id": "t1",
            },
            "target": {
                "cluster": session.cluster, "namespace": session.namespace, "resource": "pods",
                "name": session.pod, "subresource": "exec", "container": session.container,
            },
            "impersonation": {"user": session.user, "groups": []},
            "rule": "all", "input": "never", "argv": session.argv, "tty": true, "stdin": true,
        },
    });
    Header::parse(header.to_string().as_bytes()).unwrap()
}

fn manifest(session: &Session, outcome: Outcome, typed: &[&str]) -> Manifest {
    let image = session.image.to_owned();
    let session = header(session).kubetape;
    let duration = Micros::from_secs(60);
    let commands = (1u64..).zip(typed).map(|(second, text)| Command {
        time: Micros::from_secs(second),
        source: CommandSource::Typed,
        text: (*text).to_owned(),
        typed: None,
    });
    Manifest {
        format: 1,
        ended: session.started + duration,
        duration,
        outcome,
        width: 80,
        height: 24,
        totals: recording::StreamTotals::default(),
        contents: recording::Contents::default(),
        chunks: Vec::<Chunk>::new(),
        commands: commands.collect(),
        anomalies: Vec::new(),
        transport: String::new(),
        image,
        session,
    }
}

/// A request of `kubectl get`, seconds after [`MORNING`].
pub fn request(user: &str, at: i64, run: &str, name: &str) -> JournalEntry {
    let mut request = ApiRequest { verb: "get".to_owned(), code: 200, ..ApiRequest::default() };
    request.target.cluster = "prod".to_owned();
    request.target.namespace = "default".to_owned();
    request.target.resource = "pods".to_owned();
    request.target.name = name.to_owned();
    request.kubectl_session = run.to_owned();
    request.kubectl_command = if run.is_empty() { String::new() } else { "kubectl get".to_owned() };
    entry(user, at, JournalEvent::Request(request))
}

pub fn entry(user: &str, at: i64, what: JournalEvent) -> JournalEntry {
    JournalEntry {
        from: String::new(),
        time: UnixMicros::new((MORNING + at) * 1_000_000),
        gateway: "gw-1".to_owned(),
        user: user.to_owned(),
        what,
    }
}

pub fn find(index: &Index, text: &str) -> Vec<Hit> {
    index.search(&Query { text: text.to_owned(), limit: 1000, ..Query::default() }).unwrap().hits
}

pub fn texts(index: &Index, text: &str) -> Vec<String> {
    find(index, text).into_iter().map(|hit| hit.text).collect()
}

/// Everything that the index says, in an order that does not depend on when it was indexed.
pub fn everything(index: &Index) -> Vec<String> {
    let hits = index.search(&Query { limit: 10_000, ..Query::default() }).unwrap();
    let sessions = index.sessions(&SessionFilter { limit: 10_000, ..SessionFilter::default() }).unwrap();
    let mut all: Vec<String> = hits.hits.iter().map(|hit| serde_json::to_string(hit).unwrap()).collect();
    all.extend(sessions.rows.iter().map(|row| serde_json::to_string(row).unwrap()));
    all.sort_unstable();
    all
}

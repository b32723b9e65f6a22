//! What the tests of a session share: a permit, both ends' frames, a store that misbehaves on demand.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use access::{Action, Credential, InputRecording, Permit, Policy, Principal, Rule, Target};
use async_trait::async_trait;
use bytes::Bytes;
use recorder::{Ending, OpenRequest, Recorder, Recording, Settings};
use recording::{
    Key, Manifest, RecordingId,
    cast::{Code, Event, SessionKind},
};
use spool::{Spool, SpoolLimits};
use storage::{Capabilities, Memory, ObjectMeta, RecordingReader, Store, StoreError};
use tokio::sync::{Notify, Semaphore};
use wire::{Negotiated, Request, Side, Subresource};

pub use wire::Side::{Client, Server};

/// Stdin, stdout, stderr, error and resize of the channel protocols.
pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
pub const ERROR: u8 = 3;
pub const RESIZE: u8 = 4;

pub const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;

pub fn exit_code(code: i64) -> Vec<u8> {
    format!(
        r#"{{"metadata":{{}},"status":"Failure","message":"command terminated with non-zero exit code","reason":"NonZeroExitCode","details":{{"causes":[{{"reason":"ExitCode","message":"{code}"}}]}}}}"#
    )
    .into_bytes()
}

pub fn permit(input: InputRecording) -> Permit {
    let rule = Rule {
        name: "engineers".to_owned(),
        users: vec!["ada".to_owned()],
        groups: Vec::new(),
        clusters: vec!["*".to_owned()],
        as_user: "{user}".to_owned(),
        as_groups: vec!["dev".to_owned()],
        deny: Vec::new(),
        side_doors: Vec::new(),
        record_input: input,
        journal_reads: true,
    };
    let principal = Principal {
        name: "ada".to_owned(),
        groups: Vec::new(),
        credential: Credential::Token,
        credential_id: "7".to_owned(),
    };
    let target = Target {
        cluster: "demo".to_owned(),
        namespace: "default".to_owned(),
        resource: "pods".to_owned(),
        name: "web".to_owned(),
        subresource: "exec".to_owned(),
        container: "app".to_owned(),
    };
    let policy = Policy { rules: vec![rule] };
    policy.decide(&principal, Action::Exec, &target, SystemTime::now()).expect("a permit")
}

pub fn opening(kind: SessionKind, argv: &[&str], tty: bool) -> OpenRequest {
    OpenRequest {
        kind,
        argv: argv.iter().map(|element| (*element).to_owned()).collect(),
        tty,
        stdin: true,
        client: "127.0.0.1:50000".to_owned(),
        user_agent: "kubectl/v1.33".to_owned(),
        kubectl_command: "kubectl exec".to_owned(),
        kubectl_session: String::new(),
    }
}

/// What the query of such an opening says, and a 101 with v5, or v4 where that is the newest.
pub fn negotiated(kind: SessionKind, tty: bool) -> (Negotiated, Request) {
    let (subresource, query) = match kind {
        SessionKind::Exec => (Subresource::Exec, "command=sh&stdin=true&stdout=true&stderr=true"),
        SessionKind::Attach => (Subresource::Attach, "stdin=true&stdout=true&stderr=true"),
        SessionKind::PortForward => (Subresource::PortForward, "ports=8080"),
    };
    let request = Request::parse(subresource, &format!("{query}&tty={tty}")).expect("a request");
    let protocol = match kind {
        SessionKind::Exec | SessionKind::Attach => "v5.channel.k8s.io",
        SessionKind::PortForward => "v4.channel.k8s.io",
    };
    let negotiated = Negotiated::from_response(&request, "websocket", Some(protocol)).expect("a known protocol");
    (negotiated, request)
}

/// Chunks close by age at once, and a spool without room is given up soon.
pub fn settings() -> Settings {
    Settings { chunk_age: Duration::from_millis(10), patience: Duration::from_millis(300), ..Settings::default() }
}

/// A spool that no bound of the machine's own disk disturbs.
pub fn spool(folder: &std::path::Path) -> Spool {
    Spool::open(folder, bounds()).expect("a spool")
}

pub fn bounds() -> SpoolLimits {
    SpoolLimits { disk_floor: 0, ..SpoolLimits::default() }
}

/// A message on a channel, as that side frames it. The client's mask is zero, which is a mask like another.
pub fn message(from: Side, channel: u8, data: &[u8]) -> Vec<u8> {
    frame(from, 0x82, &[&[channel], data].concat())
}

pub fn close(from: Side) -> Vec<u8> {
    frame(from, 0x88, &1000_u16.to_be_bytes())
}

pub fn frame(from: Side, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = match from {
        Side::Client => 0x80,
        Side::Server => 0,
    };
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(mask | length as u8),
        Ok(length) => {
            frame.push(mask | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(mask | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if mask != 0 {
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

/// A session under way, on a memory store unless another is given.
pub struct Stage {
    pub store: Arc<dyn Store>,
    pub recorder: Recorder,
    pub recording: Arc<Recording>,
    pub folder: tempfile::TempDir,
}

impl Stage {
    pub async fn exec(argv: &[&str], tty: bool) -> Self {
        Self::with(settings(), Arc::new(Memory::new()), SessionKind::Exec, argv, tty, InputRecording::Never).await
    }

    pub async fn with(
        settings: Settings,
        store: Arc<dyn Store>,
        kind: SessionKind,
        argv: &[&str],
        tty: bool,
        input: InputRecording,
    ) -> Self {
        Self::bounded(bounds(), settings, store, kind, argv, tty, input).await
    }

    pub async fn bounded(
        bounds: SpoolLimits,
        settings: Settings,
        store: Arc<dyn Store>,
        kind: SessionKind,
        argv: &[&str],
        tty: bool,
        input: InputRecording,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::open(folder.path(), bounds).expect("a spool");
        let recorder = Recorder::start(spool, store.clone(), settings);
        let opened = recorder.open(&permit(input), opening(kind, argv, tty)).await.expect("opened");
        let (negotiated, request) = negotiated(kind, tty);
        Self { store, recorder, recording: Arc::new(opened.begin(negotiated, &request)), folder }
    }

    pub async fn client(&self, channel: u8, data: &[u8]) {
        self.recording.accept(Client, &message(Client, channel, data)).await.expect("accepted");
    }

    pub async fn server(&self, channel: u8, data: &[u8]) {
        self.recording.accept(Server, &message(Server, channel, data)).await.expect("accepted");
    }

    /// Ends the session and waits until it is in the store: the manifest there.
    pub async fn finish(&self, how: Ending) -> Manifest {
        let said = self.recording.clone().finish(how).await.expect("an end");
        self.recorder.drained().await;
        let stored = RecordingReader::new(self.store.clone()).manifest(self.recording.id()).await;
        let stored = stored.expect("a manifest").expect("a manifest");
        assert_eq!(Manifest { chunks: Vec::new(), ..stored.clone() }, said, "what was said is what is stored");
        stored
    }

    /// Everything that is in the store of it.
    pub async fn events(&self) -> Vec<Event> {
        RecordingReader::new(self.store.clone()).events(self.recording.id()).await.expect("a recording").1
    }
}

/// Codes and data, without times.
pub fn said(events: &[Event]) -> Vec<(Code, &str)> {
    events.iter().map(|event| (event.code, event.data.as_str())).collect()
}

/// A stream's exact bytes.
pub fn restored(events: &[Event], stream: Code) -> Vec<u8> {
    let pieces = events.iter().filter_map(Event::bytes).filter(|(code, _)| *code == stream);
    pieces.flat_map(|(_, bytes)| bytes.into_owned()).collect()
}

/// A memory store whose writes fail, or wait for a permit.
#[derive(Debug)]
pub struct Moody {
    inner: Memory,
    pub failing: AtomicBool,
    /// How many writes it was asked for while it failed.
    pub refused: AtomicUsize,
    /// One permit is taken by each write.
    pub gate: Semaphore,
    /// Notified after each write, refused or not.
    pub written: Notify,
}

impl Moody {
    /// `writes`: how many go through before the gate closes.
    pub fn new(writes: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Memory::new(),
            failing: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            gate: Semaphore::new(writes),
            written: Notify::new(),
        })
    }
}

#[async_trait]
impl Store for Moody {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        if self.failing.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            self.written.notify_one();
            let source = std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device");
            return Err(StoreError::Failed { action: "write", key: key.to_string(), source: Box::new(source) });
        }
        self.gate.acquire().await.expect("an open semaphore").forget();
        self.inner.put_new(key, bytes).await?;
        self.written.notify_one();
        Ok(())
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        let object = self.inner.read(key, max).await?;
        assert!(object.len() < 80 << 20, "{key} was read without a look at its size");
        Ok(object)
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.inner.probe().await
    }
}

/// Manifest and events in the store.
pub async fn read(store: &Arc<Moody>, id: RecordingId) -> (Manifest, Vec<Event>) {
    let recordings = RecordingReader::new(store.clone());
    let manifest = recordings.manifest(id).await.expect("readable").expect("a manifest");
    (manifest, recordings.events(id).await.expect("a recording").1)
}

pub async fn stage(store: &Arc<Moody>, settings: Settings) -> Stage {
    Stage::with(settings, store.clone(), SessionKind::Exec, &["sh"], false, InputRecording::Never).await
}

/// Chunks close by size alone.
pub fn slow() -> Settings {
    Settings { chunk_age: Duration::from_secs(3600), ..settings() }
}

/// What `kill -9` leaves: the folder as it is at this moment, in another place.
pub fn killed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for session in std::fs::read_dir(folder).expect("the spool") {
        let session = session.expect("an entry");
        if session.file_type().expect("a type").is_dir() {
            let to = copy.path().join(session.file_name());
            std::fs::create_dir(&to).expect("a folder");
            for file in std::fs::read_dir(session.path()).into_iter().flatten() {
                let file = file.expect("a file");
                match std::fs::copy(file.path(), to.join(file.file_name())) {
                    // Stored and removed at this moment.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    other => _ = other.expect("a copy"),
                }
            }
        }
    }
    copy
}

pub async fn recovered(folder: &Path, store: Arc<dyn Store>) {
    Recorder::start(spool(folder), store, settings()).drained().await;
    assert_eq!(spool(folder).reader().sessions(), []);
}

/// Waits until files of the spool were removed, a moment after what they have is in the store.
pub async fn gone(files: &[PathBuf]) {
    let removed = async {
        while files.iter().any(|file| file.exists()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), removed).await.expect("what is stored is removed");
}

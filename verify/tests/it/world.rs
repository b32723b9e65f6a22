//! A small store as a gateway leaves it: two recordings, a journal of several objects, a key and the one after it.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicI64, atomic::Ordering},
};

use bytes::Bytes;
use journal::{Journal, JournalSettings};
use recording::{
    Chunk, JournalHead, Key, Manifest, Micros, Outcome, RecordingId, UnixMicros,
    cast::{Code, Header, write_event},
    journal::{ApiRequest, JournalEvent},
};
use serde_json::json;
use storage::{
    Memory, RecordingWriter, Store, StoredManifest,
    journal::{Seal, SealedObject},
    signing::{DocumentKind, Predecessor, Signer, publish},
};
use uuid::{NoContext, Timestamp, Uuid};

pub type Objects = BTreeMap<Key, Bytes>;

pub struct World {
    pub objects: Objects,
    pub old: Arc<Signer>,
    pub new: Arc<Signer>,
    pub heads: Vec<JournalHead>,
    pub recordings: [RecordingId; 2],
}

/// The time, later with each call.
pub fn now() -> UnixMicros {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let clock = jiff::Timestamp::now().as_microsecond();
    UnixMicros::new(LAST.fetch_max(clock, Ordering::SeqCst).max(clock))
}

impl World {
    /// Two lives of a gateway; between them its key is replaced.
    pub async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let [old, new] = [(); 2].map(|()| Arc::new(Signer::generate().unwrap()));
        publish(&store, "gw", &old, None, now()).await.unwrap();
        let first = life(&store, &old, 1).await;
        let before = Predecessor { signer: &old, journals: old.journal_head().into_iter().collect() };
        publish(&store, "gw", &new, Some(before), now()).await.unwrap();
        let second = life(&store, &new, 2).await;
        let heads = vec![new.journal_head().unwrap()];
        Self { objects: objects(&store).await, old, new, heads, recordings: [first, second] }
    }

    /// What somebody asks who has the old key and the heads.
    pub fn question(&self) -> verify::Question {
        verify::Question {
            trusted: vec![verify::Trust::Key(self.old.public())],
            heads: self.heads.clone(),
            settled: UnixMicros::MAX,
            ..verify::Question::default()
        }
    }

    /// The same objects, and a recording of which its header says that `gateway` made it, signed by the gateway `by`; with what
    /// journals have of it, by journal and event. Each gateway has a key of its own.
    pub async fn and_one_of(&self, gateway: &str, by: &str, told: &[(&str, &str)]) -> Other {
        self.and_one(id(3), gateway, by, told).await
    }

    /// As [`World::and_one_of`], with that id.
    pub async fn and_one(&self, id: RecordingId, gateway: &str, by: &str, told: &[(&str, &str)]) -> Other {
        let store: Arc<dyn Store> = Arc::new(memory(&self.objects).await);
        let mut keys = BTreeMap::new();
        let mut trusted = vec![verify::Trust::Key(self.old.public())];
        for name in ["gw", "gone"] {
            // A process of its own, which knows nothing of how far other stores' journals had come.
            let signer = match name {
                "gw" => Arc::new(Signer::from_pem(&self.new.to_pem().unwrap()).unwrap()),
                _ => Arc::new(Signer::generate().unwrap()),
            };
            publish(&store, name, &signer, None, now()).await.unwrap();
            trusted.push(verify::Trust::Key(signer.public()));
            keys.insert(name, signer);
        }
        let stored = record(&store, &keys[by], gateway, id).await;
        for (teller, events) in by_journal(told) {
            let signer = &keys[teller.trim_end_matches("-import")];
            let journal = journal(&store, signer, teller).await;
            for event in events {
                journal.note("ann", entry(event, id, Some(&stored))).await;
            }
            journal.note("", JournalEvent::Stopped).await;
            journal.close().await.unwrap();
        }
        let question = verify::Question { trusted, ..self.question() };
        Other { objects: objects(&store).await, id, question, keys }
    }

    pub fn chunk(&self, recording: usize, number: u32) -> Key {
        Key::chunk(self.recordings[recording], number)
    }

    pub fn manifest(&self, recording: usize) -> Key {
        Key::manifest(self.recordings[recording])
    }

    /// The journal's object of that number.
    pub fn journal(&self, seq: u64) -> Key {
        self.objects.keys().find(|key| key.journal_seq() == Some(seq)).unwrap().clone()
    }
}

/// A store with one more recording, and what is asked of it.
pub struct Other {
    pub objects: Objects,
    pub id: RecordingId,
    pub question: verify::Question,
    keys: BTreeMap<&'static str, Arc<Signer>>,
}

impl Other {
    pub async fn report(&self) -> verify::Report {
        report(&self.objects, &self.question).await
    }

    /// Seals the last object of a gateway's journal as a program of before digests did.
    pub fn seal_as_format_1(&mut self, gateway: &str) {
        let prefix = format!("journal/{gateway}/");
        let (key, object) = self.objects.iter_mut().rfind(|(key, _)| key.as_str().starts_with(&prefix)).unwrap();
        let parts = SealedObject::new(object);
        let seal: Seal = serde_json::from_slice(parts.seal.unwrap()).unwrap();
        assert_eq!(seal.object, key.as_str());
        let members = serde_json::to_vec(&Seal { format: 1, ..seal }).unwrap();
        // Without the signer's head, which is that of the object as it was.
        let signer = Signer::from_pem(&self.keys[gateway].to_pem().unwrap()).unwrap();
        let document = signer.seal(DocumentKind::Journal, members, now());
        let length = u32::try_from(document.len()).unwrap().to_le_bytes();
        *object = [parts.frame, &[0x50, 0x2a, 0x4d, 0x18], &length, &document].concat().into();
    }
}

/// The events of each journal, in the order in which they were given.
fn by_journal<'a>(told: &[(&'a str, &'a str)]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut journals: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    told.iter().for_each(|(journal, event)| journals.entry(journal).or_default().push(event));
    journals
}

pub async fn report(objects: &Objects, question: &verify::Question) -> verify::Report {
    let store: Arc<dyn Store> = Arc::new(memory(objects).await);
    verify::verify(&store, question, &mut |_| {}).await.unwrap()
}

async fn memory(objects: &Objects) -> Memory {
    let memory = Memory::new();
    for (key, object) in objects {
        memory.put_new(key, object.clone()).await.unwrap();
    }
    memory
}

async fn objects(store: &Arc<dyn Store>) -> Objects {
    let mut objects = Objects::new();
    for entry in store.list("", None, 1000).await.unwrap() {
        let object = store.read(&entry.key, u64::MAX).await.unwrap();
        objects.insert(entry.key, object);
    }
    objects
}

/// Start, one session, stop.
async fn life(store: &Arc<dyn Store>, signer: &Arc<Signer>, number: u64) -> RecordingId {
    let journal = journal(store, signer, "gw").await;
    let id = id(number);
    journal.note("", entry("started", id, None)).await;
    journal.note_durably("ann", entry("session_opened", id, None)).await.unwrap();
    journal.note("ann", entry("session_ended", id, None)).await;
    let stored = record(store, signer, "gw", id).await;
    journal.note("ann", entry("session_stored", id, Some(&stored))).await;
    journal.note("", JournalEvent::Stopped).await;
    journal.close().await.unwrap();
    id
}

async fn journal(store: &Arc<dyn Store>, signer: &Arc<Signer>, gateway: &str) -> Journal {
    let settings = JournalSettings { signer: Arc::clone(signer), ..JournalSettings::default() };
    Journal::open(Arc::clone(store), gateway, settings).await.unwrap()
}

fn id(number: u64) -> RecordingId {
    RecordingId(Uuid::new_v7(Timestamp::from_unix(NoContext, 1_795_348_800 + number, 0)))
}

pub fn entry(event: &str, session: RecordingId, stored: Option<&StoredManifest>) -> JournalEvent {
    match event {
        "started" => JournalEvent::Started { version: "1".to_owned(), config: String::new() },
        "session_opened" => {
            JournalEvent::SessionOpened { session, request: ApiRequest::default(), grant: Box::default() }
        }
        "session_ended" => JournalEvent::SessionEnded { session, outcome: Outcome::Exited { exit_code: 42 } },
        "session_stored" => stored.unwrap().journal_event(),
        "another_stored" => StoredManifest { sha256: [7; 32], ..stored.unwrap().clone() }.journal_event(),
        "imported" => JournalEvent::Imported { session, file: "a.cast".to_owned(), sha256: String::new() },
        other => panic!("{other}"),
    }
}

async fn record(store: &Arc<dyn Store>, signer: &Arc<Signer>, gateway: &str, id: RecordingId) -> StoredManifest {
    let header = header(gateway, id);
    let mut lines = vec![header.to_line(), Vec::new(), Vec::new()];
    write_event(&mut lines[1], Micros::new(100), Code::Output, "one\r\n");
    write_event(&mut lines[2], Micros::new(200), Code::Output, "two\r\n");
    let mut digest = [0; 32];
    let mut chunks = Vec::new();
    let writer = RecordingWriter::new(Arc::clone(store), Arc::clone(signer));
    for (number, lines) in (0..).zip(lines) {
        let stored = writer.put_chunk(id, number, lines, digest).await.unwrap().stored().unwrap();
        chunks.push(stored.listed(Micros::ZERO, Micros::new(200)));
        digest = stored.digest;
    }
    writer.put_manifest(&manifest(header, chunks), now()).await.unwrap().stored().unwrap()
}

fn header(gateway: &str, id: RecordingId) -> Header {
    let header = json!({
        "version": 2, "width": 80, "height": 24, "timestamp": 1_795_348_800, "command": "sh", "title": "a pod",
        "kubetape": {
            "id": id, "kind": "exec", "started_micros": 1_795_348_800_000_000_i64, "gateway": gateway,
            "principal": { "name": "ann", "groups": [], "credential": "token", "credential_id": "1" },
            "target": { "cluster": "c" }, "impersonation": { "user": "ann", "groups": [] },
            "rule": "all", "input": "never", "argv": ["sh"], "tty": true, "stdin": true,
        },
    });
    Header::parse(header.to_string().as_bytes()).unwrap()
}

fn manifest(header: Header, chunks: Vec<Chunk>) -> Manifest {
    let manifest = json!({
        "format": 1, "session": header.kubetape, "ended_micros": 1, "duration_micros": 1, "outcome": "exited",
        "exit_code": 42, "width": 80, "height": 24, "totals": { "stdin": 0, "stdout": 10, "stderr": 0 },
        "chunks": chunks, "commands": [],
    });
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 42 });
    manifest
}

use std::sync::Arc;

use player::{Player, PlayerSettings};
use recording::{
    Key, Micros, RecordingId,
    cast::{Code, Header, write_bytes, write_event},
};
use serde_json::json;
use storage::{Memory, RecordingReader, Store};
use uuid::Uuid;

/// A recording in the making.
pub struct TestRecording {
    pub store: Arc<Memory>,
    pub id: RecordingId,
    header: Header,
    chunks: u32,
}

pub enum SessionKind {
    Tty,
    Piped,
}

impl TestRecording {
    /// A recording with its header stored, as a recorder leaves it before the upstream is dialled.
    pub async fn start(kind: SessionKind, input: &str) -> Self {
        Self::start_in(Arc::new(Memory::new()), kind, input).await
    }

    /// As [`Self::start`], in a store that has other recordings.
    pub async fn start_in(store: Arc<Memory>, kind: SessionKind, input: &str) -> Self {
        let id = RecordingId(Uuid::now_v7());
        let tty = matches!(kind, SessionKind::Tty);
        let header = json!({
            "version": 2, "width": 80, "height": 24, "timestamp": 1_800_000_000, "command": "sh -c 'a b'", "title": "t",
            "kubetape": {
                "id": id, "kind": "exec", "started_micros": 1_800_000_000_000_000_i64, "gateway": "g",
                "principal": { "name": "ann", "groups": [], "credential": "token", "credential_id": "1" },
                "target": { "cluster": "c" }, "impersonation": { "user": "ann", "groups": [] },
                "rule": "all", "input": input, "argv": ["sh", "-c", "a b"], "tty": tty, "stdin": true,
            },
        });
        let header = Header::parse(header.to_string().as_bytes()).unwrap();
        let mut recording = Self { store, id, header, chunks: 0 };
        let line = recording.header.to_line();
        recording.chunk_of(&line).await;
        recording
    }

    /// Writes a chunk. The numbers are microseconds.
    pub async fn chunk(&mut self, events: &[(u64, Code, &str)]) {
        let mut lines = Vec::new();
        events.iter().for_each(|(at, code, data)| write_event(&mut lines, Micros::new(*at), *code, data));
        self.chunk_of(&lines).await;
    }

    pub async fn chunk_of(&mut self, lines: &[u8]) {
        let frame = zstd::bulk::compress(lines, 1).unwrap();
        self.store.put_new(&Key::chunk(self.id, self.chunks), frame.into()).await.unwrap();
        self.chunks += 1;
    }

    pub fn skip_chunk(&mut self) {
        self.chunks += 1;
    }

    /// Writes a manifest; the end is `at` microseconds behind the start.
    pub async fn finish(&self, at: u64) {
        let chunks: Vec<_> = (0..self.chunks)
            .map(|n| json!({ "number": n, "size": 1, "uncompressed": 1, "digest": "", "first_micros": 0, "last_micros": 0 }))
            .collect();
        let manifest = json!({
            "format": 1, "session": self.header.kubetape, "ended_micros": 1_800_000_000_000_000_i64 + at as i64,
            "duration_micros": at, "outcome": "exited", "exit_code": 0, "width": 80, "height": 24,
            "totals": { "stdin": 0, "stdout": 0, "stderr": 0 }, "chunks": chunks, "commands": [],
        });
        self.store.put_new(&Key::manifest(self.id), manifest.to_string().into()).await.unwrap();
    }

    pub fn recordings(&self) -> RecordingReader {
        RecordingReader::new(self.store.clone())
    }

    pub fn player(&self, settings: PlayerSettings) -> Player {
        Player::new(self.recordings(), settings)
    }
}

/// A line of the microsecond `at`.
pub fn bytes_line(at: u64, stream: Code, bytes: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    write_bytes(&mut line, Micros::new(at), stream, bytes);
    line
}

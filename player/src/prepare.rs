//! Long recordings are gone through when they end, so that nobody who opens one later waits for that.

use std::collections::HashSet;

use recording::{Manifest, RecordingId};
use spool::SpoolReader;
use storage::RecordingReader;
use tokio::sync::{mpsc, watch};

use crate::Player;

/// Bytes of lines, and number of chunks, from which a recording is long: each chunk is a request to the store.
const LONG: u64 = 4 << 20;
const MANY: usize = 64;

/// Most recordings that wait to be gone through. More are not prepared: the first person who opens one waits.
const QUEUE: usize = 4096;

/// The sessions that leave the spool from now on: their manifests are in the store, whether this process recorded them or an
/// earlier one that died.
#[derive(Clone, Debug)]
pub struct FinishedSessions {
    spool: SpoolReader,
    changes: watch::Receiver<u64>,
    /// The sessions that were in the spool at the last look.
    spooled: HashSet<RecordingId>,
}

impl FinishedSessions {
    /// Watches the spool. Called before the recorder starts to store what an earlier process left there.
    pub fn watch(spool: &SpoolReader) -> Self {
        let changes = spool.changes();
        Self { spooled: spool.sessions().into_iter().collect(), changes, spool: spool.clone() }
    }

    /// Waits for some to leave. Returns `None` if the spool is closed.
    async fn next(&mut self) -> Option<Vec<RecordingId>> {
        self.changes.changed().await.ok()?;
        let now: HashSet<_> = self.spool.sessions().into_iter().collect();
        let finished = self.spooled.difference(&now).copied().collect();
        self.spooled = now;
        Some(finished)
    }
}

/// Goes through long recordings, one at a time, as sessions finish. Runs until the spool is closed.
///
/// # Cancel safety
/// Dropping the future loses only the preparation: such a recording is gone through when somebody opens it.
pub async fn prepare_long_recordings(finished: FinishedSessions, recordings: RecordingReader, player: Player) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    tokio::select! {
        () = enqueue(finished, queue) => {}
        () = prepare(waiting, recordings, player) => {}
    }
}

/// Runs beside the preparation, which takes its time: a session that came and went meanwhile would not be seen.
async fn enqueue(mut finished: FinishedSessions, queue: mpsc::Sender<RecordingId>) {
    while let Some(ids) = finished.next().await {
        for id in ids {
            let _ = queue.try_send(id);
        }
    }
}

/// One recording at a time: nobody waits for it yet.
async fn prepare(mut waiting: mpsc::Receiver<RecordingId>, recordings: RecordingReader, player: Player) {
    while let Some(id) = waiting.recv().await {
        // What fails here fails again, and is told, when somebody opens the recording.
        if let Ok(Some(manifest)) = recordings.manifest(id).await
            && is_long(&manifest)
        {
            let _ = player.index(id).await;
        }
    }
}

fn is_long(manifest: &Manifest) -> bool {
    let lines: u64 = manifest.chunks.iter().map(|chunk| chunk.uncompressed).sum();
    lines >= LONG || manifest.chunks.len() >= MANY
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use bytes::Bytes;
    use recording::{Key, cast::Header};
    use serde_json::json;
    use spool::{Spool, SpoolLimits};
    use storage::{Capabilities, Memory, ObjectMeta, Store, StoreError};
    use tokio::sync::Notify;

    use super::*;
    use crate::PlayerSettings;

    /// A store that never answers for a chunk with events, and says when it is asked for one.
    #[derive(Debug, Default)]
    struct StalledStore {
        memory: Memory,
        asked: Notify,
    }

    #[async_trait]
    impl Store for StalledStore {
        async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
            self.memory.put_new(key, bytes).await
        }

        async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
            if key.chunk_number().is_some_and(|number| number > 0) {
                self.asked.notify_one();
                std::future::pending::<()>().await;
            }
            self.memory.read(key, max).await
        }

        async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
            self.memory.list(prefix, after, limit).await
        }

        async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
            self.memory.children(prefix).await
        }

        async fn probe(&self) -> Result<Capabilities, StoreError> {
            self.memory.probe().await
        }
    }

    fn header(id: RecordingId) -> Header {
        let header = json!({
            "version": 2, "width": 80, "height": 24, "timestamp": 1_800_000_000, "command": "sh", "title": "t",
            "kubetape": {
                "id": id, "kind": "exec", "started_micros": 1_800_000_000_000_000_i64, "gateway": "g",
                "principal": { "name": "ann", "groups": [], "credential": "token", "credential_id": "1" },
                "target": { "cluster": "c" }, "impersonation": { "user": "ann", "groups": [] },
                "rule": "all", "input": "never", "argv": ["sh"], "tty": true, "stdin": true,
            },
        });
        Header::parse(header.to_string().as_bytes()).unwrap()
    }

    /// Stores a long recording that is over. Its events are asked for, and never come.
    async fn store_long(store: &StalledStore, header: &Header) {
        let (session, id) = (&header.kubetape, header.kubetape.id);
        let chunk = |number: u32| json!({ "number": number, "size": 1, "uncompressed": LONG, "digest": "", "first_micros": 0, "last_micros": 0 });
        let manifest = json!({
            "format": 1, "session": session, "ended_micros": 1_800_000_001_000_000_i64, "duration_micros": 1_000_000,
            "outcome": "exited", "exit_code": 0, "width": 80, "height": 24,
            "totals": { "stdin": 0, "stdout": 0, "stderr": 0 }, "chunks": [chunk(0), chunk(1)], "commands": [],
        });
        let put = async |key: Key, bytes: Vec<u8>| store.put_new(&key, bytes.into()).await.unwrap();
        put(Key::chunk(id, 0), zstd::bulk::compress(&header.to_line(), 1).unwrap()).await;
        put(Key::chunk(id, 1), zstd::bulk::compress(b"[1.0, \"o\", \"x\"]\n", 1).unwrap()).await;
        put(Key::manifest(id), manifest.to_string().into()).await;
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_is_gone_through_too_and_its_end_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let header = header(RecordingId(uuid::Uuid::now_v7()));
        let id = header.kubetape.id;
        let bounds = SpoolLimits { disk_floor: 0, ..SpoolLimits::default() };
        let earlier = Spool::open(folder.path(), bounds).unwrap();
        drop(earlier.begin(id, &header).await.unwrap());
        drop(earlier);

        let spool = Spool::open(folder.path(), bounds).unwrap();
        assert_eq!(spool.recovery().sessions(), [id]);
        let finished = FinishedSessions::watch(&spool.reader());
        let store = Arc::new(StalledStore::default());
        store_long(&store, &header).await;
        let recordings = RecordingReader::new(store.clone());
        let player = Player::new(recordings.clone(), PlayerSettings::default());
        let running = tokio::spawn(prepare_long_recordings(finished, recordings, player));
        // The recorder has stored the rest of it.
        spool.queue().finished(id).await.unwrap();
        store.asked.notified().await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }
}

//! Long recordings are gone through when they end, so that whoever opens them does not wait.

use std::collections::HashSet;

use player::Player;
use recording::{Manifest, RecordingId};
use spool::SpoolReader;
use storage::RecordingReader;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Lines of which a recording is long, and chunks: each is a request to the store.
const LONG: u64 = 4 << 20;
const MANY: usize = 64;

/// Recordings that wait until they are gone through. More are not: whoever opens one waits.
const WAITING: usize = 4096;

/// The sessions that leave the spool: their manifests are in the store, whether this process recorded them or an earlier one
/// that died.
pub struct Ended {
    spool: SpoolReader,
    changes: watch::Receiver<u64>,
    here: HashSet<RecordingId>,
}

impl Ended {
    /// Those that leave from now on.
    pub fn of(spool: &SpoolReader) -> Self {
        let changes = spool.changes();
        Self { here: spool.sessions().into_iter().collect(), changes, spool: spool.clone() }
    }

    /// Waits for some. None where there is no spool any more.
    async fn next(&mut self) -> Option<Vec<RecordingId>> {
        self.changes.changed().await.ok()?;
        let now: HashSet<_> = self.spool.sessions().into_iter().collect();
        let ended = self.here.difference(&now).copied().collect();
        self.here = now;
        Some(ended)
    }
}

/// Runs until `shutdown`, whatever it is at then.
pub async fn run(ended: Ended, recordings: RecordingReader, player: Player, shutdown: CancellationToken) {
    let (queue, waiting) = mpsc::channel(WAITING);
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = enqueue(ended, queue) => {}
        () = prepare(waiting, recordings, player) => {}
    }
}

/// Beside the work, which takes its time: a session that came and went meanwhile would not be seen.
async fn enqueue(mut ended: Ended, queue: mpsc::Sender<RecordingId>) {
    while let Some(ids) = ended.next().await {
        for id in ids {
            let _ = queue.try_send(id);
        }
    }
}

/// One recording at a time: it is work for whoever comes later.
async fn prepare(mut waiting: mpsc::Receiver<RecordingId>, recordings: RecordingReader, player: Player) {
    while let Some(id) = waiting.recv().await {
        // What fails here fails again, and is told, when somebody opens it.
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
    use player::PlayerSettings;
    use recording::{Key, cast::Header};
    use serde_json::json;
    use spool::{Spool, SpoolLimits};
    use storage::{Capabilities, Memory, ObjectMeta, Store, StoreError, chunk};
    use tokio::sync::Notify;
    use tokio_util::bytes::Bytes;

    use super::*;

    /// A store that never gives a chunk with events, and says when it is asked for one.
    #[derive(Debug, Default)]
    struct Stuck {
        memory: Memory,
        asked: Notify,
    }

    #[async_trait]
    impl Store for Stuck {
        async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
            self.memory.put_new(key, bytes).await
        }

        async fn read(&self, key: &Key) -> Result<Bytes, StoreError> {
            if key.chunk_number().is_some_and(|number| number > 0) {
                self.asked.notify_one();
                std::future::pending::<()>().await;
            }
            self.memory.read(key).await
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

    /// A long recording that is over: its events are asked for, and never come.
    async fn long(store: &Stuck, header: &Header) {
        let (session, id) = (&header.kubetape, header.kubetape.id);
        let of = |number: u32| json!({ "number": number, "size": 1, "uncompressed": LONG, "digest": "", "first_micros": 0, "last_micros": 0 });
        let manifest = json!({
            "format": 1, "session": session, "ended_micros": 1_800_000_001_000_000_i64, "duration_micros": 1_000_000,
            "outcome": "exited", "exit_code": 0, "width": 80, "height": 24,
            "totals": { "stdin": 0, "stdout": 0, "stderr": 0 }, "chunks": [of(0), of(1)], "commands": [],
        });
        let put = async |key: Key, bytes: Vec<u8>| store.put_new(&key, bytes.into()).await.unwrap();
        put(Key::chunk(id, 0), chunk::compress(&header.to_line()).unwrap()).await;
        put(Key::chunk(id, 1), chunk::compress(b"[1.0, \"o\", \"x\"]\n").unwrap()).await;
        put(Key::manifest(id), manifest.to_string().into()).await;
    }

    #[tokio::test]
    async fn what_an_earlier_process_left_is_gone_through_too_and_holds_nobody_up_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let header = header(RecordingId(uuid::Uuid::now_v7()));
        let id = header.kubetape.id;
        let bounds = SpoolLimits { disk_floor: 0, ..SpoolLimits::default() };
        let earlier = Spool::open(folder.path(), bounds).unwrap();
        drop(earlier.begin(id, &header).await.unwrap());
        drop(earlier);

        let spool = Spool::open(folder.path(), bounds).unwrap();
        assert_eq!(spool.recovery().sessions(), [id]);
        let ended = Ended::of(&spool.reader());
        let store = Arc::new(Stuck::default());
        long(&store, &header).await;
        let recordings = RecordingReader::new(store.clone());
        let player = Player::new(recordings.clone(), PlayerSettings::default());
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(ended, recordings, player, stop.clone()));
        // The recorder has stored the rest of it.
        spool.queue().finished(id).await.unwrap();
        store.asked.notified().await;
        stop.cancel();
        running.await.unwrap();
    }
}

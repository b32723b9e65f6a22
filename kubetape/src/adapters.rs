//! The gateway and the recorder, as the crate `control` takes them.

use std::{sync::Arc, time::SystemTime};

use control::{Finalization, Finalizer, LockedOut, SessionControl, SessionEvidence};
use futures_util::future::BoxFuture;
use gateway::{Gateway, Reason};
use identity::{Lock, Locks};
use jiff::Timestamp;
use journal::Journal;
use recorder::{FinalizeOutcome, JournalLookup, OrphanFinalizer, SkipReason};
use recording::{Manifest, RecordingId, journal::Actor};
use storage::{RecordingError, Store, StoreError, StoredManifest, signing::Signer};
use tokio::runtime::Handle;

/// The sessions of this process's gateway, and who is shut out of it.
#[derive(Clone)]
pub struct GatewaySessions {
    gateway: Gateway,
    locks: Arc<Locks>,
}

impl GatewaySessions {
    /// `locks` are those by which the gateway's authenticator refuses people.
    pub fn new(gateway: Gateway, locks: Arc<Locks>) -> Self {
        Self { gateway, locks }
    }
}

impl SessionControl for GatewaySessions {
    fn live_of(&self, user: &str) -> Vec<RecordingId> {
        self.gateway.live_of(user)
    }

    async fn end(&self, sessions: Vec<RecordingId>, by: &Actor, reason: &str) -> Result<Vec<RecordingId>, String> {
        let reason = Reason::parse(reason).map_err(|error| error.to_string())?;
        let mut told = Vec::new();
        for id in sessions {
            if self.gateway.end(id, by, &reason).await {
                told.push(id);
            }
        }
        Ok(told)
    }

    async fn shut_out(&self, person: &str, by: &Actor, reason: &str) -> Result<LockedOut, String> {
        let why = Reason::parse(reason).map_err(|error| error.to_string())?;
        let lock = Lock { by: by.user.clone(), since: Timestamp::now(), reason: reason.to_owned() };
        let (locks, name) = (self.locks.clone(), person.to_owned());
        let locked = tokio::task::spawn_blocking(move || locks.lock(&name, lock)).await;
        let is_new = locked.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        // In any case: what a lock of before left under way is ended too.
        let ended = self.gateway.shut_out(person, by, &why).await;
        if !is_new {
            return Err(format!("{person} is locked out already: see `kubetape lock`"));
        }
        Ok(LockedOut { sessions: ended.sessions as u64, streams: ended.streams as u64 })
    }

    async fn let_in(&self, person: &str) -> Result<bool, String> {
        let (locks, name) = (self.locks.clone(), person.to_owned());
        let unlocked = tokio::task::spawn_blocking(move || locks.unlock(&name)).await;
        let was_locked = unlocked.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        self.gateway.let_in(person);
        Ok(was_locked)
    }

    async fn is_over(&self, session: RecordingId) {
        self.gateway.left(session).await;
    }
}

/// Locks as the pages take them. What they do runs on the gateway's runtime.
pub struct GatewayLocks {
    sessions: GatewaySessions,
    journal: Journal,
    runtime: Handle,
}

impl GatewayLocks {
    /// Journals in `journal`. Made on the gateway's runtime.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(sessions: GatewaySessions, journal: Journal) -> Self {
        Self { sessions, journal, runtime: Handle::current() }
    }
}

impl web::PeopleLocks for GatewayLocks {
    fn lock(&self, by: Actor, person: String, reason: String) -> BoxFuture<'static, Result<web::Ended, String>> {
        let (sessions, journal) = (self.sessions.clone(), self.journal.clone());
        let locking =
            self.runtime.spawn(async move { control::lock(&sessions, &journal, &by, &person, &reason).await });
        Box::pin(async move {
            let LockedOut { sessions, streams } = locking.await.unwrap_or_else(|_| Err(ENDING.to_owned()))?;
            Ok(web::Ended { sessions, streams })
        })
    }

    fn unlock(&self, by: Actor, person: String) -> BoxFuture<'static, Result<bool, String>> {
        let (sessions, journal) = (self.sessions.clone(), self.journal.clone());
        let unlocking = self.runtime.spawn(async move { control::unlock(&sessions, &journal, &by, &person).await });
        Box::pin(async move { unlocking.await.unwrap_or_else(|_| Err(ENDING.to_owned())) })
    }
}

const ENDING: &str = "the gateway is ending";

/// The recorder's finalizer of orphaned sessions.
pub struct RecorderFinalizer {
    store: Arc<dyn Store>,
    signer: Arc<Signer>,
    /// This gateway's name, which stands in the manifests that it writes for others.
    by: String,
}

impl RecorderFinalizer {
    /// Signs as the gateway `by`.
    pub fn new(store: Arc<dyn Store>, signer: Arc<Signer>, by: &str) -> Self {
        Self { store, signer, by: by.to_owned() }
    }
}

impl Finalizer for RecorderFinalizer {
    async fn finalize(
        &mut self,
        id: RecordingId,
        now: SystemTime,
        evidence: &mut SessionEvidence<'_>,
    ) -> Result<Finalization, RecordingError> {
        // Made anew for each session: one remembers what it knows of leases.
        let mut finalizer = OrphanFinalizer::new(self.store.clone(), self.signer.clone(), &self.by, Lookup(evidence));
        Ok(match finalizer.finalize(id, now).await? {
            Some(FinalizeOutcome::Finalized(manifest)) => Finalization::Finalized { gateway: manifest.session.gateway },
            Some(FinalizeOutcome::Skipped(
                why @ (SkipReason::Unvouched | SkipReason::TooLarge(_) | SkipReason::ManifestTooLarge),
            )) => Finalization::Refused { why: why.to_string() },
            Some(FinalizeOutcome::Skipped(_) | FinalizeOutcome::Taken) | None => Finalization::NotNeeded,
        })
    }
}

struct Lookup<'a, 'b>(&'a mut SessionEvidence<'b>);

impl JournalLookup for Lookup<'_, '_> {
    async fn opened(&mut self, gateway: &str, id: RecordingId) -> Result<Option<String>, StoreError> {
        self.0.user_of(gateway, id).await
    }

    async fn ended(&mut self, manifest: &Manifest) {
        self.0.note_end(manifest).await;
    }

    async fn stored(&mut self, stored: &StoredManifest) {
        self.0.note_stored(stored).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::{Duration, UNIX_EPOCH},
    };

    use async_trait::async_trait;
    use control::{Clock, OrphanWatch, Presence};
    use journal::JournalSettings;
    use recording::{
        Key, UnixMicros,
        cast::Header,
        journal::{ApiRequest, JournalEvent},
    };
    use storage::{
        Capabilities, Memory, ObjectMeta,
        lease::{self, Lease},
        signing::publish,
    };
    use tokio::time::{Instant, sleep};
    use tokio_util::bytes::Bytes;

    use super::*;

    /// Pages that a listing of recordings has.
    const PAGES: usize = 400;

    /// A bucket of 400,000 objects that takes 10 s for a page of them. What it has beside them is in `memory`.
    #[derive(Debug, Default)]
    struct SlowStore {
        memory: Memory,
        listed: AtomicUsize,
    }

    #[async_trait]
    impl Store for SlowStore {
        async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
            self.memory.put_new(key, bytes).await
        }

        async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
            self.memory.read(key, max).await
        }

        async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
            if !prefix.starts_with("recordings/") || prefix.matches('/').count() > 4 {
                return self.memory.list(prefix, after, limit).await;
            }
            sleep(Duration::from_secs(10)).await;
            let page = self.listed.fetch_add(1, Ordering::Relaxed);
            if page + 1 >= PAGES {
                return self.memory.list(prefix, None, limit).await;
            }
            let object =
                |number| ObjectMeta { key: Key::new(format!("{prefix}{page:06}/{number:06}")).unwrap(), size: 1 };
            Ok((0..limit).map(object).collect())
        }

        async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
            self.memory.children(prefix).await
        }

        async fn probe(&self) -> Result<Capabilities, StoreError> {
            self.memory.probe().await
        }
    }

    /// A gateway's key and journal.
    async fn gateway(store: &Arc<SlowStore>, name: &str) -> (Arc<Signer>, Journal) {
        let signer = Arc::new(Signer::generate().unwrap());
        let shared: Arc<dyn Store> = store.clone();
        publish(&shared, name, &signer, None, UnixMicros::new(1)).await.unwrap();
        let settings = JournalSettings { signer: signer.clone(), ..JournalSettings::default() };
        let journal = Journal::open(shared, name, settings).await.unwrap();
        (signer, journal)
    }

    /// A session of the gateway, whose recording has a beginning and no end.
    async fn open_session(store: &SlowStore, gateway: &str, journal: &Journal) -> RecordingId {
        let id = RecordingId(uuid::Uuid::now_v7());
        let header = serde_json::json!({
            "version": 2, "width": 80, "height": 24, "timestamp": 1_800_000_000, "command": "sh", "title": "t",
            "kubetape": {
                "id": id, "kind": "exec", "started_micros": 1_800_000_000_000_000_i64, "gateway": gateway,
                "principal": { "name": "ann", "groups": [], "credential": "token", "credential_id": "1" },
                "target": { "cluster": "c" }, "impersonation": { "user": "ann", "groups": [] },
                "rule": "all", "input": "never", "argv": ["sh"], "tty": true, "stdin": true,
            },
        });
        let header = Header::parse(header.to_string().as_bytes()).unwrap();
        let chunk = zstd::bulk::compress(&header.to_line(), 1).unwrap();
        store.put_new(&Key::chunk(id, 0), chunk.into()).await.unwrap();
        let opened = JournalEvent::SessionOpened { session: id, request: ApiRequest::default(), grant: Box::default() };
        journal.note_durably("ann", opened).await.unwrap();
        id
    }

    fn watch(store: Arc<dyn Store>, name: &str, signer: &Arc<Signer>, journal: &Journal, clock: &Clock) {
        let finalizer = RecorderFinalizer::new(store.clone(), signer.clone(), name);
        tokio::spawn(OrphanWatch::new(store, journal.clone(), finalizer, clock.clone()).run());
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_through_a_slow_bucket_delays_no_lease_and_ends_no_live_session() {
        let store = Arc::new(SlowStore::default());
        let (base, began) = (SystemTime::now(), Instant::now());
        let clock = Clock::new(move || base + began.elapsed());
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let (signer, journal) = gateway(&store, "slow").await;
        let (other_signer, other_journal) = gateway(&store, "other").await;
        let (_, gone_journal) = gateway(&store, "gone").await;
        let live = open_session(&store, "slow", &journal).await;
        let orphan = open_session(&store, "gone", &gone_journal).await;
        let until = seconds(base) - 3_600;
        let instance = uuid::Uuid::now_v7();
        lease::take(&*store, &Lease { gateway: "gone".to_owned(), instance, until }).await.unwrap();

        let presence = Presence::announce(store.clone(), "slow", clock.clone()).await.unwrap();
        tokio::spawn(presence.keep());
        watch(store.clone(), "slow", &signer, &journal, &clock);
        // Its look comes when the slow gateway is in the middle of its own.
        let (memory, at) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            sleep(Duration::from_secs(3_000)).await;
            watch(memory, "other", &other_signer, &other_journal, &at);
        });
        while began.elapsed() < Duration::from_secs(12_000) {
            sleep(Duration::from_secs(60)).await;
            let alive = lease::alive_until(&*store, "slow").await.unwrap().unwrap();
            assert!(alive > seconds(clock.now()), "the lease ran out after {:?}", began.elapsed());
        }
        assert!(store.listed.load(Ordering::Relaxed) >= PAGES);
        store.read(&Key::manifest(orphan), u64::MAX).await.expect("the orphan is finalized");
        assert!(store.read(&Key::manifest(live), u64::MAX).await.is_err(), "the live session is not");
    }
}

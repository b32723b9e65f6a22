//! What a gateway makes of the sessions of one that never comes back.

mod support;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use recorder::{FinalizeOutcome, OrphanFinalizer, Recorder, SkipReason};
use recording::{
    Key, LARGEST_MANIFEST, Manifest, Micros, Outcome, RecordingId,
    cast::{Code, PortConnection, PortState, write_event},
};
use sha2::{Digest, Sha256};
use storage::{Store, StoreError, StoredManifest};
use support::*;

/// Journals that say of some sessions for whom they were opened, and hear of ends.
#[derive(Default)]
struct Journals {
    opened: Vec<(RecordingId, &'static str)>,
    ended: Vec<RecordingId>,
    stored: Vec<(RecordingId, [u8; 32])>,
}

impl recorder::JournalLookup for &mut Journals {
    async fn opened(&mut self, gateway: &str, id: RecordingId) -> Result<Option<String>, StoreError> {
        assert_eq!(gateway, "kubetape");
        Ok(self.opened.iter().find(|(opened, _)| *opened == id).map(|(_, user)| (*user).to_owned()))
    }

    async fn ended(&mut self, manifest: &Manifest) {
        self.ended.push(manifest.session.id);
    }

    async fn stored(&mut self, stored: &StoredManifest) {
        self.stored.push((stored.manifest.session.id, stored.sha256));
    }
}

#[tokio::test]
async fn a_gateway_that_never_comes_back_has_its_sessions_finalized_once_its_lease_ran_out() {
    let store = Moody::new(1_000);
    let stage = stage(&store, settings()).await;
    stage.server(STDOUT, b"stored").await;
    let id = stage.recording.id();
    while store.list("recordings/", None, 9).await.expect("a list").len() < 2 {
        store.written.notified().await;
    }
    let signer = Arc::new(storage::signing::Signer::generate().expect("a key"));
    let now = SystemTime::now();
    let seconds = i64::try_from(now.duration_since(std::time::UNIX_EPOCH).expect("after").as_secs()).expect("fits");
    let mut journals = Journals::default();
    let finalize = async |journals: &mut Journals, at: SystemTime| {
        let mut finalizer = OrphanFinalizer::new(store.clone(), signer.clone(), "other", journals);
        finalizer.finalize(id, at).await.expect("a store")
    };
    assert!(matches!(finalize(&mut journals, now).await, Some(FinalizeOutcome::Skipped(SkipReason::NoLease))));
    // Two processes of one name: the last of them counts.
    for until in [seconds + 1_000, seconds - 5_000] {
        let lease = storage::lease::Lease { gateway: "kubetape".to_owned(), instance: uuid::Uuid::now_v7(), until };
        storage::lease::take(&*store, &lease).await.expect("a lease");
    }
    assert!(matches!(finalize(&mut journals, now).await, Some(FinalizeOutcome::Skipped(SkipReason::Alive))));
    let later = now + Duration::from_secs(2_000);
    let unvouched = Some(SkipReason::Unvouched);
    let left = |done| if let Some(FinalizeOutcome::Skipped(why)) = done { Some(why) } else { None };
    assert_eq!(left(finalize(&mut journals, later).await), unvouched, "no journal has it");
    journals.opened = vec![(id, "eve")];
    assert_eq!(left(finalize(&mut journals, later).await), unvouched, "it was somebody else's");
    assert_eq!(journals.ended, []);
    journals.opened = vec![(id, "ada")];
    let Some(FinalizeOutcome::Finalized(manifest)) = finalize(&mut journals, later).await else {
        panic!("not finalized")
    };
    assert_eq!(journals.ended, [id]);
    let object = store.read(&Key::manifest(id), u64::MAX).await.expect("a manifest");
    assert_eq!(journals.stored, [(id, Sha256::digest(&object).into())]);
    assert_eq!(manifest.outcome, Outcome::Interrupted);
    let (stored, events) = read(&store, id).await;
    assert_eq!((&stored, restored(&events, Code::Output).as_slice()), (&*manifest, &b"stored"[..]));
    assert!(stored.anomalies[0].contains("completed by other"), "{:?}", stored.anomalies);
    assert!(finalize(&mut journals, later).await.is_none());
    // It comes back and has nothing more: its spool lets go, the manifest stays, and no second end is told. What is stored is let
    // go of a moment after it is in the store.
    gone(&[stage.folder.path().join(id.to_string()).join("000001")]).await;
    let folder = killed(stage.folder.path());
    let back = Recorder::start(spool(folder.path()), store.clone(), settings());
    let mut told = back.unjournalled_ends().expect("its listener");
    back.drained().await;
    drop(back);
    assert!(told.try_recv().is_err(), "an end that the finalizer journalled");
    assert_eq!(read(&store, id).await.0, *manifest);
    assert!(!folder.path().join("aside").exists());
    // It comes back and has more: that is quarantined, and nothing is put beside what was finalized.
    let folder = killed(stage.folder.path());
    let more = folder.path().join(id.to_string()).join("000002");
    std::fs::copy(folder.path().join(id.to_string()).join("000001"), &more)
        .or_else(|_| std::fs::write(&more, b"x").map(|()| 0))
        .expect("a file");
    let before = store.list("recordings/", None, 9).await.expect("a list").len();
    recovered(folder.path(), store.clone()).await;
    assert_eq!(store.list("recordings/", None, 9).await.expect("a list").len(), before);
    assert!(folder.path().join("aside").join(id.to_string()).exists());
}

/// Who can write the store can put chunks beside those of a gateway that is gone.
#[tokio::test]
async fn what_hostile_chunks_say_is_bounded_in_bytes() {
    let store = Moody::new(1_000);
    let stage = stage(&store, slow()).await;
    let id = stage.recording.id();
    store.written.notified().await;
    let long = "x".repeat(1 << 20);
    for number in 1..=10 {
        store.put_new(&Key::chunk(id, number), hostile(&long, number).into()).await.expect("put");
    }
    let now = SystemTime::now();
    let gone = lease(&store, now, -5_000).await;
    let mut journals = Journals { opened: vec![(id, "ada")], ..Journals::default() };
    let signer = Arc::new(storage::signing::Signer::generate().expect("a key"));
    let mut finalizer = OrphanFinalizer::new(store.clone(), signer, "other", &mut journals);
    let done = finalizer.finalize(id, gone).await.expect("a store");
    let Some(FinalizeOutcome::Finalized(manifest)) = done else { panic!("{done:?}") };
    let typed = manifest.commands.iter().skip(1).map(|command| command.text.len());
    assert!(typed.clone().all(|length| length <= 8 << 10) && typed.sum::<usize>() <= 1 << 20);
    assert!(manifest.anomalies.iter().map(String::len).sum::<usize>() <= 1 << 20, "annotations");
    let object = store.read(&Key::manifest(id), u64::MAX).await.expect("a manifest").len() as u64;
    assert!(object < LARGEST_MANIFEST / 32, "{object} bytes");
}

/// A chunk of a command, annotations and a port's error, all of them too long.
fn hostile(long: &str, number: u32) -> Vec<u8> {
    let mut lines = Vec::new();
    write_event(&mut lines, Micros::new(1), Code::Marker, long);
    for _ in 0..20 {
        write_event(&mut lines, Micros::new(1), Code::Marker, &long[..100_000]);
        write_event(&mut lines, Micros::new(1), Code::Gap, &long[..100_000]);
    }
    let (state, sent, received) = (PortState::Opened, u64::MAX, u64::MAX);
    let connection = PortConnection { state, port: 80, connection: number, sent, received, error: long.to_owned() };
    let connection = serde_json::to_string(&connection).expect("JSON");
    write_event(&mut lines, Micros::new(1), Code::Port, &connection);
    zstd::bulk::compress(&lines, 1).expect("a chunk")
}

/// A lease of the gateway that ends so many seconds after `now`, and a time when it has run out.
async fn lease(store: &Moody, now: SystemTime, seconds: i64) -> SystemTime {
    let since = now.duration_since(std::time::UNIX_EPOCH).expect("after").as_secs();
    let until = i64::try_from(since).expect("fits") + seconds;
    let lease = storage::lease::Lease { gateway: "kubetape".to_owned(), instance: uuid::Uuid::now_v7(), until };
    storage::lease::take(store, &lease).await.expect("a lease");
    now + Duration::from_secs(2_000)
}

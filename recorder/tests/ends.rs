//! Who tells the journal of a session's end: exactly one process, whichever dies when.

mod support;

use std::{path::Path, sync::Arc};

use recorder::{Ending, Recorder, Settings};
use recording::{Key, Micros, Outcome};
use sha2::{Digest, Sha256};
use storage::Store;
use support::*;

/// As under a journal.
fn journalled() -> Settings {
    Settings { journalled: true, ..slow() }
}

/// The journal vouches for every manifest.
fn vouch(recorder: &Recorder) {
    let mut stored = recorder.stored_recordings().expect("its listener");
    tokio::spawn(async move {
        while let Some(stored) = stored.recv().await {
            stored.ack();
        }
    });
}

/// A process on that folder, whose journal vouches for every manifest.
fn start(folder: &Path, store: Arc<Moody>) -> Recorder {
    let recorder = Recorder::start(spool(folder), store, journalled());
    vouch(&recorder);
    recorder
}

/// A next process on that folder, and the one end that it tells.
async fn next(folder: &Path) -> (Recorder, recorder::UnjournalledEnd) {
    let recorder = start(folder, Moody::new(1_000));
    let mut ends = recorder.unjournalled_ends().expect("its listener");
    let end = ends.recv().await.expect("an end");
    (recorder, end)
}

#[tokio::test]
async fn an_end_that_the_journal_may_not_have_is_told_until_it_has_it() {
    let store = Moody::new(0);
    let stage = stage(&store, journalled()).await;
    vouch(&stage.recorder);
    let id = stage.recording.id();
    stage.server(ERROR, &exit_code(7)).await;
    stage.recording.accept(Server, &close(Server)).await.expect("accepted");
    let open = killed(stage.folder.path());
    let said = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    let ended = killed(stage.folder.path());
    stage.recorder.acknowledge(id, &said.outcome);
    let told = stage.folder.path().join(id.to_string()).join("000000");
    let bytes = std::fs::read(&told).expect("what is noted, of a session that the store does not take yet");
    store.gate.add_permits(1_000);
    stage.recorder.drained().await;
    for folder in [open, ended] {
        // As where it was killed right after.
        let after = killed(folder.path());
        std::fs::write(after.path().join(id.to_string()).join("000000"), &bytes).expect("written");
        let recorder = start(after.path(), Moody::new(1_000));
        recorder.drained().await;
        assert!(recorder.unjournalled_ends().expect("its listener").try_recv().is_err(), "the journal has it");
        let (dies, end) = next(folder.path()).await;
        assert_eq!((end.session, &*end.user, &end.outcome), (id, "ada", &said.outcome));
        // It dies before the journal has it.
        let again = killed(folder.path());
        drop((end, dies));
        let (recorder, end) = next(again.path()).await;
        assert_eq!(recorder.spool().reader().sessions(), [id], "it is kept until then");
        end.ack();
        recorder.drained().await;
    }
}

#[tokio::test]
async fn an_end_that_the_journal_does_not_take_is_told_again() {
    let stage = stage(&Moody::new(1_000), slow()).await;
    stage.server(STDOUT, b"said").await;
    let folder = killed(stage.folder.path());
    let recorder = start(folder.path(), Moody::new(1_000));
    let mut ends = recorder.unjournalled_ends().expect("its listener");
    drop(ends.recv().await.expect("an end"));
    let again = ends.recv().await.expect("the same");
    assert_eq!((again.session, &again.outcome), (stage.recording.id(), &Outcome::Interrupted));
    again.ack();
    recorder.drained().await;
}

#[tokio::test]
async fn an_end_is_told_of_a_session_that_the_store_has_no_place_for() {
    let stage = stage(&Moody::new(0), slow()).await;
    stage.server(STDOUT, b"said").await;
    let (id, folder, store) = (stage.recording.id(), killed(stage.folder.path()), Moody::new(1_000));
    store.put_new(&Key::chunk(id, 1), bytes::Bytes::from_static(b"forged")).await.expect("written");
    let recorder = start(folder.path(), store);
    let end = recorder.unjournalled_ends().expect("its listener").recv().await.expect("an end");
    assert_eq!((end.session, &*end.user, &end.outcome), (id, "ada", &Outcome::Interrupted));
    end.ack();
    recorder.drained().await;
    assert!(folder.path().join("aside").join(id.to_string()).exists());
}

#[tokio::test]
async fn an_end_that_the_disk_did_not_take_has_the_journals_outcome() {
    let store = Moody::new(1_000);
    let stage = stage(&store, journalled()).await;
    vouch(&stage.recorder);
    stage.server(STDOUT, b"said").await;
    let facts = stage.folder.path().join(stage.recording.id().to_string()).join("000000");
    let elsewhere = facts.with_extension("moved");
    std::fs::rename(&facts, &elsewhere).expect("moved");
    let id = stage.recording.id();
    let Stage { recording, recorder, folder: _folder, .. } = stage;
    recording.finish(Ending::Closed(Server)).await.expect_err("there is nowhere to write it");
    std::fs::rename(&elsewhere, &facts).expect("moved");
    let outcome = Outcome::EndedByGateway { reason: "it cannot be recorded".to_owned(), by: String::new() };
    recorder.acknowledge(id, &outcome);
    recorder.drained().await;
    assert_eq!(read(&store, id).await.0.outcome, outcome);
    assert!(recorder.unjournalled_ends().expect("its listener").try_recv().is_err(), "no second end");
}

#[tokio::test]
async fn ends_that_nobody_takes_wait_in_the_spool_and_not_in_memory() {
    const SESSIONS: usize = 100;
    let folder = tempfile::tempdir().expect("a folder");
    let kill = async || {
        let stage = stage(&Moody::new(0), slow()).await;
        stage.server(STDOUT, b"said").await;
        let id = stage.recording.id().to_string();
        let left = killed(stage.folder.path());
        std::fs::rename(left.path().join(&id), folder.path().join(&id)).expect("moved");
    };
    for _ in 0..SESSIONS {
        kill().await;
    }
    let store = Moody::new(1_000);
    let recorder = start(folder.path(), store.clone());
    // Header, lines and manifest of each.
    while store.list("", None, 1_000).await.expect("a list").len() < 3 * SESSIONS {
        store.written.notified().await;
    }
    let mut ends = recorder.unjournalled_ends().expect("its listener");
    assert_eq!(recorder.spool().reader().sessions().len(), SESSIONS, "each is kept until the journal has its end");
    assert!(ends.len() <= 64, "{} ends in memory", ends.len());
    let mut journalled = std::collections::HashSet::new();
    while journalled.len() < SESSIONS {
        let end = ends.recv().await.expect("an end");
        assert!(journalled.insert(end.session), "twice");
        end.ack();
    }
    recorder.drained().await;
}

#[tokio::test]
async fn a_manifest_is_told_of_until_the_journal_vouches_for_it() {
    let store = Moody::new(1_000);
    let settings = journalled();
    let stage = stage(&store, settings.clone()).await;
    let (id, mut stored) = (stage.recording.id(), stage.recorder.stored_recordings().expect("its listener"));
    let manifest = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    stage.recorder.acknowledge(id, &manifest.outcome);
    // The journal does not take it at first.
    drop(stored.recv().await.expect("a manifest"));
    let again = stored.recv().await.expect("the same");
    let object = store.read(&Key::manifest(id), u64::MAX).await.expect("a manifest");
    assert_eq!(again.stored.sha256, <[u8; 32]>::from(Sha256::digest(&object)));
    assert_eq!(again.stored.manifest.session.id, id);
    assert_eq!(stage.recorder.spool().reader().sessions(), [id], "it is kept until the journal vouches for it");

    // A process that dies here is followed by one that tells of the same manifest, and of no second end.
    let folder = killed(stage.folder.path());
    drop(again);
    let next = Recorder::start(spool(folder.path()), store.clone(), settings);
    let told = next.stored_recordings().expect("its listener").recv().await.expect("the same");
    assert_eq!(told.stored.sha256, <[u8; 32]>::from(Sha256::digest(&object)));
    told.ack();
    next.drained().await;
    assert!(next.unjournalled_ends().expect("its listener").try_recv().is_err(), "no second end");
}

#[tokio::test]
async fn a_manifest_that_somebody_else_put_there_is_not_vouched_for() {
    let store = Moody::new(1_000);
    let stage = stage(&store, journalled()).await;
    let (id, mut stored) = (stage.recording.id(), stage.recorder.stored_recordings().expect("its listener"));
    let manifest = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    // The same session, outcome and chunks, and a command that nobody typed.
    while store.list("recordings/", None, 9).await.expect("a list").is_empty() {
        store.written.notified().await;
    }
    let header = storage::RecordingReader::new(store.clone()).chunk_object(id, 0).await.expect("a header");
    let mut forged = manifest.clone();
    forged.chunks =
        vec![header.stored(header.lines().expect("lines").len() as u64, [0; 32]).listed(Micros::ZERO, Micros::ZERO)];
    forged.transport = "forged".to_owned();
    let document = serde_json::to_vec(&forged).expect("JSON").into();
    store.put_new(&Key::manifest(id), document).await.expect("put");
    stage.recorder.acknowledge(id, &manifest.outcome);
    stage.recorder.drained().await;
    assert!(stored.try_recv().is_err(), "the journal vouches for what this gateway signed");
}

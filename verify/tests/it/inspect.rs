//! One recording, for somebody who is about to read it.

use std::sync::Arc;

use recording::{Key, Manifest, RecordingId, UnixMicros};
use storage::{Memory, Store};
use verify::{Inspection, Problem, Question, Standing, inspect, inspect_journal};

use crate::world::{Objects, World, now};

const ALL: u64 = u64::MAX;

async fn store(objects: &Objects) -> Arc<dyn Store> {
    let memory = Memory::new();
    for (key, object) in objects {
        memory.put_new(key, object.clone()).await.unwrap();
    }
    Arc::new(memory)
}

async fn inspected(objects: &Objects, question: &Question, id: RecordingId) -> Inspection {
    inspect(&store(objects).await, question, id, ALL).await.unwrap()
}

#[tokio::test]
async fn what_nobody_touched_is_proven_by_a_trusted_key() {
    let world = World::new().await;
    for id in world.recordings {
        let found = inspected(&world.objects, &world.question(), id).await;
        assert_eq!((found.standing, &*found.findings), (Standing::Proven, &[][..]));
        let nobody = Question { trusted: Vec::new(), ..world.question() };
        assert_eq!(inspected(&world.objects, &nobody, id).await.standing, Standing::NotVouched);
    }
}

#[tokio::test]
async fn every_chunk_that_is_altered_is_found_if_it_is_read() {
    let world = World::new().await;
    let id = world.recordings[0];
    for number in 0..3 {
        let mut objects = world.objects.clone();
        let key = Key::chunk(id, number);
        let mut chunk = objects[&key].to_vec();
        chunk[20] ^= 1;
        objects.insert(key, chunk.into());
        let found = inspected(&objects, &world.question(), id).await;
        assert!(found.standing.is_wrong() && found.all_chunks, "{number}: {found:?}");
        // Of a recording that is too large to be read for this, the first chunk is compared.
        let found = inspect(&store(&objects).await, &world.question(), id, 0).await.unwrap();
        assert_eq!((found.standing.is_wrong(), found.all_chunks), (number == 0, false), "{number}");
        let other = inspected(&objects, &world.question(), world.recordings[1]).await;
        assert_eq!(other.standing, Standing::Proven, "the other recording is as it was");
    }
}

#[tokio::test]
async fn a_manifest_that_nobody_signed_or_that_was_signed_again_is_named() {
    let world = World::new().await;
    let (id, key) = (world.recordings[0], world.manifest(0));
    let manifest: Manifest = serde_json::from_slice(&world.objects[&key]).unwrap();
    let stranger = storage::signing::Signer::generate().unwrap();
    for (document, problem) in [
        (serde_json::to_vec(&manifest).unwrap().into(), Problem::Unsigned),
        (world.new.seal_manifest(&manifest, now()), Problem::Altered),
        (world.old.seal_manifest(&manifest, now()), Problem::KeyNotValid),
        (stranger.seal_manifest(&manifest, now()), Problem::UnknownKey),
    ] {
        let mut objects = world.objects.clone();
        objects.insert(key.clone(), document);
        let found = inspected(&objects, &world.question(), id).await;
        assert_eq!(found.findings[0].problem, problem, "{found:?}");
        assert_ne!(found.standing, Standing::Proven);
        assert_eq!(found.standing.is_wrong(), problem != Problem::UnknownKey, "{found:?}");
    }
}

#[tokio::test]
async fn a_recording_that_no_journal_knows_is_foreign_and_a_live_one_is_live() {
    let world = World::new().await;
    let other = world.and_one_of("gone", "gone", &[]).await;
    let found = inspected(&other.objects, &other.question, other.id).await;
    assert_eq!(found.standing, Standing::Foreign);

    let mut live = world.and_one_of("gone", "gone", &[("gone", "session_opened")]).await;
    live.objects.remove(&Key::manifest(live.id));
    // The journal was written now, and the session's id says that it began years ago.
    let found = inspected(&live.objects, &live.question, live.id).await;
    assert_eq!(found.standing, Standing::Foreign, "no entry at the time that the id names");
    let began = Question { settled: UnixMicros::new(1_795_348_802_000_000), ..live.question.clone() };
    assert_eq!(inspected(&live.objects, &began, live.id).await.standing, Standing::Live);

    let nothing = inspected(&world.objects, &world.question(), other.id).await;
    assert!(nothing.standing.is_wrong(), "there is no such recording");
}

#[tokio::test]
async fn objects_of_a_journal_are_judged_each_by_its_seal() {
    let world = World::new().await;
    let keys: Vec<Key> = world.objects.keys().filter(|key| key.journal_seq().is_some()).cloned().collect();
    let store_of = store(&world.objects).await;
    assert_eq!(inspect_journal(&store_of, &world.question(), "gw", &keys).await.unwrap(), []);
    for key in &keys {
        let mut objects = world.objects.clone();
        let mut object = objects[key].to_vec();
        object[9] ^= 1;
        objects.insert(key.clone(), object.into());
        let findings = inspect_journal(&store(&objects).await, &world.question(), "gw", &keys).await.unwrap();
        assert_eq!(findings.iter().map(|finding| &*finding.object).collect::<Vec<_>>(), [key.as_str()]);
    }
}

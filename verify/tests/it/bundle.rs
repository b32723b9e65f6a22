//! A recording with what proves it, and nothing of anybody else's.

use std::sync::Arc;

use recording::Key;
use storage::{Memory, Store, journal::EntryProof, signing::Signer};
use verify::{Bundle, Problem, Question, Trust, Verdict};

use crate::world::{Objects, World, report};

/// A bundle of one of the world's recordings, as the objects of a store.
async fn bundle(world: &World, recording: usize) -> Objects {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    for (key, object) in &world.objects {
        store.put_new(key, object.clone()).await.unwrap();
    }
    let bundle = Bundle::gather(&store, world.recordings[recording], "a test").await.unwrap().unwrap();
    let mut objects = Objects::new();
    for file in bundle.files() {
        let contents = bundle.read(file).await.unwrap();
        assert_eq!(contents.len() as u64, file.size, "{}", file.path);
        assert_eq!(objects.insert(Key::new(&*file.path).unwrap(), contents), None);
    }
    assert_eq!(bundle.size(), objects.values().map(|object| object.len() as u64).sum::<u64>());
    objects
}

fn question(world: &World) -> Question {
    Question { trusted: vec![Trust::Key(world.old.public())], excerpt: true, heads: Vec::new(), ..world.question() }
}

fn is_evidence(key: &Key) -> bool {
    ["entries/", "keys/", "recordings/"].iter().any(|folder| key.as_str().starts_with(folder))
}

#[tokio::test]
async fn a_bundle_is_proven_and_shows_nothing_of_another_recording() {
    let world = World::new().await;
    for (recording, other) in [(0, 1), (1, 0)] {
        let objects = bundle(&world, recording).await;
        let found = report(&objects, &question(&world)).await;
        assert_eq!((found.verdict(), found.findings), (Verdict::Proven, Vec::new()));
        assert_eq!((found.recordings, found.journal_entries, found.keys), (1, 3, 2));
        let mut events = Vec::new();
        for (key, object) in &objects {
            let text = String::from_utf8_lossy(object);
            assert!(!text.contains(&world.recordings[other].to_string()), "{key}");
            if key.as_str().starts_with("entries/gw/") {
                events.push(EntryProof::parse(object).unwrap().entry().unwrap().what.name());
            }
        }
        events.sort_unstable();
        assert_eq!(events, ["session_ended", "session_opened", "session_stored"]);
        assert!(!objects.keys().any(|key| key.as_str().starts_with("journal/")));
    }
}

#[tokio::test]
async fn every_byte_of_a_bundle_that_is_flipped_is_found() {
    let world = World::new().await;
    let bundled = bundle(&world, 0).await;
    for (key, object) in bundled.iter().filter(|(key, _)| is_evidence(key)) {
        for at in 0..object.len() {
            let mut altered = object.to_vec();
            altered[at] ^= 1 << (at % 8);
            let mut objects = bundled.clone();
            objects.insert(key.clone(), altered.into());
            let found = report(&objects, &question(&world)).await;
            assert_eq!(found.verdict(), Verdict::Wrong, "{key}, byte {at}");
        }
    }
}

#[tokio::test]
async fn an_entry_in_the_place_of_another_or_of_another_key_is_named() {
    let world = World::new().await;
    let bundled = bundle(&world, 0).await;
    let entries: Vec<&Key> = bundled.keys().filter(|key| key.as_str().starts_with("entries/")).collect();
    let mut objects = bundled.clone();
    objects.insert(entries[0].clone(), bundled[entries[1]].clone());
    let found = report(&objects, &question(&world)).await;
    assert_eq!(found.findings[0].problem, Problem::Reordered, "{found:?}");

    // The seal of another object, which has other lines.
    let mut proof = EntryProof::parse(&bundled[entries[0]]).unwrap();
    let foreign = bundle(&world, 1).await;
    let (_, other) = foreign.iter().find(|(key, _)| key.as_str().starts_with("entries/")).unwrap();
    proof.seal = EntryProof::parse(other).unwrap().seal;
    objects.insert(entries[0].clone(), serde_json::to_vec(&proof).unwrap().into());
    let found = report(&objects, &question(&world)).await;
    assert_eq!(found.findings[0].problem, Problem::Altered, "{found:?}");

    let stranger = Signer::generate().unwrap().public();
    let trusted = vec![Trust::Key(stranger)];
    let found = report(&bundled, &Question { trusted, ..question(&world) }).await;
    let problems: Vec<Problem> = found.findings.iter().map(|finding| finding.problem).collect();
    assert_eq!(problems, [Problem::UnknownKey; 6], "two keys, three entries, the manifest: {found:?}");
}

#[tokio::test]
async fn a_store_has_whole_objects_and_no_single_entries() {
    let world = World::new().await;
    let mut objects = world.objects.clone();
    objects.extend(bundle(&world, 0).await.into_iter().filter(|(key, _)| key.as_str().starts_with("entries/")));
    let found = report(&objects, &world.question()).await;
    assert_eq!((found.findings[0].object.as_str(), found.findings[0].problem), ("entries", Problem::Foreign));
}

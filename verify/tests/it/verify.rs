use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use recording::{Key, Manifest, UnixMicros};
use storage::{Capabilities, Disk, Memory, ObjectMeta, Store, StoreError, signing::Signer};
use verify::{Problem, Question, Report, Trust, Verdict, verify};

use crate::world::{Objects, World, now, report};

/// The problems that a report has with an object.
pub fn problems(report: &Report, object: impl ToString) -> Vec<Problem> {
    let object = object.to_string();
    report.findings.iter().filter(|finding| finding.object == object).map(|finding| finding.problem).collect()
}

pub fn verdict(report: &Report) -> Verdict {
    report.verdict()
}

#[tokio::test]
async fn what_nobody_touched_is_proven() {
    let world = World::new().await;
    let found = report(&world.objects, &world.question()).await;
    assert_eq!(found.findings, []);
    assert_eq!(found.notes, [""; 0]);
    assert_eq!(verdict(&found), Verdict::Proven);
    assert_eq!((found.keys, found.recordings, found.unfinished), (2, 2, 0));
    assert_eq!(found.journal_entries, 10);
    assert_eq!(found.heads, world.heads);
}

#[tokio::test]
async fn trust_comes_from_outside() {
    let world = World::new().await;
    let with = |trusted: Vec<Trust>| Question { trusted, ..world.question() };
    // Each of the two keys vouches for the other.
    for key in [world.old.public(), world.new.public()] {
        for trust in [Trust::Key(key), Trust::Pin(key.id())] {
            assert_eq!(verdict(&report(&world.objects, &with(vec![trust])).await), Verdict::Proven);
        }
    }
    let nobody = report(&world.objects, &with(Vec::new())).await;
    assert_eq!((verdict(&nobody), nobody.findings), (Verdict::NotVouched, Vec::new()));

    let stranger = Signer::generate().unwrap().public();
    let found = report(&world.objects, &with(vec![Trust::Key(stranger)])).await;
    assert_eq!(verdict(&found), Verdict::Wrong);
    assert_eq!(problems(&found, world.manifest(0)), [Problem::UnknownKey]);
}

#[tokio::test]
async fn every_byte_that_is_flipped_is_found() {
    let world = World::new().await;
    for (key, object) in &world.objects {
        for at in 0..object.len() {
            let mut altered = object.to_vec();
            altered[at] ^= 1 << (at % 8);
            let mut objects = world.objects.clone();
            objects.insert(key.clone(), altered.into());
            let found = report(&objects, &world.question()).await;
            assert_eq!(verdict(&found), Verdict::Wrong, "{key}, byte {at}");
        }
    }
}

#[tokio::test]
async fn every_object_that_is_cut_removed_or_longer_is_found() {
    let world = World::new().await;
    for (key, object) in &world.objects {
        let mut objects = world.objects.clone();
        objects.remove(key);
        assert_eq!(verdict(&report(&objects, &world.question()).await), Verdict::Wrong, "{key} removed");
        for length in 0..object.len() {
            objects.insert(key.clone(), object.slice(..length));
            assert_eq!(verdict(&report(&objects, &world.question()).await), Verdict::Wrong, "{key} cut to {length}");
        }
        for more in [&b"\0"[..], b"\n", b"}", object] {
            objects.insert(key.clone(), [object, more].concat().into());
            assert_eq!(verdict(&report(&objects, &world.question()).await), Verdict::Wrong, "{key} and {more:?}");
        }
    }
}

#[tokio::test]
async fn every_two_objects_that_change_places_are_found() {
    let world = World::new().await;
    let keys: Vec<&Key> = world.objects.keys().collect();
    for (at, one) in keys.iter().enumerate() {
        // The same line makes the same chunk in both recordings.
        for other in keys[at + 1..].iter().filter(|other| world.objects[**other] != world.objects[*one]) {
            let mut objects = world.objects.clone();
            objects.insert((*one).clone(), world.objects[*other].clone());
            objects.insert((*other).clone(), world.objects[*one].clone());
            assert_eq!(verdict(&report(&objects, &world.question()).await), Verdict::Wrong, "{one} and {other}");
        }
    }
}

#[tokio::test]
async fn every_object_that_is_copied_to_where_none_was_is_found() {
    let world = World::new().await;
    let names = [
        world.chunk(0, 3).to_string(),
        world.chunk(0, 1).to_string().replace("/000001", "/0000001"),
        world.chunk(0, 1).to_string().replace("/000001", "/more/000001"),
        world
            .manifest(0)
            .to_string()
            .replace(&world.recordings[0].to_string(), &world.recordings[0].0.simple().to_string()),
        "recordings/2026/11/22/0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01/000000.cast.zst".to_owned(),
        "recordings/2026/11/22/0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01/manifest.json".to_owned(),
        format!("{}x", world.chunk(0, 0)),
        "journal/gw/2999/01/01/000000000099.jsonl.zst".to_owned(),
        world.journal(0).to_string().replace("journal/gw/", "journal/other/"),
        world.journal(1).to_string().replace("journal/gw/2", "journal/gw/1"),
        "keys/0123456789abcdef0123456789abcdef.json".to_owned(),
        "keys/readme".to_owned(),
        "readme".to_owned(),
    ];
    for name in names {
        for (key, object) in &world.objects {
            let mut objects = world.objects.clone();
            assert_eq!(objects.insert(Key::new(&*name).unwrap(), object.clone()), None);
            assert_eq!(verdict(&report(&objects, &world.question()).await), Verdict::Wrong, "{key} as {name}");
        }
    }
}

/// A store in which something was done, as a list of an object's problems.
pub async fn after(world: &World, change: impl FnOnce(&mut Objects)) -> Report {
    let mut objects = world.objects.clone();
    change(&mut objects);
    report(&objects, &world.question()).await
}

#[tokio::test]
async fn what_happened_is_named() {
    let world = World::new().await;
    let (chunk, manifest) = (world.chunk(0, 1), world.manifest(0));
    let found = after(&world, |objects| {
        objects.remove(&chunk);
    });
    assert_eq!(problems(&found.await, &chunk), [Problem::Missing]);
    let found = after(&world, |objects| {
        let object = objects[&chunk].clone();
        objects.insert(chunk.clone(), object.slice(..object.len() - 1));
    });
    assert_eq!(problems(&found.await, &chunk), [Problem::Cut]);
    let found = after(&world, |objects| {
        let other = objects[&world.chunk(0, 2)].clone();
        let object = objects.insert(chunk.clone(), other).unwrap();
        objects.insert(world.chunk(0, 2), object);
    });
    assert_eq!(problems(&found.await, &chunk), [Problem::Reordered]);
    let found = after(&world, |objects| {
        let other = objects[&world.chunk(1, 0)].clone();
        objects.insert(world.chunk(0, 0), other);
    });
    // Both headers' text is as long; compressed, their ids may make one of them shorter.
    let lengths = [world.chunk(1, 0), world.chunk(0, 0)].map(|key| world.objects[&key].len());
    let shorter = lengths[0] < lengths[1];
    let expected = if shorter { Problem::Cut } else { Problem::Foreign };
    assert_eq!(problems(&found.await, world.chunk(0, 0)), [expected]);
    let found = after(&world, |objects| {
        objects.insert(world.chunk(0, 3), b"more".as_slice().into());
    });
    assert_eq!(problems(&found.await, world.chunk(0, 3)), [Problem::Foreign]);
    let found = after(&world, |objects| {
        let other = objects[&world.manifest(1)].clone();
        objects.insert(manifest.clone(), other);
    });
    assert_eq!(problems(&found.await, &manifest), [Problem::Foreign]);
    let found = after(&world, |objects| {
        objects.remove(&manifest);
    });
    assert_eq!(problems(&found.await, &manifest), [Problem::Missing]);
}

#[tokio::test]
async fn a_manifest_of_somebody_else_or_of_nobody_is_named() {
    let world = World::new().await;
    let key = world.manifest(0);
    let manifest: Manifest = serde_json::from_slice(&world.objects[&key]).unwrap();
    let put = |object: Bytes| after(&world, |objects| drop(objects.insert(key.clone(), object)));

    let found = put(serde_json::to_vec_pretty(&manifest).unwrap().into()).await;
    assert_eq!(problems(&found, &key), [Problem::Unsigned]);
    let found = put(Signer::generate().unwrap().seal_manifest(&manifest, now())).await;
    assert_eq!(problems(&found, &key), [Problem::UnknownKey]);
    let found = put(world.old.seal_manifest(&manifest, now())).await;
    assert_eq!(problems(&found, &key), [Problem::KeyNotValid], "the old key signed after it was replaced");
    let found = put(world.new.seal_manifest(&manifest, UnixMicros::new(1))).await;
    assert_eq!(problems(&found, &key), [Problem::KeyNotValid], "the new key signed before it was in use");
}

#[tokio::test]
async fn a_recording_that_is_gone_is_missed_by_the_journal_and_the_other_way_round() {
    let world = World::new().await;
    let folder = Key::recording_prefix(world.recordings[0]);
    let found = after(&world, |objects| objects.retain(|key, _| !key.as_str().starts_with(&folder))).await;
    assert_eq!(problems(&found, &folder), [Problem::Missing]);
    let found = after(&world, |objects| objects.retain(|key, _| key.journal_seq().is_none())).await;
    assert_eq!(problems(&found, &folder), [Problem::Foreign]);
    assert_eq!(problems(&found, "journal/gw/"), [Problem::Missing]);
}

#[tokio::test]
async fn a_store_that_calls_itself_an_export_is_no_excerpt() {
    let world = World::new().await;
    let id = world.recordings[1].to_string();
    let about = Key::new("bundle.json").unwrap();
    // The second life's recording, and all that the journal has of that life.
    let removed = |objects: &mut Objects| {
        objects.retain(|key, _| !key.as_str().contains(&id) && key.journal_seq().is_none_or(|seq| seq < 2));
        objects
            .insert(about.clone(), Bytes::from(format!(r#"{{"format":1,"recordings":["{}"]}}"#, world.recordings[0])));
    };
    let found = after(&world, removed).await;
    assert_eq!(problems(&found, &about), [Problem::Foreign]);
    assert_eq!(problems(&found, "journal/gw/"), [Problem::Missing]);

    // Only who asks for it gets an excerpt's answer, and it is said to be one.
    let mut objects = world.objects.clone();
    removed(&mut objects);
    let found = report(&objects, &Question { excerpt: true, ..world.question() }).await;
    assert_eq!((found.verdict(), found.excerpt), (Verdict::Proven, true));
}

#[tokio::test]
async fn a_journal_whose_end_is_cut_off_is_missed_by_what_was_signed_later() {
    let world = World::new().await;
    let last = world.heads[0].seq;
    for left in 0..=last {
        let cut = |objects: &mut Objects| objects.retain(|key, _| key.journal_seq().is_none_or(|seq| seq < left));
        let found = after(&world, cut).await;
        assert_eq!(problems(&found, "journal/gw/").first(), Some(&Problem::Missing), "{left} are left");
        // Without the heads only the last object, behind which nothing was signed, is not missed; but it is noted.
        let mut objects = world.objects.clone();
        cut(&mut objects);
        let found = report(&objects, &Question { heads: Vec::new(), ..world.question() }).await;
        if left < last {
            assert_eq!(verdict(&found), Verdict::Wrong, "{left} are left");
        } else {
            assert!(found.notes[0].contains("does not end with `stopped`"), "{:?}", found.notes);
        }
    }
}

#[tokio::test]
async fn a_session_without_an_end_is_said_and_is_no_lie() {
    let world = World::new().await;
    let ended = world.objects.keys().filter_map(Key::journal_seq).max().unwrap();
    let found = after(&world, |objects| {
        objects.remove(&world.manifest(1));
        objects.retain(|key, _| key.journal_seq() != Some(ended));
    });
    let found = found.await;
    assert_eq!((found.recordings, found.unfinished), (1, 1));
    assert!(found.notes.iter().any(|note| note.contains("has no manifest")), "{:?}", found.notes);
}

#[tokio::test]
async fn what_was_written_before_signatures_is_unsigned_and_no_worse() {
    let world = World::new().await;
    let mut objects = world.objects.clone();
    objects.retain(|key, _| !key.as_str().starts_with("keys/"));
    for (key, object) in &mut objects {
        if key.journal_seq().is_some() {
            *object = Bytes::copy_from_slice(storage::journal::SealedObject::new(object).frame);
        } else if key.file_name() == "manifest.json" {
            let manifest: Manifest = serde_json::from_slice(object).unwrap();
            *object = serde_json::to_vec_pretty(&manifest).unwrap().into();
        }
    }
    let found = report(&objects, &Question { heads: Vec::new(), ..world.question() }).await;
    assert!(found.findings.iter().all(|finding| finding.problem == Problem::Unsigned), "{:?}", found.findings);
    assert_eq!(found.findings.len() as u64, found.journal_objects + 2);
}

#[tokio::test]
async fn what_is_too_large_is_not_unpacked() {
    let world = World::new().await;
    // 64 MiB of zeros and one more, in a few KiB.
    let bomb: Bytes = zstd::bulk::compress(&vec![0; (64 << 20) + 1], 1).unwrap().into();
    for key in [world.chunk(0, 1), world.journal(1), world.manifest(0)] {
        let found = after(&world, |objects| drop(objects.insert(key.clone(), bomb.clone()))).await;
        assert_eq!(problems(&found, &key), [Problem::Altered], "{key}");
    }
}

/// Somebody who can write the store has put 30 GiB under a name that the check reads.
#[tokio::test]
async fn what_no_process_can_hold_is_not_read() {
    let world = World::new().await;
    for key in [world.chunk(0, 1), world.journal(1), world.manifest(0), Key::signing_key(&world.new.public().id())] {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).await.unwrap();
        for (key, object) in &world.objects {
            disk.put_new(key, object.clone()).await.unwrap();
        }
        let file = std::fs::OpenOptions::new().write(true).open(folder.path().join(key.as_str())).unwrap();
        file.set_len(30 << 30).unwrap();
        let store: Arc<dyn Store> = Arc::new(disk);
        let found = verify(&store, &world.question(), &mut |_| {}).await.unwrap();
        assert_eq!(problems(&found, &key), [Problem::Altered], "{key}");
    }
}

/// A store to which a second life of the gateway is added once its recordings are listed.
#[derive(Debug)]
struct Growing {
    memory: Memory,
    more: Mutex<Objects>,
}

#[async_trait]
impl Store for Growing {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        self.memory.put_new(key, bytes).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        self.memory.read(key, max).await
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        if prefix.starts_with("recordings/") {
            let more = std::mem::take(&mut *self.more.lock().unwrap());
            for (key, object) in more {
                self.memory.put_new(&key, object).await?;
            }
        }
        self.memory.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.memory.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.memory.probe().await
    }
}

#[tokio::test]
async fn a_store_that_grows_while_it_is_checked_is_not_wrong() {
    let world = World::new().await;
    let later = |key: &Key| {
        key.journal_seq().is_some_and(|seq| seq > 1) || key.as_str().contains(&world.recordings[1].to_string())
    };
    let (more, first): (Objects, Objects) = world.objects.clone().into_iter().partition(|(key, _)| later(key));
    assert_eq!(more.len(), 2 + 4);
    let store = Growing { memory: Memory::new(), more: Mutex::new(more) };
    for (key, object) in first {
        store.put_new(&key, object).await.unwrap();
    }
    let question = Question { heads: Vec::new(), ..world.question() };
    let found = verify(&(Arc::new(store) as Arc<dyn Store>), &question, &mut |_| {}).await.unwrap();
    assert_eq!((found.verdict(), &*found.findings), (Verdict::Proven, &[][..]));
    assert_eq!((found.recordings, found.heads), (2, world.heads));
}

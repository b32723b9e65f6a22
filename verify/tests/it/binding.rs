//! Who may have signed what: keys, gateways and the places of journals that vouch for a recording.

use std::{sync::Arc, time::Duration};

use recording::{Key, Manifest, UnixMicros};
use sha2::Digest;
use storage::{
    Memory, Store,
    signing::{Predecessor, Signer, publish},
};
use verify::{Problem, Question, Verdict};

use crate::{
    verify::{after, problems, verdict},
    world::{Objects, World, now, report},
};

const OPENED: &str = "session_opened";
const ENDED: &str = "session_ended";
const STORED: &str = "session_stored";

#[tokio::test]
async fn a_recording_is_known_by_the_journal_of_the_gateway_that_its_header_names() {
    let world = World::new().await;
    for (gateway, by, told) in [
        ("gone", "gone", &[("gone", OPENED), ("gone", ENDED), ("gone", STORED)][..]),
        // Another gateway finalized it.
        ("gone", "gw", &[("gone", OPENED), ("gw", ENDED), ("gw", STORED)]),
        // It was killed between header and entry, and told the end at its next start.
        ("gone", "gone", &[("gone", ENDED), ("gone", STORED)]),
        ("import", "gw", &[("gw-import", "imported"), ("gw-import", STORED)]),
    ] {
        let found = world.and_one_of(gateway, by, told).await.report().await;
        assert_eq!((found.verdict(), &*found.findings), (Verdict::Proven, &[][..]), "{gateway}, {told:?}");
        assert_eq!(found.undigested, 0);
    }
    for (gateway, by, told) in [
        ("gone", "gone", &[][..]),
        // Somebody put header and chunks there, and had them finalized.
        ("gone", "gw", &[("gw", ENDED), ("gw", STORED)]),
        ("gone", "gw", &[("gw", OPENED), ("gw", ENDED), ("gw", STORED)]),
        ("gone", "gw", &[("gw-import", "imported"), ("gw-import", STORED)]),
        ("import", "gw", &[("gw", OPENED), ("gw", ENDED), ("gw", STORED)]),
        // The key of another gateway, which has not finalized it, or not as the first one to end it.
        ("gone", "gw", &[("gone", OPENED), ("gone", ENDED), ("gone", STORED)]),
        ("gone", "gw", &[("gone", OPENED), ("gone", ENDED), ("gone", STORED), ("gw", ENDED), ("gw", STORED)]),
        ("gw", "gone", &[("gw", OPENED), ("gone", STORED)]),
    ] {
        let other = world.and_one_of(gateway, by, told).await;
        let found = other.report().await;
        assert_eq!(problems(&found, Key::recording_prefix(other.id)), [Problem::Foreign], "{gateway}, {told:?}");
        assert_eq!(found.findings.len(), 1, "{:?}", found.findings);
    }
}

#[tokio::test]
async fn a_journal_vouches_for_the_bytes_of_a_manifest() {
    let world = World::new().await;
    let told = |more: &[&'static str]| -> Vec<(&'static str, &'static str)> {
        [OPENED, ENDED].iter().chain(more).map(|event| ("gone", *event)).collect()
    };
    for (more, problem) in [
        (&[STORED][..], None),
        (&[], Some(Problem::Missing)),
        (&["another_stored"], Some(Problem::Altered)),
        // Who has a later key can write another entry, and not take away the first one.
        (&["another_stored", STORED], Some(Problem::Altered)),
        (&[STORED, "another_stored"], Some(Problem::Altered)),
        // Told again after a kill.
        (&[STORED, STORED], None),
    ] {
        let other = world.and_one_of("gone", "gone", &told(more)).await;
        let found = other.report().await;
        assert_eq!(problems(&found, Key::recording_prefix(other.id)), Vec::from_iter(problem), "{more:?}");
    }
    // A session that just ended: the entry may be on its way.
    let other = world.and_one_of("gone", "gone", &told(&[])).await;
    let question = Question { settled: UnixMicros::new(1), ..other.question };
    let found = report(&other.objects, &question).await;
    assert_eq!(found.findings, []);
    assert!(found.notes.iter().any(|note| note.contains("does not have the digest")), "{:?}", found.notes);
}

#[tokio::test]
async fn recordings_of_before_digests_are_told_of() {
    let world = World::new().await;
    let mut other = world.and_one_of("gone", "gone", &[("gone", OPENED), ("gone", ENDED)]).await;
    assert_eq!(problems(&other.report().await, Key::recording_prefix(other.id)), [Problem::Missing]);
    other.seal_as_format_1("gone");
    let found = other.report().await;
    assert_eq!((found.verdict(), &*found.findings, found.undigested), (Verdict::Proven, &[][..], 1));
    assert!(found.notes[0].contains("before journals had digests"), "{:?}", found.notes);
}

#[tokio::test]
async fn a_journal_does_not_go_back_to_an_older_format() {
    let world = World::new().await;
    let mut other = world.and_one_of("gone", "gone", &[("gone", OPENED), ("gone", ENDED)]).await;
    other.seal_as_format_1("gw");
    let found = other.report().await;
    let last = other.objects.keys().rfind(|key| key.as_str().starts_with("journal/gw/")).unwrap();
    assert!(problems(&found, last).contains(&Problem::Altered), "{:?}", found.findings);
}

#[tokio::test]
async fn without_a_manifest_a_recording_is_known_by_the_same_journal() {
    let world = World::new().await;
    for (told, foreign) in [(&[("gone", OPENED)][..], false), (&[("gw", OPENED)], true), (&[], true)] {
        let mut other = world.and_one_of("gone", "gone", told).await;
        other.objects.remove(&Key::manifest(other.id));
        let found = other.report().await;
        assert_eq!(
            problems(&found, Key::recording_prefix(other.id)),
            vec![Problem::Foreign; foreign.into()],
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_header_that_no_gateway_wrote_is_foreign() {
    let world = World::new().await;
    let mut other = world.and_one_of("gone", "gone", &[]).await;
    let header = Key::chunk(other.id, 0);
    other.objects.retain(|key, _| !key.as_str().contains(&other.id.to_string()) || *key == header);
    let folder = Key::recording_prefix(other.id);
    assert_eq!(problems(&other.report().await, &folder), [Problem::Foreign]);

    // One of a moment ago may be right: its gateway is about to write the journal. It says when it began itself.
    let start = UnixMicros::new(1_795_348_803_000_000);
    let day = Duration::from_secs(86_400);
    let before = |span: Duration| UnixMicros::new(start.get() - span.as_micros() as i64);
    for (settled, foreign) in
        [(start, true), (before(Duration::from_micros(1)), false), (before(day), false), (before(2 * day), true)]
    {
        let question = Question { settled, ..other.question.clone() };
        let found = report(&other.objects, &question).await;
        assert_eq!(problems(&found, &folder), vec![Problem::Foreign; foreign.into()], "{settled:?}");
    }
}

#[tokio::test]
async fn lines_behind_the_header_of_a_live_session_are_altered() {
    let world = World::new().await;
    let mut other = world.and_one_of("gone", "gone", &[("gone", OPENED)]).await;
    other.objects.remove(&Key::manifest(other.id));
    let header = Key::chunk(other.id, 0);
    assert_eq!(problems(&other.report().await, &header), []);
    let mut lines = zstd::decode_all(&*other.objects[&header]).unwrap();
    lines.extend_from_slice(b"[0.1, \"o\", \"forged\"]\n");
    other.objects.insert(header.clone(), zstd::encode_all(&*lines, 1).unwrap().into());
    assert_eq!(problems(&other.report().await, &header), [Problem::Altered]);
}

/// Who has one of the keys, and the bucket, signs a document again: as it is, and with something else in it.
#[tokio::test]
async fn every_document_that_is_signed_again_by_any_key_is_found() {
    let world = World::new().await;
    let other = world.and_one_of("gone", "gone", &[("gone", OPENED), ("gone", ENDED), ("gone", STORED)]).await;
    assert_eq!(other.report().await.findings, []);
    let from = |key: &Key| {
        let object = &other.objects[key];
        UnixMicros::new(serde_json::from_slice::<serde_json::Value>(object).unwrap()["from_micros"].as_i64().unwrap())
    };
    let statement = |signer: &Signer| Key::signing_key(&signer.public().id());
    let (old_from, new_from) = (from(&statement(&world.old)), from(&statement(&world.new)));
    let signers = [(&world.old, old_from), (&world.old, new_from), (&world.new, new_from), (&world.new, now())];
    for key in other.objects.keys().filter(|key| key.file_name() == "manifest.json") {
        let manifest: Manifest = serde_json::from_slice(&other.objects[key]).unwrap();
        let altered = Manifest { transport: "altered".to_owned(), ..manifest.clone() };
        for (signer, time) in signers {
            for manifest in [&manifest, &altered] {
                let mut objects = other.objects.clone();
                objects.insert(key.clone(), signer.seal_manifest(manifest, time));
                let found = report(&objects, &other.question).await;
                assert_eq!(verdict(&found), Verdict::Wrong, "{key}, signed by {signer:?} at {time:?}");
            }
        }
    }
    for key in other.objects.keys().filter(|key| key.journal_seq().is_some()) {
        let sealed = storage::journal::SealedObject::new(&other.objects[key]);
        let lines = sealed.lines().unwrap();
        let unchained = unchained(&lines);
        let link = previous(&other.objects, key);
        for (signer, time) in signers {
            let (object, _) = storage::journal::seal(signer, key, link, &unchained, time).unwrap();
            let mut objects = other.objects.clone();
            objects.insert(key.clone(), object);
            let found = report(&objects, &other.question).await;
            assert_eq!(verdict(&found), Verdict::Wrong, "{key}, signed by {signer:?} at {time:?}");
        }
    }
}

/// The whole of an old journal, written anew by who has the present key: the key before it signed where it ended.
#[tokio::test]
async fn the_present_key_cannot_write_the_past_anew() {
    let world = World::new().await;
    let key = world.manifest(0);
    let mut manifest: Manifest = serde_json::from_slice(&world.objects[&key]).unwrap();
    manifest.commands.clear();
    manifest.transport = "altered".to_owned();
    let forged = world.new.seal_manifest(&manifest, now());
    let digest = recording::hex(sha2::Sha256::digest(&forged).into());
    let mut objects = world.objects.clone();
    objects.insert(key, forged);
    // Every object of the journal is sealed again, with the forged digest in its entries.
    let journal: Vec<Key> = objects.keys().filter(|key| key.journal_seq().is_some()).cloned().collect();
    let mut link = storage::journal::ChainLink::default();
    for key in journal {
        let lines = storage::journal::SealedObject::new(&objects[&key]).lines().unwrap();
        let mut text = String::from_utf8(unchained(&lines)).unwrap();
        if let Some(at) = text.find("\"manifest_sha256\":\"")
            && text.contains(&world.recordings[0].to_string())
        {
            text.replace_range(at + 19..at + 19 + 64, &digest);
        }
        let (object, next) = storage::journal::seal(&world.new, &key, link, text.as_bytes(), now()).unwrap();
        objects.insert(key, object);
        link = next;
    }
    // Nobody kept a head outside.
    let found = report(&objects, &Question { heads: Vec::new(), ..world.question() }).await;
    let first = world.journal(0);
    assert_eq!(problems(&found, &first), [Problem::KeyNotValid], "{:?}", found.findings);
    assert!(problems(&found, "journal/gw/").contains(&Problem::Altered), "{:?}", found.findings);
}

#[tokio::test]
async fn a_key_that_introduces_a_second_one_is_found() {
    let world = World::new().await;
    let mut objects = world.objects.clone();
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let third = Signer::generate().unwrap();
    let before = Predecessor { signer: &world.old, journals: Vec::new() };
    publish(&store, "gw", &third, Some(before), now()).await.unwrap();
    let key = Key::signing_key(&third.public().id());
    objects.insert(key.clone(), store.read(&key, u64::MAX).await.unwrap());
    let found = report(&objects, &world.question()).await;
    assert_eq!(problems(&found, &key), [Problem::Foreign]);
}

#[tokio::test]
async fn a_journal_of_an_invented_gateway_is_foreign_whoever_signed_it() {
    let world = World::new().await;
    let key = Key::new("journal/invented/2026/11/30/000000000000.jsonl.zst").unwrap();
    let lines = b"{\"micros\":1,\"gateway\":\"invented\",\"event\":\"stopped\"}\n";
    let (object, _) =
        storage::journal::seal(&world.new, &key, storage::journal::ChainLink::default(), lines, now()).unwrap();
    let found = after(&world, |objects| drop(objects.insert(key.clone(), object))).await;
    assert_eq!(problems(&found, &key), [Problem::Foreign]);
}

/// Lines as they were before they were chained.
fn unchained(lines: &[u8]) -> Vec<u8> {
    let mut unchained = Vec::new();
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        unchained.push(b'{');
        unchained.extend_from_slice(&line[br#"{"prev":"","#.len() + 64..]);
        unchained.push(b'\n');
    }
    unchained
}

/// What an object of a journal is chained to.
fn previous(objects: &Objects, key: &Key) -> storage::journal::ChainLink {
    let folder = |key: &Key| key.as_str().split('/').nth(1).unwrap().to_owned();
    let seq = key.journal_seq().unwrap();
    let before = objects
        .iter()
        .find(|(other, _)| other.journal_seq().is_some_and(|other| other + 1 == seq) && folder(other) == folder(key));
    before.map_or_else(storage::journal::ChainLink::default, |(_, object)| storage::journal::ChainLink::after(object))
}

#[tokio::test]
async fn a_recording_of_just_now_may_be_stored_before_the_journal_knows_of_it() {
    let world = World::new().await;
    let id = recording::RecordingId(uuid::Uuid::now_v7());
    // Another gateway's key vouches for nothing of it, however new it is.
    for (by, is_right) in [("gw", true), ("gone", false)] {
        let other = world.and_one(id, "gw", by, &[]).await;
        let settled = now() - std::time::Duration::from_secs(300);
        let question = Question { settled, ..other.question.clone() };
        let found = report(&other.objects, &question).await;
        assert_eq!(found.verdict() == Verdict::Proven, is_right, "{by}: {found:?}");
        assert_eq!(found.notes.iter().any(|note| note.contains("no journal knows of this recording yet")), is_right);
        assert_eq!(other.report().await.verdict(), Verdict::Wrong, "{by}: later it has to be there");

        let store: std::sync::Arc<dyn storage::Store> = std::sync::Arc::new(storage::Memory::new());
        for (key, object) in &other.objects {
            store.put_new(key, object.clone()).await.unwrap();
        }
        let inspection = verify::inspect(&store, &question, id, u64::MAX).await.unwrap();
        let expected = if is_right { verify::Standing::NotVouched } else { verify::Standing::Foreign };
        assert_eq!((inspection.standing, inspection.findings.len()), (expected, 1));
    }
}

//! What the program itself has stored, with every byte of it flipped and every object cut, removed or moved: nothing of
//! that may look proven. The same is done to it with `docs/verify.py` in `e2e/test_verify.py`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use recording::{Key, UnixMicros};
use storage::{Disk, Memory, Store, signing::PublicKey};
use verify::{Question, Report, Trust, Verdict, verify};

use crate::program::{Running, run};

type Objects = BTreeMap<Key, tokio_util::bytes::Bytes>;

/// The store of a demo that was started twice, with a new key the second time; and what an auditor knows.
async fn stored(folder: &Path) -> (Objects, Question) {
    for _ in 0..2 {
        let mut demo =
            Running::start(folder, &["demo", "--folder", "d", "--gateway", "127.0.0.1:0", "--web", "127.0.0.1:0"]);
        demo.wait_for("ready");
        assert_eq!(demo.end(), Some(0));
        assert_eq!(kubetape(folder, &["key", "rotate"]).0, Some(0));
    }
    let (status, said) = kubetape(folder, &["verify", "--save-heads", "heads.json", "--grace", "0s"]);
    assert_eq!(status, Some(0), "{said}");
    let key = PublicKey::from_pem(&kubetape(folder, &["key", "show"]).1).unwrap();
    let heads = serde_json::from_slice(&std::fs::read(folder.join("heads.json")).unwrap()).unwrap();
    let question = Question { trusted: vec![Trust::Key(key)], heads, settled: UnixMicros::MAX, ..Question::default() };
    let disk = Disk::open_existing(folder.join("d/storage")).await.unwrap();
    let mut objects = Objects::new();
    for entry in disk.list("", None, 1000).await.unwrap() {
        if !["probe/", "leases/"].iter().any(|beside| entry.key.as_str().starts_with(beside)) {
            objects.insert(entry.key.clone(), disk.read(&entry.key, u64::MAX).await.unwrap());
        }
    }
    (objects, question)
}

fn kubetape(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let words: Vec<&str> = ["--config", "d/kubetape.toml"].iter().chain(words).copied().collect();
    let done = run(folder, &words, &[], "");
    (done.status, done.stdout)
}

async fn report(objects: &Objects, question: &Question) -> Report {
    let memory = Memory::new();
    for (key, object) in objects {
        memory.put_new(key, object.clone()).await.unwrap();
    }
    verify(&(Arc::new(memory) as Arc<dyn Store>), question, &mut |_| {}).await.unwrap()
}

#[tokio::test]
async fn whatever_is_done_to_a_store_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, question) = stored(folder.path()).await;
    let found = report(&whole, &question).await;
    assert_eq!((found.verdict(), found.findings), (Verdict::Proven, Vec::new()));
    assert!(found.recordings >= 1 && found.journal_objects >= 4 && found.keys == 2, "{whole:?}");

    what_calls_itself_an_export(&whole, &question).await;
    let mut objects = whole.clone();
    for (key, object) in &whole {
        let wrong = async |objects: &Objects, what: &str| {
            assert_eq!(report(objects, &question).await.verdict(), Verdict::Wrong, "{key} {what}");
        };
        for at in 0..object.len() {
            let mut altered = object.to_vec();
            altered[at] ^= 1 << (at % 8);
            objects.insert(key.clone(), altered.into());
            wrong(&objects, &format!("with byte {at} flipped")).await;
        }
        for length in (0..object.len()).step_by(17).chain([object.len() - 1]) {
            objects.insert(key.clone(), object.slice(..length));
            wrong(&objects, &format!("cut to {length}")).await;
        }
        objects.remove(key);
        wrong(&objects, "removed").await;
        for (other, content) in whole.iter().filter(|(_, content)| *content != object) {
            objects.insert(key.clone(), content.clone());
            objects.insert(other.clone(), object.clone());
            wrong(&objects, &format!("in the place of {other}")).await;
            objects.insert(other.clone(), content.clone());
        }
        objects.insert(key.clone(), object.clone());
        let beside = Key::new(format!("{key}.copy")).unwrap();
        objects.insert(beside.clone(), object.clone());
        wrong(&objects, "copied").await;
        objects.remove(&beside);
    }
}

/// A recording is removed with all journal objects that speak of it, and a file is added that says that this is an export.
async fn what_calls_itself_an_export(whole: &Objects, question: &Question) {
    let manifest = whole.keys().find(|key| key.file_name() == "manifest.json").unwrap();
    let id = manifest.as_str().split('/').nth(4).unwrap();
    let mut objects = whole.clone();
    objects.retain(|key, object| !key.as_str().contains(id) && !speaks_of(key, object, id));
    let left = |of: &str| objects.keys().filter(|key| key.as_str().starts_with(of)).count();
    assert!(left("journal/") > 0 && whole.len() > left(""), "{objects:?}");
    objects.insert(Key::new("bundle.json").unwrap(), (&b"{}"[..]).into());
    for heads in [question.heads.clone(), Vec::new()] {
        let found = report(&objects, &Question { heads, ..question.clone() }).await;
        assert_eq!(found.verdict(), Verdict::Wrong, "{:?}", found.findings);
    }
}

fn speaks_of(key: &Key, object: &[u8], id: &str) -> bool {
    let entries = key.journal_seq().map(|_| storage::journal::decode(key, object).unwrap());
    entries.is_some_and(|entries| serde_json::to_string(&entries).unwrap().contains(id))
}

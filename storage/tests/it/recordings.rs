use std::sync::Arc;

use recording::{InvalidKey, Key};
use storage::{Memory, RecordingError, RecordingReader, Store, recordings::ChunkOrGap};

use crate::sample::{header, id_at, manifest, output, put_chunk, put_header, put_manifest};

/// 2026-11-22T12:00:00Z
const NOON: u64 = 1_795_348_800;
const DAY: u64 = 24 * 3600;

fn empty() -> (Arc<Memory>, RecordingReader) {
    let store = Arc::new(Memory::new());
    (Arc::clone(&store), RecordingReader::new(store))
}

#[tokio::test]
async fn pages_go_back_through_the_days() {
    let (store, recordings) = empty();
    let times = [NOON - 40 * DAY, NOON - DAY, NOON - DAY + 5, NOON, NOON + 1];
    let ids: Vec<_> = times.iter().map(|seconds| id_at(*seconds)).collect();
    for id in &ids {
        put_header(&*store, *id).await;
    }
    let newest_first: Vec<_> = ids.iter().rev().copied().collect();

    assert_eq!(recordings.days().await.unwrap(), ["2026/11/22", "2026/11/21", "2026/10/13"]);
    assert_eq!(recordings.ids("2026/11/21").await.unwrap(), newest_first[2..4]);
    assert_eq!(recordings.ids("nonsense/../x").await.unwrap(), []);
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = recordings.page(before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(*last);
        paged.extend(page);
    }
    assert_eq!(paged, newest_first);
    assert_eq!(recordings.page(None, 100).await.unwrap(), newest_first);
}

#[tokio::test]
async fn a_live_recording_has_a_header_and_no_manifest() {
    let (store, recordings) = empty();
    let id = id_at(NOON);
    assert!(recordings.header(id).await.unwrap_err().is_not_found());
    put_header(&*store, id).await;
    let summary = recordings.summary(id).await.unwrap();
    assert_eq!((summary.header, summary.manifest), (header(id), None));
    assert_eq!(recordings.events(id).await.unwrap().1, []);

    put_chunk(&*store, id, 1, &output(5, "a")).await;
    assert_eq!(recordings.chunk_numbers(id).await.unwrap(), [0, 1]);
    assert_eq!(recordings.chunk_numbers_after(id, Some(1)).await.unwrap(), [0; 0]);
    put_manifest(&*store, &manifest(id, 1)).await;
    assert_eq!(recordings.manifest(id).await.unwrap(), Some(manifest(id, 1)));
    assert_eq!(recordings.events(id).await.unwrap().1[0].data, "a");
}

#[tokio::test]
async fn what_is_missing_is_a_gap() {
    let (store, recordings) = empty();
    let id = id_at(NOON);
    put_header(&*store, id).await;
    put_chunk(&*store, id, 2, &output(5, "two")).await;
    put_chunk(&*store, id, 5, &output(9, "five")).await;
    put_manifest(&*store, &manifest(id, 7)).await;

    let mut chunks = recordings.chunks(id).await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = chunks.next().await.unwrap() {
        pieces.push(piece);
    }
    let lines = |number, time, text| ChunkOrGap::Lines { number, lines: output(time, text) };
    let gap = |from, to| ChunkOrGap::Gap { from, to };
    assert_eq!(pieces, [gap(1, 1), lines(2, 5, "two"), gap(3, 4), lines(5, 9, "five"), gap(6, 7)]);
    assert!(matches!(recordings.events(id).await, Err(RecordingError::Gap { number: 1, .. })));
}

#[tokio::test]
async fn a_damaged_chunk_is_named_and_the_next_one_is_read() {
    let (store, recordings) = empty();
    let id = id_at(NOON);
    put_header(&*store, id).await;
    store.put_new(&Key::chunk(id, 1), "rubbish".into()).await.unwrap();
    put_chunk(&*store, id, 2, b"[1.0, \"o\", \"cut").await;

    let mut chunks = recordings.chunks(id).await.unwrap();
    assert!(matches!(chunks.next().await, Err(RecordingError::Chunk { number: 1, .. })));
    assert!(matches!(chunks.next().await, Ok(Some(ChunkOrGap::Lines { number: 2, .. }))));
    assert!(matches!(chunks.next().await, Ok(None)));

    let other = id_at(NOON + 1);
    put_header(&*store, other).await;
    put_chunk(&*store, other, 1, b"[1.0, \"o\", \"cut").await;
    assert!(matches!(recordings.events(other).await, Err(RecordingError::Line { number: 1, .. })));
}

#[tokio::test]
async fn headers_and_manifests_that_are_none_are_errors() {
    let (store, recordings) = empty();
    let id = id_at(NOON);
    put_chunk(&*store, id, 0, b"{}\n").await;
    store.put_new(&Key::manifest(id), "{}".into()).await.unwrap();
    assert!(matches!(recordings.header(id).await, Err(RecordingError::Line { number: 0, .. })));
    assert!(matches!(recordings.manifest(id).await, Err(RecordingError::Manifest { .. })));
}

#[tokio::test]
async fn an_object_whose_name_is_spelled_otherwise_is_no_chunk() {
    let (store, recordings) = empty();
    let id = id_at(NOON);
    put_header(&*store, id).await;
    put_chunk(&*store, id, 1, &output(5, "once")).await;
    let chunk = store.read(&Key::chunk(id, 1), u64::MAX).await.unwrap();
    let folder = Key::recording_prefix(id);
    for other in ["0000001.cast.zst", "1.cast.zst", "more/000001.cast.zst", "more/000002.cast.zst"] {
        store.put_new(&Key::new(format!("{folder}{other}")).unwrap(), chunk.clone()).await.unwrap();
    }
    let upper = folder.replace(&id.to_string(), &id.to_string().to_uppercase());
    store.put_new(&Key::new(format!("{upper}000000.cast.zst")).unwrap(), chunk.clone()).await.unwrap();

    assert_eq!(recordings.chunk_numbers(id).await.unwrap(), [0, 1]);
    assert_eq!(recordings.objects(id).await.unwrap().chunks.len(), 2);
    assert_eq!(recordings.events(id).await.unwrap().1.len(), 1, "it is played once");
    assert_eq!(recordings.ids(&id.day()).await.unwrap(), [id]);
}

#[tokio::test]
async fn the_concatenation_of_the_chunks_is_a_cast() {
    let (store, recordings) = empty();
    let id = id_at(NOON);
    put_header(&*store, id).await;
    put_chunk(&*store, id, 1, &output(5, "a")).await;
    let mut objects = Vec::new();
    for number in recordings.chunk_numbers(id).await.unwrap() {
        objects.extend(store.read(&Key::chunk(id, number), u64::MAX).await.unwrap());
    }
    let cast = zstd::decode_all(&objects[..]).unwrap();
    assert_eq!(cast, [header(id).to_line(), output(5, "a")].concat());
}

#[test]
fn keys_are_as_described() {
    let id = "019abcde-0000-7000-8000-000000000001".parse().unwrap();
    assert_eq!(Key::chunk(id, 7).as_str(), format!("recordings/2025/11/25/{id}/000007.cast.zst"));
    assert_eq!(Key::manifest(id).as_str(), format!("recordings/2025/11/25/{id}/manifest.json"));
    assert_eq!((Key::chunk(id, 7).chunk_number(), Key::manifest(id).chunk_number()), (Some(7), None));
    for wrong in ["", "/a", "a/", "a//b", ".", "a/../b", "a b", "ü", "a\0", "~"] {
        assert_eq!(Key::new(wrong), Err(InvalidKey(wrong.to_owned())));
    }
}

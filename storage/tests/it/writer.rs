//! What the writer of recordings says of what it puts, and of what was there before.

use std::sync::Arc;

use recording::{Key, Micros, Outcome, RecordingId, UnixMicros};
use sha2::{Digest, Sha256};
use storage::{Memory, PutOutcome, RecordingReader, RecordingWriter, Store, StoredManifest, signing::Signer};

use crate::sample::{id_at, manifest, output};

const NOON: u64 = 1_795_348_800;

struct Desk {
    store: Arc<Memory>,
    writer: RecordingWriter,
    reader: RecordingReader,
    id: RecordingId,
}

fn desk() -> Desk {
    let store = Arc::new(Memory::new());
    let writer = RecordingWriter::new(store.clone(), Arc::new(Signer::generate().unwrap()));
    Desk { writer, reader: RecordingReader::new(store.clone()), store, id: id_at(NOON) }
}

#[tokio::test]
async fn chunks_are_chained_and_come_back() {
    let Desk { writer, reader, id, .. } = desk();
    // Below and above what is compressed where it stands.
    let all = [output(1, "a"), output(2, &"long ".repeat(50_000))];
    let mut digest = [0; 32];
    for (number, lines) in (0..).zip(&all) {
        let put = writer.put_chunk(id, number, lines.clone(), digest).await.unwrap();
        let PutOutcome::Stored(stored) = put else { panic!("{put:?}") };
        let object = reader.chunk_object(id, number).await.unwrap();
        assert_eq!(stored, object.stored(lines.len() as u64, digest));
        assert_eq!((object.lines().unwrap(), object.digest(digest)), (lines.clone(), stored.digest));
        let listed = stored.listed(Micros::new(1), Micros::new(2));
        assert_eq!((listed.number, listed.size), (number, object.bytes().len() as u64));
        assert_eq!((listed.uncompressed, listed.digest), (lines.len() as u64, recording::hex(stored.digest)));
        digest = stored.digest;
    }
}

#[tokio::test]
async fn the_same_lines_are_ours_whoever_compressed_them() {
    let Desk { store, writer, reader, id } = desk();
    let lines = output(1, &"x".repeat(100_000));
    let theirs = zstd::bulk::compress(&lines, 19).unwrap();
    store.put_new(&Key::chunk(id, 1), theirs.clone().into()).await.unwrap();
    let put = writer.put_chunk(id, 1, lines.clone(), [7; 32]).await.unwrap();
    let PutOutcome::AlreadyOurs(stored) = put else { panic!("{put:?}") };
    assert_eq!(stored.size, theirs.len() as u64, "the object that is there counts");
    assert_eq!(stored, reader.chunk_object(id, 1).await.unwrap().stored(lines.len() as u64, [7; 32]));
    let again = writer.put_chunk(id, 1, lines, [7; 32]).await.unwrap();
    assert_eq!(again.stored(), Ok(stored));
}

#[tokio::test]
async fn other_lines_damage_and_bombs_are_conflicts() {
    let Desk { store, writer, id, .. } = desk();
    let bomb = zstd::bulk::compress(&vec![0; (64 << 20) + 1], 1).unwrap();
    for (number, there) in (0..).zip([zstd::bulk::compress(b"other\n", 1).unwrap(), b"no zstd".to_vec(), bomb]) {
        let key = Key::chunk(id, number);
        store.put_new(&key, there.into()).await.unwrap();
        let put = writer.put_chunk(id, number, output(1, "ours"), [0; 32]).await.unwrap();
        assert_eq!(put.stored(), Err(key));
    }
}

#[tokio::test]
async fn a_manifest_is_ours_where_it_says_the_same_of_the_same_chunks() {
    let Desk { store, writer, reader, id } = desk();
    let first = manifest(id, 2);
    let PutOutcome::Stored(stored) = writer.put_manifest(&first, UnixMicros::new(1)).await.unwrap() else {
        panic!("it is new")
    };
    let object = store.read(&Key::manifest(id), u64::MAX).await.unwrap();
    assert_eq!(
        stored,
        StoredManifest { manifest: first.clone(), sha256: Sha256::digest(&object).into(), is_signed_here: true }
    );
    // A later signature, and what another version makes of the lines.
    let mut other = first.clone();
    other.anomalies.push("seen by a later version".to_owned());
    assert_eq!(writer.put_manifest(&other, UnixMicros::new(2)).await.unwrap(), PutOutcome::AlreadyOurs(stored));
    other.outcome = Outcome::Interrupted;
    assert_eq!(writer.put_manifest(&other, UnixMicros::new(3)).await.unwrap(), PutOutcome::Conflict(Key::manifest(id)));
    assert_eq!(
        writer.put_manifest(&manifest(id, 3), UnixMicros::new(4)).await.unwrap(),
        PutOutcome::Conflict(Key::manifest(id))
    );
    assert_eq!(reader.manifest(id).await.unwrap(), Some(first));
}

#[tokio::test]
async fn a_manifest_is_signed_here_where_this_key_or_the_one_before_it_signed_it() {
    let Desk { store, writer, id, .. } = desk();
    let [old, new, stranger] = [(); 3].map(|()| Signer::generate().unwrap());
    let new = new.after(old.public());
    let said = manifest(id, 2);
    for (signer, signed_here) in [(&old, true), (&new, true), (&stranger, false)] {
        let there = Arc::new(Memory::new());
        there.put_new(&Key::manifest(id), signer.seal_manifest(&said, UnixMicros::new(1))).await.unwrap();
        let next = Signer::from_pem(&new.to_pem().unwrap()).unwrap().after(old.public());
        let put = RecordingWriter::new(there, Arc::new(next)).put_manifest(&said, UnixMicros::new(2)).await.unwrap();
        assert_eq!(put.stored().unwrap().is_signed_here, signed_here);
    }
    // Nobody signed it: somebody put it there to have it vouched for.
    store.put_new(&Key::manifest(id), serde_json::to_vec(&said).unwrap().into()).await.unwrap();
    let put = writer.put_manifest(&said, UnixMicros::new(2)).await.unwrap();
    assert!(!put.stored().unwrap().is_signed_here);
}

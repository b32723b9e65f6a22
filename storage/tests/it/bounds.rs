//! Objects that somebody made so large that no process could hold them: nothing reads them.

use std::{fs::File, path::Path, sync::Arc};

use recording::{Key, LARGEST_MANIFEST, UnixMicros};
use storage::{
    ChunkError, Disk, RecordingError, RecordingReader, RecordingWriter, S3, S3Credentials, S3Settings, Store,
    StoreError,
    chunk::LARGEST_OBJECT,
    journal::{JournalError, JournalReader, LARGEST_JOURNAL_OBJECT},
    signing::{KeyStatement, Signer, StatementError, publish, statements},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::sample::{header, id_at, manifest, output, put_chunk, put_header};

const NOON: u64 = 1_795_348_800;

/// 30 GiB that take no room on the disk.
fn grow(folder: &Path, key: &Key) {
    let path = folder.join(key.as_str());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().set_len(30 << 30).unwrap();
}

#[tokio::test]
async fn a_recordings_oversized_objects_are_damage_and_not_the_end_of_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Disk::open(folder.path()).await.unwrap());
    let (reader, id) = (RecordingReader::new(Arc::clone(&store)), id_at(NOON));
    put_header(&*store, id).await;
    put_chunk(&*store, id, 1, &output(1, "a")).await;
    grow(folder.path(), &Key::chunk(id, 1));
    let large =
        |error: RecordingError| matches!(error, RecordingError::Chunk { source: ChunkError::ObjectTooLarge(_), .. });
    assert!(large(reader.chunk(id, 1).await.unwrap_err()));
    assert!(large(reader.events(id).await.unwrap_err()));
    let object = reader.chunk_object(id, 1).await.unwrap_err();
    assert!(matches!(object, StoreError::TooLarge { max: LARGEST_OBJECT, .. }), "{object:?}");
    assert_eq!(reader.header(id).await.unwrap(), header(id));
    grow(folder.path(), &Key::chunk(id, 0));
    assert!(large(reader.summary(id).await.unwrap_err()));
    grow(folder.path(), &Key::manifest(id));
    assert!(matches!(reader.manifest(id).await, Err(RecordingError::ManifestTooLarge(it)) if it == id));
    let document = reader.manifest_document(id).await.unwrap_err();
    assert!(matches!(document, StoreError::TooLarge { max: LARGEST_MANIFEST, .. }), "{document:?}");

    let writer = RecordingWriter::new(store, Arc::new(Signer::generate().unwrap()));
    let put = writer.put_chunk(id, 1, output(1, "a"), [0; 32]).await.unwrap();
    assert_eq!(put.stored(), Err(Key::chunk(id, 1)));
    assert_eq!(
        writer.put_manifest(&manifest(id, 1), UnixMicros::EPOCH).await.unwrap().stored(),
        Err(Key::manifest(id))
    );
}

#[tokio::test]
async fn an_oversized_journal_object_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Disk::open(folder.path()).await.unwrap());
    grow(folder.path(), &Key::new("journal/gw/2026/11/22/000000000000.jsonl.zst").unwrap());
    let reader = JournalReader::new(store);
    let [object] = reader.list("gw", None, 9).await.unwrap().try_into().unwrap();
    let read = reader.read(&object).await.unwrap_err();
    let told = matches!(
        &read,
        JournalError::Object { source: ChunkError::ObjectTooLarge(LARGEST_JOURNAL_OBJECT), key } if *key == object.key
    );
    assert!(told, "{read:?}");
}

#[tokio::test]
async fn an_oversized_statement_of_a_key_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Disk::open(folder.path()).await.unwrap());
    let signer = Signer::generate().unwrap();
    let key = Key::signing_key(&signer.public().id());
    grow(folder.path(), &key);
    let [(name, statement)] = statements(&store).await.unwrap().try_into().unwrap();
    assert!(name == key && matches!(statement, Err(StatementError::TooLarge)), "{statement:?}");
    assert!(
        matches!(publish(&store, "gw", &signer, None, UnixMicros::new(1)).await, Err(StatementError::Conflict(it)) if it == key)
    );
    assert!(matches!(store.read(&key, KeyStatement::LARGEST).await, Err(StoreError::TooLarge { .. })));
}

/// An S3 server that lists nothing, and answers every GET with this head and a body without end.
async fn endless(head: &'static str) -> S3 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        const LISTED: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        let (stream, _) = listener.accept().await.unwrap();
        let head_of_list =
            format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{LISTED}", LISTED.len());
        answer(stream, &head_of_list, false).await;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, head, true));
        }
    });
    let text = |text: &str| Some(text.to_owned());
    let credentials = S3Credentials { access_key: text("a"), secret_key: text("s"), ..S3Credentials::default() };
    let settings = S3Settings {
        bucket: "b".to_owned(),
        prefix: String::new(),
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        path_style: true,
        credentials,
    };
    S3::connect(settings).await.unwrap()
}

async fn answer(mut stream: TcpStream, head: &str, endless: bool) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
    // Until the reader has had enough.
    while endless && stream.write_all(&part).await.is_ok() {}
}

#[tokio::test]
async fn s3_is_not_read_beyond_the_bound_whatever_it_announces() {
    let key = Key::new("k").unwrap();
    for head in [
        "HTTP/1.1 200 x\r\ncontent-length: 32212254720\r\n\r\n",
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let read = endless(head).await.read(&key, 1 << 20).await.map(|bytes| bytes.len());
        assert!(matches!(&read, Err(StoreError::TooLarge { max: 0x10_0000, .. })), "{head}: {read:?}");
    }
}

//! What another process makes of the spool of one that died.

mod support;

use std::path::Path;

use access::InputRecording;
use recorder::{Ending, KeepLimits, Recorder, Settings};
use recording::{
    Key, Manifest, Outcome,
    cast::{Code, Event, SessionKind},
    hex,
};
use sha2::{Digest, Sha256};
use storage::Store;
use support::*;

#[tokio::test]
async fn everything_accepted_is_in_the_recording_after_kill_9_and_nothing_twice() {
    // How many chunks reach the store before: none, some, all of the closed ones.
    for stored in 0..5 {
        let store = Moody::new(stored);
        let stage = stage(&store, Settings { chunk_bytes: 1_000, ..slow() }).await;
        let mut accepted = Vec::new();
        for number in 0..40 {
            let said = format!("line {number} caf\u{e9} {}\r\n", "x".repeat(number * 3));
            let (one, two) = said.as_bytes().split_at(said.find('\u{e9}').expect("it") + 1);
            for part in [one, two] {
                stage.server(STDOUT, part).await;
                accepted.extend_from_slice(part);
            }
        }
        stage.server(STDOUT, b"\xe2\x82").await;
        accepted.extend_from_slice(b"\xe2\x82");
        while store.list("", None, 1_000).await.expect("a list").len() < stored {
            store.written.notified().await;
        }
        let folder = killed(stage.folder.path());
        let id = stage.recording.id();
        store.gate.add_permits(1_000);
        // The process is gone; its copy of the session here may do what it wants in a store of its own.
        let elsewhere = Moody::new(1_000);
        for entry in store.list("", None, 1_000).await.expect("a list").iter().take(stored) {
            elsewhere.put_new(&entry.key, store.read(&entry.key, u64::MAX).await.expect("it")).await.expect("put");
        }
        recovered(folder.path(), elsewhere.clone()).await;
        let (manifest, events) = read(&elsewhere, id).await;
        assert_eq!(restored(&events, Code::Output), accepted, "{stored} stored");
        assert_eq!(manifest.outcome, Outcome::Interrupted);
        assert_eq!((manifest.totals.stdout, missing(&events)), (accepted.len() as u64, vec![]));
        let last = events.last().expect("events").time;
        assert!(manifest.duration >= last, "the last time seen");
        let listed: Vec<_> = manifest.chunks.iter().map(|chunk| chunk.number).collect();
        assert_eq!(listed, (0..listed.len() as u32).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_status_that_was_seen_before_kill_9_is_the_outcome() {
    let store = Moody::new(1_000);
    let stage = stage(&store, slow()).await;
    stage.client(RESIZE, br#"{"Width":120,"Height":40}"#).await;
    stage.server(STDOUT, b"done").await;
    stage.server(ERROR, &exit_code(7)).await;
    stage.recording.accept(Server, &close(Server)).await.expect("accepted");
    let folder = killed(stage.folder.path());
    let elsewhere = Moody::new(1_000);
    recovered(folder.path(), elsewhere.clone()).await;
    let (manifest, _) = read(&elsewhere, stage.recording.id()).await;
    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 7 });
    assert_eq!((manifest.width, manifest.height), (120, 40));
    assert_eq!(manifest.transport, "websocket v5.channel.k8s.io");
    assert_eq!(manifest.commands[0].text, "sh");
}

#[tokio::test]
async fn an_end_that_was_not_stored_yet_is_stored_as_it_was() {
    let store = Moody::new(0);
    let stage = stage(&store, slow()).await;
    stage.server(STDOUT, b"done").await;
    stage.server(ERROR, &exit_code(0)).await;
    let said = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    let folder = killed(stage.folder.path());
    let elsewhere = Moody::new(1_000);
    recovered(folder.path(), elsewhere.clone()).await;
    let (manifest, _) = read(&elsewhere, stage.recording.id()).await;
    assert_eq!(Manifest { chunks: Vec::new(), ..manifest }, said);
    // A second process that died before the spool let go of it.
    recovered(killed(stage.folder.path()).path(), elsewhere).await;
}

#[tokio::test]
async fn a_session_that_was_finalized_by_another_is_quarantined() {
    let store = Moody::new(0);
    let stage = stage(&store, slow()).await;
    stage.server(STDOUT, b"more than the finalizer saw").await;
    let folder = killed(stage.folder.path());
    let (id, elsewhere) = (stage.recording.id(), Moody::new(1_000));
    elsewhere.put_new(&Key::manifest(id), bytes::Bytes::from_static(b"{}")).await.expect("written");
    recovered(folder.path(), elsewhere.clone()).await;
    assert!(folder.path().join("aside").join(id.to_string()).join("000001").exists());
    let keys: Vec<_> = elsewhere.list("", None, 9).await.expect("a list").into_iter().map(|entry| entry.key).collect();
    assert_eq!(keys, [Key::manifest(id)], "nothing was put beside it");
}

#[tokio::test]
async fn a_session_whose_header_is_damaged_is_quarantined_with_all_that_was_said() {
    let stage = stage(&Moody::new(0), slow()).await;
    stage.server(STDOUT, b"said").await;
    let (folder, id) = (killed(stage.folder.path()), stage.recording.id().to_string());
    let header = folder.path().join(&id).join("000000");
    let mut bytes = std::fs::read(&header).expect("a header");
    bytes[100] ^= 1;
    std::fs::write(&header, bytes).expect("written");
    let store = Moody::new(1_000);
    let recorder = Recorder::start(spool(folder.path()), store.clone(), settings());
    recorder.drained().await;
    let told = recorder.unjournalled_ends().expect("its listener").try_recv().expect("its end");
    assert_eq!((told.session.to_string(), told.outcome), (id.clone(), Outcome::Interrupted));
    let segment = std::fs::read(folder.path().join("aside").join(&id).join("000001")).expect("kept for a person");
    assert!(segment.windows(4).any(|bytes| bytes == b"said"));
    assert_eq!(store.list("", None, 9).await.expect("a list"), []);
}

/// What a gateway has stored it knows again: nobody else's lines get its signature.
#[tokio::test]
async fn chunks_that_were_exchanged_while_a_gateway_was_away_are_not_signed() {
    let store = Moody::new(1_000);
    let stage = stage(&store, Settings { chunk_bytes: 1, ..slow() }).await;
    let id = stage.recording.id();
    for said in ["one", "two"] {
        stage.server(STDOUT, said.as_bytes()).await;
    }
    has(&store, 3).await;
    let segments = stage.folder.path().join(id.to_string());
    gone(&[1, 2].map(|number| segments.join(format!("{number:06}")))).await;
    let more = zstd::bulk::compress(b"[0.000001, \"o\", \"forged\"]\n", 1).expect("a chunk");
    for (number, object) in [(0, None), (1, Some(&more)), (2, Some(&more)), (1, None), (2, None)] {
        let elsewhere = Moody::new(1_000);
        for entry in store.list("", None, 9).await.expect("a list") {
            let there = store.read(&entry.key, u64::MAX).await.expect("it");
            match object {
                Some(other) if entry.key == Key::chunk(id, number) => {
                    elsewhere.put_new(&entry.key, other.clone().into()).await.expect("put");
                }
                None if number > 0 && entry.key == Key::chunk(id, number) => {}
                _ => elsewhere.put_new(&entry.key, there).await.expect("put"),
            }
        }
        let folder = killed(stage.folder.path());
        recovered(folder.path(), elsewhere.clone()).await;
        let signed = storage::RecordingReader::new(elsewhere).manifest(id).await.expect("readable").is_some();
        assert_eq!(signed, number == 0, "{number} {}", object.is_some());
        assert_eq!(folder.path().join("aside").join(id.to_string()).exists(), number > 0);
    }
}

/// What the lines say is missing.
fn missing(events: &[Event]) -> Vec<&str> {
    let annotations = events.iter().filter(|event| event.code == Code::Gap && event.data.starts_with("missing: "));
    annotations.map(|event| event.data.as_str()).collect()
}

/// The disk got the end of a session and not its last lines, as a power failure may leave it; and the process that says so dies as well,
/// after each object that it stores.
#[tokio::test]
async fn lines_that_the_disk_lost_before_an_end_are_told() {
    let stage = stage(&Moody::new(0), slow()).await;
    let id = stage.recording.id();
    stage.server(STDOUT, b"kept").await;
    stage.client(STDIN, b"not stored").await;
    let before = killed(stage.folder.path());
    stage.server(STDOUT, b"lost").await;
    stage.server(STDERR, b"lost too").await;
    stage.server(ERROR, &exit_code(0)).await;
    let said = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    for objects in 0..5 {
        let (folder, half) = (killed(stage.folder.path()), Moody::new(objects));
        let lines = |folder: &Path| folder.join(id.to_string()).join("000001");
        std::fs::copy(lines(before.path()), lines(folder.path())).expect("a copy");
        let dies = Recorder::start(spool(folder.path()), half.clone(), settings());
        tokio::select! { () = dies.drained() => {}, () = has(&half, objects) => {} };
        let (left, store) = (killed(folder.path()), Moody::new(1_000));
        copy(&half, &store).await;
        recovered(left.path(), store.clone()).await;
        let (manifest, events) = read(&store, id).await;
        assert_eq!(restored(&events, Code::Output), b"kept");
        assert_eq!((&manifest.outcome, manifest.totals), (&Outcome::Exited { exit_code: 0 }, said.totals));
        let told = missing(&events);
        assert!(told[0].starts_with("missing: 4 bytes of stdout, which"), "{objects} objects: {told:?}");
        assert!(told[1].starts_with("missing: 8 bytes of stderr, which"), "{objects} objects: {told:?}");
        assert_eq!(told, manifest.anomalies, "{objects} objects");
        assert_eq!(manifest.chunks.len(), 3, "{objects} objects: header, lines, what is missing");
    }
}

/// Damage in the last frame of a segment looks like half a frame that was being written.
#[tokio::test]
async fn damage_at_the_end_of_a_segment_is_told() {
    let stage = stage(&Moody::new(0), Settings { chunk_bytes: 1, ..slow() }).await;
    let id = stage.recording.id();
    for said in ["one", "two", "three"] {
        stage.server(STDOUT, said.as_bytes()).await;
    }
    let dead = killed(stage.folder.path());
    stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    for (folder, number, left) in [
        (dead, 2, "onethree"),
        (killed(stage.folder.path()), 2, "onethree"),
        (killed(stage.folder.path()), 3, "onetwo"),
    ] {
        let path = folder.path().join(id.to_string()).join(format!("{number:06}"));
        let mut bytes = std::fs::read(&path).expect("a segment");
        *bytes.last_mut().expect("a byte") ^= 1;
        std::fs::write(&path, bytes).expect("written");
        let store = Moody::new(1_000);
        recovered(folder.path(), store.clone()).await;
        let (manifest, events) = read(&store, id).await;
        assert_eq!(restored(&events, Code::Output), left.as_bytes());
        let told = missing(&events);
        assert!(told[0].contains("what was said from"), "{told:?}");
        assert!(told[1].contains(" bytes of stdout, which passed before"), "{told:?}");
        assert_eq!(manifest.anomalies, told);
    }
}

#[tokio::test]
async fn forwarded_connections_are_summed_up_after_kill_9() {
    let never = InputRecording::Never;
    let stage = Stage::with(slow(), Moody::new(0), SessionKind::PortForward, &[], false, never).await;
    // Each direction of a channel begins with the port.
    for channel in [0, 1] {
        stage.server(channel, &8080_u16.to_le_bytes()).await;
    }
    stage.client(0, b"GET").await;
    stage.server(0, b"hello").await;
    let (folder, store) = (killed(stage.folder.path()), Moody::new(1_000));
    recovered(folder.path(), store.clone()).await;
    let (manifest, events) = read(&store, stage.recording.id()).await;
    assert!(events.iter().any(|event| event.code == Code::Port), "{events:?}");
    let [port] = &manifest.contents.ports[..] else { panic!("{:?}", manifest.contents.ports) };
    assert_eq!((port.port, port.connections, port.failed), (8080, 1, 0));
    assert_eq!((manifest.totals.stdin, manifest.totals.stdout), (3, 5));
}

/// So many bytes, of which no two places look the same.
fn distinct(bytes: usize) -> Vec<u8> {
    (0..bytes / 4 + 1).flat_map(|number| (number as u32).to_be_bytes()).take(bytes).collect()
}

#[tokio::test]
async fn the_end_of_a_limited_stream_is_there_after_kill_9_and_what_was_omitted_is_told() {
    for last in [64 << 10, 0] {
        limited_and_killed(last).await;
    }
}

async fn limited_and_killed(last: usize) {
    // The spool has two of these at least of a limited stream.
    const FILE: usize = 256 << 10;
    let keep = KeepLimits { first: 1_000, last, ..KeepLimits::default() };
    let stage = stage(&Moody::new(1_000), Settings { keep, ..slow() }).await;
    let whole = distinct(2 << 20);
    let mut accepted = 0;
    for size in [999, 1, 1, 5_000, FILE, 100_000, FILE, 300, FILE + 17, 2, 600_000] {
        let piece = &whole[accepted..accepted + size];
        for piece in piece.chunks(60_000) {
            stage.server(STDOUT, piece).await;
        }
        accepted += size;
        let folder = killed(stage.folder.path());
        let elsewhere = Moody::new(1_000);
        recovered(folder.path(), elsewhere.clone()).await;
        let (manifest, events) = read(&elsewhere, stage.recording.id()).await;
        let restored = restored(&events, Code::Output);
        let digest = |bytes: &[u8]| hex(Sha256::digest(bytes).into());
        match manifest.contents.omitted.first() {
            None => assert!(restored == whole[..accepted], "{accepted}: {} bytes", restored.len()),
            Some(omission) => {
                let (from, to) = (1_000, 1_000 + omission.bytes as usize);
                assert_eq!((omission.from_byte, &*omission.stream), (from as u64, "stdout"));
                assert_eq!(omission.sha256, digest(&whole[from..to]), "{accepted}");
                assert!(restored == [&whole[..from], &whole[to..accepted]].concat(), "{accepted}: another end");
                assert!((last..=2 * FILE).contains(&(accepted - to)), "{accepted}: kept {}", accepted - to);
            }
        }
        assert_eq!((manifest.totals.stdout, missing(&events)), (accepted as u64, vec![]));
        assert_eq!(manifest.contents.digests.expect("known").stdout, digest(&whole[..accepted]));
    }
    assert!(accepted > 5 * FILE, "three files came after the first two");
}

#[tokio::test]
async fn a_limited_stream_that_had_ended_is_there_once_after_kill_9() {
    let keep = KeepLimits { first: 10, last: 1_000, ..KeepLimits::default() };
    let stage = stage(&Moody::new(0), Settings { keep, ..slow() }).await;
    let whole = distinct(100_000);
    stage.server(STDOUT, &whole).await;
    let folder = stage.folder.path().join(stage.recording.id().to_string());
    assert!(folder.join("stdout.0").exists());
    let said = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    assert!(!folder.join("stdout.0").exists(), "its end is in lines");
    let elsewhere = Moody::new(1_000);
    recovered(killed(stage.folder.path()).path(), elsewhere.clone()).await;
    let (manifest, events) = read(&elsewhere, stage.recording.id()).await;
    assert!(restored(&events, Code::Output) == [&whole[..10], &whole[99_000..]].concat());
    assert_eq!((manifest.contents.omitted[0].bytes, &manifest.contents), (98_990, &said.contents));
}

/// Six bytes of JSON for each: the end of such a stream is longer than a frame of the spool, and than a chunk may be.
#[tokio::test]
async fn the_end_of_many_nuls_is_whole_whichever_process_writes_it() {
    const LAST: usize = 8 << 20;
    let keep = KeepLimits { first: 10, last: LAST, ..KeepLimits::default() };
    let stage = stage(&Moody::new(0), Settings { keep, ..slow() }).await;
    let nuls = vec![0; 1 << 20];
    for _ in 0..12 {
        stage.server(STDOUT, &nuls).await;
    }
    let dead = killed(stage.folder.path());
    let said = stage.recording.clone().finish(Ending::Closed(Server)).await.expect("an end");
    for (folder, kept) in [(killed(stage.folder.path()), LAST..=LAST), (dead, LAST..=2 * LAST)] {
        let store = Moody::new(1_000);
        recovered(folder.path(), store.clone()).await;
        let (manifest, events) = read(&store, stage.recording.id()).await;
        assert_eq!(manifest.totals, said.totals);
        let omitted = manifest.contents.omitted.first().map_or(0, |omission| omission.bytes);
        let last = restored(&events, Code::Output).len() - 10;
        assert_eq!(last as u64 + omitted, manifest.totals.stdout - 10);
        assert!(kept.contains(&last), "{last}");
        assert!(manifest.chunks.len() > 2 && manifest.chunks.iter().all(|chunk| chunk.uncompressed < 33 << 20));
    }
}

/// What was not stored by policy, what no line has, and what came before chunks that the spool let go of.
#[tokio::test]
async fn counts_digests_and_image_are_known_after_kill_9() {
    let store = Moody::new(1_000);
    let never = InputRecording::Never;
    let stage = Stage::with(settings(), store.clone(), SessionKind::Exec, &["sh"], true, never).await;
    stage.recording.set_image("app:1".to_owned());
    stage.client(STDIN, b"secret\r").await;
    stage.server(STDOUT, b"***\r\n").await;
    // Its segment is gone, and nothing comes after it.
    while store.list("recordings/", None, 9).await.expect("a list").len() < 2 {
        store.written.notified().await;
    }
    let segment = stage.folder.path().join(stage.recording.id().to_string()).join("000001");
    gone(&[segment]).await;
    // A spool as it was before there were marks: what the lines tell, and no digest.
    let (folder, before) = (killed(stage.folder.path()), Moody::new(1_000));
    std::fs::remove_file(folder.path().join(stage.recording.id().to_string()).join("marks")).expect("marks");
    copy(&store, &before).await;
    recovered(folder.path(), before.clone()).await;
    let (manifest, _) = read(&before, stage.recording.id()).await;
    assert_eq!((manifest.totals.stdin, manifest.totals.stdout, manifest.contents.digests), (0, 5, None));

    let folder = killed(stage.folder.path());
    recovered(folder.path(), store.clone()).await;
    let (manifest, _) = read(&store, stage.recording.id()).await;
    assert_eq!((manifest.totals.stdin, manifest.totals.stdout), (7, 5));
    let digests = manifest.contents.digests.expect("all three");
    let digest = |bytes: &[u8]| hex(Sha256::digest(bytes).into());
    assert_eq!((digests.stdin, digests.stdout, digests.stderr), (digest(b"secret\r"), digest(b"***\r\n"), digest(b"")));
    assert_eq!(manifest.image, "app:1");
}

/// The process that finalizes dies as well, after each object that it stores.
#[tokio::test]
async fn what_a_finalizing_process_leaves_is_finalized_by_the_next() {
    let keep = KeepLimits { first: 10, last: 300, ..KeepLimits::default() };
    let stage = stage(&Moody::new(0), Settings { chunk_bytes: 100, keep, ..slow() }).await;
    stage.client(STDIN, b"typed").await;
    let whole = distinct(2_000);
    stage.server(STDOUT, &whole).await;
    stage.server(STDERR, b"\xe2\x82").await;
    let (id, mut objects) = (stage.recording.id(), 0);
    loop {
        let (half, folder) = (Moody::new(objects), killed(stage.folder.path()));
        let dies = Recorder::start(spool(folder.path()), half.clone(), settings());
        let is_done = tokio::select! { () = dies.drained() => true, () = has(&half, objects) => false };
        let (left, store) = (killed(folder.path()), Moody::new(1_000));
        copy(&half, &store).await;
        recovered(left.path(), store.clone()).await;

        let (manifest, events) = read(&store, id).await;
        assert!(restored(&events, Code::Output) == whole, "no file was full, so all is there");
        assert_eq!(restored(&events, Code::Stderr), b"\xe2\x82");
        assert_eq!((manifest.totals.stdin, manifest.totals.stdout, manifest.totals.stderr), (5, 2_000, 2));
        assert_eq!(missing(&events), Vec::<&str>::new());
        assert_eq!(manifest.contents.digests.expect("known").stdin, hex(Sha256::digest(b"typed").into()));
        let listed: Vec<u32> = manifest.chunks.iter().map(|chunk| chunk.number).collect();
        assert_eq!(listed, (0..listed.len() as u32).collect::<Vec<_>>(), "{objects} objects");
        let there = store.list("recordings/", None, 99).await.expect("a list").len();
        assert_eq!(there, listed.len() + 1, "{objects} objects: something is there that is not listed");
        if is_done {
            break;
        }
        objects += 1;
    }
    assert!(objects >= 4, "header, lines, the rest, the manifest");
}

/// Puts all objects of a store into another.
async fn copy(from: &Moody, to: &Moody) {
    for entry in from.list("", None, 99).await.expect("a list") {
        to.put_new(&entry.key, from.read(&entry.key, u64::MAX).await.expect("it")).await.expect("put");
    }
}

/// Resolves once so many objects are stored.
async fn has(store: &Moody, objects: usize) {
    while store.list("", None, 99).await.expect("a list").len() < objects {
        store.written.notified().await;
    }
}

//! What recording costs: bytes of a server through `accept` into a spool on disk and a memory store, everything
//! included but sockets and TLS. One iteration is 16 MiB of payload.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use access::{Action, Credential, InputRecording, Policy, Principal, Rule, Target};
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use recorder::{Ending, OpenRequest, Recorder, Recording, Settings};
use recording::{
    RecordingId,
    cast::{Header, SessionKind},
};
use sha2::{Digest, Sha256};
use spool::{Checkpoint, Spool, SpoolLimits};
use storage::Memory;
use wire::{Negotiated, Request, Side, Subresource};

const TOTAL: usize = 16 << 20;
/// Bytes that a pump reads at once.
const READ: usize = 64 << 10;

fn main() {
    divan::main();
}

/// What a build prints: text in colour.
fn payload(size: usize) -> Vec<u8> {
    let line = b"\x1b[32m   Compiling\x1b[0m serde_json v1.0.145 (/build/registry/src/serde_json)\r\n";
    line.iter().copied().cycle().take(size).collect()
}

fn wire_bytes(message: usize) -> Vec<u8> {
    let data = payload(message - 1);
    let mut frame = vec![0x82];
    if message < 126 {
        frame.push(message as u8);
    } else {
        frame.push(126);
        frame.extend((message as u16).to_be_bytes());
    }
    frame.push(1);
    frame.extend(data);
    frame.repeat(TOTAL / message)
}

async fn recording(recorder: &Recorder, tty: bool) -> Arc<Recording> {
    let rule = Rule {
        name: "all".to_owned(),
        users: vec!["*".to_owned()],
        groups: Vec::new(),
        clusters: vec!["*".to_owned()],
        as_user: "{user}".to_owned(),
        as_groups: Vec::new(),
        deny: Vec::new(),
        side_doors: Vec::new(),
        record_input: InputRecording::Never,
        journal_reads: true,
    };
    let principal = Principal {
        name: "ada".to_owned(),
        groups: Vec::new(),
        credential: Credential::Token,
        credential_id: String::new(),
    };
    let policy = Policy { rules: vec![rule] };
    let permit = policy.decide(&principal, Action::Exec, &Target::default(), SystemTime::now()).expect("a permit");
    let opening = OpenRequest {
        kind: SessionKind::Exec,
        argv: vec!["sh".to_owned()],
        tty,
        stdin: true,
        client: String::new(),
        user_agent: String::new(),
        kubectl_command: String::new(),
        kubectl_session: String::new(),
    };
    let opened = recorder.open(&permit, opening).await.expect("opened");
    let request =
        Request::parse(Subresource::Exec, &format!("command=sh&stdin=1&stdout=1&tty={tty}")).expect("a query");
    let negotiated = Negotiated::from_response(&request, "websocket", Some("v5.channel.k8s.io")).expect("known");
    Arc::new(opened.begin(negotiated, &request))
}

/// A recorder that spools into a folder of the working directory's disk: a temporary folder may be memory.
fn recorder(folder: &tempfile::TempDir) -> Recorder {
    let spool = Spool::open(folder.path(), SpoolLimits { disk_floor: 0, ..SpoolLimits::default() }).expect("a spool");
    let settings = Settings { patience: Duration::from_secs(600), ..Settings::default() };
    Recorder::start(spool, Arc::new(Memory::new()), settings)
}

fn record(bencher: Bencher, message: usize, tty: bool) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let recorder = recorder(&folder);
    let bytes = wire_bytes(message);
    bencher.counter(BytesCount::new(TOTAL)).counter(ItemsCount::new(TOTAL / message)).bench_local(|| {
        runtime.block_on(async {
            let recording = recording(&recorder, tty).await;
            for read in bytes.chunks(READ) {
                recording.accept(Side::Server, read).await.expect("accepted");
            }
            recording.finish(Ending::Closed(Side::Server)).await.expect("a manifest")
        })
    });
}

#[divan::bench(args = [64, 1024, 32 << 10])]
fn piped(bencher: Bencher, message: usize) {
    record(bencher, message, false);
}

#[divan::bench(args = [64, 32 << 10])]
fn terminal(bencher: Bencher, message: usize) {
    record(bencher, message, true);
}

/// Each message in a read of its own, as a terminal's echo comes.
#[divan::bench(args = [64])]
fn one_read_each(bencher: Bencher, message: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let recorder = recorder(&folder);
    let bytes = wire_bytes(message);
    let framed = bytes.len() / (TOTAL / message);
    bencher.counter(ItemsCount::new(TOTAL / message)).bench_local(|| {
        runtime.block_on(async {
            let recording = recording(&recorder, true).await;
            for read in bytes.chunks(framed) {
                recording.accept(Side::Server, read).await.expect("accepted");
            }
            recording.finish(Ending::Closed(Side::Server)).await.expect("a manifest")
        })
    });
}

/// Writing ahead alone: lines of this size appended to the spool, a chunk's worth to a file. 40 bytes are a keystroke's echo.
#[divan::bench(args = [40, 64 << 10])]
fn write_ahead_alone(bencher: Bencher, size: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let spool = Spool::open(folder.path(), SpoolLimits { disk_floor: 0, ..SpoolLimits::default() }).expect("a spool");
    let header = Header::parse(HEADER.as_bytes()).expect("a header");
    let lines = payload(size);
    bencher.counter(BytesCount::new(TOTAL)).counter(ItemsCount::new(TOTAL / size)).bench_local(|| {
        let id = RecordingId(uuid::Uuid::now_v7());
        let mut session = runtime.block_on(spool.begin(id, &header)).expect("a session");
        for _ in 0..TOTAL / size {
            session.append(&Checkpoint::default(), &lines).expect("room");
            if session.segment_bytes() >= 1 << 20 {
                session.roll();
            }
        }
        session.end();
        runtime.block_on(spool.queue().finished(id)).expect("removed");
    });
}

/// The digests of what streams carried, alone.
#[divan::bench(args = [64, 64 << 10])]
fn digest_alone(bencher: Bencher, size: usize) {
    let data = payload(size);
    bencher.counter(BytesCount::new(TOTAL)).counter(ItemsCount::new(TOTAL / size)).bench_local(|| {
        let mut digest = Sha256::new();
        (0..TOTAL / size).for_each(|_| digest.update(&data));
        digest.finalize()
    });
}

const HEADER: &str = r#"{"version":2,"width":80,"height":24,"timestamp":1795363184,"command":"sh","title":"t","kubetape":{
"id":"0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01","kind":"exec","started_micros":1795363184123456,"gateway":"gw","principal":{"name":
"ann","groups":[],"credential":"token","credential_id":"7"},"target":{"cluster":"c","namespace":"n","resource":"pods","name":"p",
"subresource":"exec","container":"a"},"impersonation":{"user":"ann","groups":[]},"rule":"r","input":"never","argv":["sh"],
"tty":true,"stdin":true,"client":"","user_agent":"","kubectl_command":"","kubectl_session":""}}"#;

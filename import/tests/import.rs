//! Files into a store, and what becomes of them.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use import::{DeclaredIdentity, ImportError, ImportLimits, ImportedFile, Importer};
use recording::{
    Micros, Outcome, UnixMicros,
    cast::{Code, Event, SessionKind},
};
use storage::{Memory, RecordingReader, Store, Summary, signing::Signer};

const V2: &str = r#"{"version": 2, "width": 100, "height": 30, "timestamp": 1700000000, "command": "sh -c 'ls -l'", "title": "a title"}
[0.25, "o", "$ ls\r\n"]
[0.5, "i", "secret\r"]
[1.5, "r", "120x40"]
[2.0, "m", "chapter"]
[2.5, "o", "\u001b[1mtotal\u001b[0m 0\r\n"]
"#;

struct Bench {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    limits: ImportLimits,
}

fn signer() -> Arc<Signer> {
    Arc::new(Signer::generate().unwrap())
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: Arc::new(Memory::new()), limits: ImportLimits::default() }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn import(&self, path: &Path, claims: &DeclaredIdentity) -> Result<ImportedFile, ImportError> {
        Importer::new(Arc::clone(&self.store), signer(), self.limits).import(path, claims, |_| {}).await
    }

    async fn take(&self, name: &str, content: impl AsRef<[u8]>) -> (Summary, Vec<Event>) {
        let done = self.import(&self.file(name, content), &DeclaredIdentity::default()).await.unwrap();
        self.stored(&done).await
    }

    async fn stored(&self, done: &ImportedFile) -> (Summary, Vec<Event>) {
        let recordings = RecordingReader::new(Arc::clone(&self.store));
        (recordings.summary(done.id).await.unwrap(), recordings.events(done.id).await.unwrap().1)
    }

    /// The line and the reason for which a file is refused; nothing of it is in the store.
    async fn refused(&self, content: impl AsRef<[u8]>) -> (u64, String) {
        let error = self.import(&self.file("broken.cast", content), &DeclaredIdentity::default()).await.unwrap_err();
        assert!(error.is_of_file(), "{error}");
        assert_eq!(self.store.list("recordings/", None, 10).await.unwrap(), []);
        match error {
            ImportError::Broken { line, reason } => (line, reason),
            ImportError::Compressed { line, source } => (line, source.to_string()),
            other => panic!("{other}"),
        }
    }
}

fn of(events: &[Event], code: Code) -> Vec<(u64, &str)> {
    events.iter().filter(|event| event.code == code).map(|event| (event.time.get(), event.data.as_str())).collect()
}

fn event(at: u64, code: Code, data: &str) -> Event {
    Event { time: Micros::new(at), code, data: data.to_owned() }
}

fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn v2_is_kept_with_sizes_and_markers_and_without_what_was_typed() {
    let bench = Bench::new();
    let done = bench.import(&bench.file("a.cast", V2), &DeclaredIdentity::default()).await.unwrap();
    assert_eq!(
        (done.already, done.events, done.duration, done.dropped_inputs),
        (false, 5, Micros::from_millis(2_500), 1)
    );
    let (summary, events) = bench.stored(&done).await;
    assert_eq!(
        events,
        [
            event(0, Code::Resize, "100x30"),
            event(250_000, Code::Output, "$ ls\r\n"),
            event(1_500_000, Code::Resize, "120x40"),
            event(2_000_000, Code::Marker, "chapter"),
            event(2_500_000, Code::Output, "\u{1b}[1mtotal\u{1b}[0m 0\r\n"),
        ]
    );
    let session = &summary.header.kubetape;
    assert_eq!(session.argv, ["sh", "-c", "ls -l"]);
    assert_eq!((session.started, session.tty), (UnixMicros::new(1_700_000_000_000_000), true));
    assert_eq!(summary.header.title, "a title");
    let imported = session.imported.as_deref().unwrap();
    assert_eq!(
        (imported.file.as_str(), imported.size, imported.format.as_str()),
        ("a.cast", V2.len() as u64, "asciicast v2")
    );
    assert_eq!(imported.sha256, done.sha256);
    assert_eq!(imported.header["title"], "a title");
    let manifest = summary.manifest.unwrap();
    assert_eq!(manifest.outcome, Outcome::Unknown, "the file says nothing of a process's end");
    assert_eq!((manifest.totals.stdin, manifest.width, manifest.height), (7, 100, 30));
    assert_eq!(manifest.ended, UnixMicros::new(1_700_000_002_500_000));
    let commands: Vec<_> = manifest.commands.iter().map(|command| command.text.as_str()).collect();
    assert_eq!(commands, ["sh -c 'ls -l'"], "a chapter mark is no command");
}

#[tokio::test]
async fn v1_and_v3_have_relative_times() {
    let bench = Bench::new();
    let v1 = r#"{"version": 1, "width": 80, "height": 24, "duration": 1.5, "command": "/bin/zsh", "title": "",
        "env": {"TERM": "xterm"}, "stdout": [
        [0.5, "one\r\n"],
        [1.0, "two\r\n"]]}"#;
    let (summary, events) = bench.take("old.json", v1).await;
    assert_eq!(of(&events, Code::Output), [(500_000, "one\r\n"), (1_500_000, "two\r\n")]);
    let imported = summary.header.kubetape.imported.unwrap();
    assert_eq!(imported.header["env"]["TERM"], "xterm");
    assert!(imported.header.get("stdout").is_none());
    assert_eq!(summary.manifest.unwrap().anomalies, ["the file does not say when it started"]);
    let v3 = "{\"version\":3,\"term\":{\"cols\":90,\"rows\":20},\"timestamp\":1700000000}\n# a comment\n\
        [0.5, \"o\", \"a\"]\n\n[0.25, \"z\", {\"what\": 1}]\n[0.25, \"o\", \"b\"]\n[1, \"x\", \"3\"]\n";
    let (summary, events) = bench.take("new.cast", v3).await;
    assert_eq!(of(&events, Code::Output), [(500_000, "a"), (1_000_000, "b")]);
    let manifest = summary.manifest.unwrap();
    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 3 });
    assert_eq!(manifest.anomalies, ["1 events of unknown codes were left out"]);
    assert_eq!((manifest.width, manifest.duration), (90, Micros::from_secs(2)));
}

#[tokio::test]
async fn a_tailscale_recording_says_who_and_where_and_flags_go_before_it() {
    let bench = Bench::new();
    let header = r#"{"version":2,"width":0,"height":0,"timestamp":1700000000,"command":"ls /","srcNode":"laptop.example.ts.net",
        "srcNodeID":"n1","srcNodeUser":"ada@example.com","env":null,"sshUser":"","localUser":"","connectionID":"",
        "kubernetes":{"PodName":"web-0","Namespace":"shop","Container":"app","SessionType":"exec"}}"#;
    let file = bench.file("ts.cast", format!("{}\n[0.1,\"o\",\"bin\\n\"]\n", header.replace('\n', "")));
    let claims = DeclaredIdentity {
        cluster: Some("prod".to_owned()),
        container: Some("sidecar".to_owned()),
        started: Some("2025-01-02T03:04:05Z".parse().unwrap()),
        ..DeclaredIdentity::default()
    };
    let done = bench.import(&file, &claims).await.unwrap();
    let (summary, events) = bench.stored(&done).await;
    let session = &summary.header.kubetape;
    assert_eq!(session.principal.name, "ada@example.com");
    assert_eq!(session.principal.credential, access::Credential::Claimed);
    let target = &session.target;
    assert_eq!(
        [&target.cluster, &target.namespace, &target.name, &target.container],
        ["prod", "shop", "web-0", "sidecar"]
    );
    assert_eq!(
        (session.kind, session.tty, session.client.as_str()),
        (SessionKind::Exec, false, "laptop.example.ts.net")
    );
    assert_eq!(session.started, UnixMicros::new(1_735_787_045_000_000));
    assert_eq!(done.id.day(), "2025/01/02", "the id says when it started");
    assert_eq!(events, [event(100_000, Code::Output, "bin\n")]);
    assert_eq!(summary.header.title, "ada@example.com@prod shop/web-0/sidecar");
}

#[tokio::test]
async fn the_same_file_twice_is_there_already_under_whatever_name() {
    let bench = Bench::new();
    let first = bench.import(&bench.file("a.cast", V2), &DeclaredIdentity::default()).await.unwrap();
    let objects = bench.store.list("", None, 100).await.unwrap();
    let claims =
        DeclaredIdentity { started: Some("2020-01-01T00:00:00Z".parse().unwrap()), ..DeclaredIdentity::default() };
    let second = bench.import(&bench.file("b.cast", V2), &claims).await.unwrap();
    assert_eq!((second.already, second.id), (true, first.id));
    assert_eq!(bench.store.list("", None, 100).await.unwrap(), objects);
    let other = bench.import(&bench.file("c.cast", format!("{V2}\n")), &DeclaredIdentity::default()).await.unwrap();
    assert_ne!(other.id, first.id);
}

#[tokio::test]
async fn an_import_that_was_cut_off_goes_on_where_it_was() {
    let bench = Bench::new();
    let file = bench.file("a.cast", V2);
    let whole = Bench::new();
    let done = whole.import(&file, &DeclaredIdentity::default()).await.unwrap();
    let left: Vec<_> = whole.store.list("recordings/", None, 100).await.unwrap();
    for entry in left.iter().filter(|entry| entry.key.chunk_number().is_some()) {
        bench.store.put_new(&entry.key, whole.store.read(&entry.key, u64::MAX).await.unwrap()).await.unwrap();
    }
    let again = bench.import(&file, &DeclaredIdentity::default()).await.unwrap();
    assert_eq!((again.id, again.already), (done.id, false));
    assert_eq!(bench.stored(&again).await.1, whole.stored(&done).await.1);
}

#[tokio::test]
async fn input_is_kept_only_where_it_is_asked_for() {
    let bench = Bench::new();
    let claims = DeclaredIdentity { keep_input: true, ..DeclaredIdentity::default() };
    let done = bench.import(&bench.file("a.cast", V2), &claims).await.unwrap();
    let (summary, events) = bench.stored(&done).await;
    assert_eq!(done.dropped_inputs, 0);
    assert_eq!(of(&events, Code::Input), [(500_000, "secret\r")]);
    assert!(summary.header.kubetape.stores_input());
    let bench = Bench::new();
    bench.take("a.cast", V2).await;
    for entry in bench.store.list("", None, 100).await.unwrap() {
        let object = bench.store.read(&entry.key, u64::MAX).await.unwrap();
        let content = zstd::decode_all(&object[..]).unwrap_or(object.to_vec());
        assert!(!String::from_utf8_lossy(&content).contains("secret"), "{}", entry.key);
    }
}

#[tokio::test]
async fn compressed_files_are_known_by_their_bytes() {
    let bench = Bench::new();
    let plain = bench.take("plain", V2).await.1;
    assert_eq!(bench.take("gz", gzip(V2)).await.1, plain);
    assert_eq!(bench.take("zst", zstd::bulk::compress(V2.as_bytes(), 1).unwrap()).await.1, plain);
    let (head, tail) = V2.split_at(V2.find('[').unwrap());
    let frames = [head, tail].map(|part| zstd::bulk::compress(part.as_bytes(), 1).unwrap()).concat();
    assert_eq!(bench.take("frames", frames).await.1, plain, "as our own chunks are, one after the other");
}

#[tokio::test]
async fn our_own_export_comes_back_as_it_was() {
    let bench = Bench::new();
    let ours = r#"{"version":2,"width":80,"height":24,"timestamp":1795363184,"command":"sh","title":"ann@prod shop/cart/app","kubetape":{"id":"0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01","kind":"attach","started_micros":1795363184123456,"gateway":"gw-1","principal":{"name":"ann","groups":["dev"],"credential":"token","credential_id":"4f"},"target":{"cluster":"prod","namespace":"shop","resource":"pods","name":"cart","subresource":"attach","container":"app"},"impersonation":{"user":"ann","groups":["dev"]},"rule":"developers","input":"never","argv":["sh"],"tty":false,"stdin":true}}
[0.1, "e", "no such file\n"]
[0.2, "b", "o /wD+"]
[0.3, "m", "rm -rf build"]
[0.4, "g", "an annotation"]
[0.5, "x", "42"]
"#;
    let (summary, events) = bench.take("ours.cast", ours).await;
    assert_eq!(
        events,
        [
            event(100_000, Code::Stderr, "no such file\n"),
            event(200_000, Code::Bytes, "o /wD+"),
            event(300_000, Code::Marker, "rm -rf build"),
            event(400_000, Code::Gap, "an annotation"),
            event(500_000, Code::Exit, "42"),
        ]
    );
    let session = summary.header.kubetape;
    assert_eq!((session.kind, session.tty, session.principal.name.as_str()), (SessionKind::Attach, false, "ann"));
    assert_eq!(session.started, UnixMicros::new(1_795_363_184_123_456));
    let manifest = summary.manifest.unwrap();
    assert_eq!(manifest.outcome, Outcome::Exited { exit_code: 42 });
    assert_eq!((manifest.totals.stdout, manifest.totals.stderr), (3, 13));
    assert_eq!(manifest.commands.last().unwrap().text, "rm -rf build");
}

#[tokio::test]
async fn a_broken_file_is_refused_with_line_and_reason_and_leaves_nothing() {
    let bench = Bench::new();
    let head = "{\"version\": 2, \"width\": 80, \"height\": 24}\n[0.1, \"o\", \"a\"]\n";
    for (content, line, said) in [
        (String::new(), 1, "empty"),
        ("hello\n".to_owned(), 1, "no JSON object"),
        ("{\"version\": 7}\n".to_owned(), 1, "version 7"),
        ("{\"width\": 80}\n".to_owned(), 1, "no asciicast"),
        (format!("{head}[0.2, \"o\", \"b\"\n"), 3, "cut off"),
        (format!("{head}[0.2, \"o\"]\n"), 3, "no event"),
        (format!("{head}garbage\n"), 3, "no event"),
        (format!("{head}[-1, \"o\", \"b\"]\n"), 3, "before the start"),
        (format!("{head}[1e300, \"o\", \"b\"]\n"), 3, "too late"),
        (format!("{head}[1e400, \"o\", \"b\"]\n"), 3, "no event"),
        (format!("{head}[NaN, \"o\", \"b\"]\n"), 3, "no event"),
        (format!("{head}[0.2, \"o\", 7]\n"), 3, "no text"),
        ("{\"version\": 1, \"stdout\": [[0.1, \"a\"], [\n\n".to_owned(), 2, "no asciicast v1"),
        ("{\"version\": 1, \"stdout\": [[-0.1, \"a\"]]}".to_owned(), 1, "before the start"),
    ] {
        let (at, reason) = bench.refused(&content).await;
        assert!(at == line && reason.contains(said), "{content:?}: line {at}: {reason}");
    }
    let (line, reason) = bench.refused([head.as_bytes(), b"[0.2, \"o\", \"\xff\"]\n"].concat()).await;
    assert_eq!((line, reason.as_str()), (3, "byte 13 is no UTF-8"));
    let cut = gzip(&format!("{head}{}", "[0.2, \"o\", \"b\"]\n".repeat(1000)));
    assert!(bench.refused(&cut[..cut.len() - 9]).await.0 > 1, "the compressed data is cut off");
}

#[tokio::test]
async fn bounds_hold() {
    let mut bench = Bench::new();
    bench.limits = ImportLimits { line_bytes: 1000, file_bytes: 100_000, header_bytes: 200, ..ImportLimits::default() };
    let head = "{\"version\": 2, \"width\": 80, \"height\": 24}\n";
    let (line, reason) = bench.refused(format!("{head}[0, \"o\", \"{}\"]\n", "x".repeat(1000))).await;
    assert!(line == 2 && reason.contains("longer than 1000"), "{line}: {reason}");
    let bomb = gzip(&format!("{head}{}", "[0, \"o\", \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"]\n".repeat(10_000)));
    assert!(bomb.len() < 5_000);
    let (line, reason) = bench.refused(bomb).await;
    assert!(line > 1000 && reason.contains("more than 100000"), "{line}: {reason}");
    let (_, reason) = bench.refused(format!("{{\"version\": 2, \"title\": \"{}\"}}\n", "t".repeat(300))).await;
    assert!(reason.contains("200 at most"), "{reason}");
}

#[tokio::test]
async fn hostile_content_is_kept_and_bounded() {
    let bench = Bench::new();
    let megabyte = "\\u001b".repeat(1 << 20);
    let content = format!(
        "{{\"version\": 2, \"width\": 65535, \"height\": 99999999, \"title\": \"<script>\"}}\n\
         [2, \"o\", \"{megabyte}\"]\n[1, \"r\", \"1x1\"]\n[3, \"r\", \"0x0\"]\n[3, \"r\", \"65535x65535\"]\n[3, \"x\", \"nil\"]\n"
    );
    let (summary, events) = bench.take("hostile.cast", content).await;
    let output: String = of(&events, Code::Output).into_iter().map(|(_, data)| data).collect();
    assert_eq!(output, "\u{1b}".repeat(1 << 20));
    assert_eq!(of(&events, Code::Resize), [(0, "65535x65535"), (2_000_000, "1x1"), (3_000_000, "65535x65535")]);
    let manifest = summary.manifest.unwrap();
    assert!(manifest.chunks.iter().all(|chunk| chunk.uncompressed < 2 << 20), "{:?}", manifest.chunks);
    assert_eq!(manifest.outcome, Outcome::Unknown, "nil is no exit code");
    assert!(manifest.anomalies[0].contains("1 events had a time before"), "{:?}", manifest.anomalies);
}

#[tokio::test]
async fn progress_is_told_in_bytes_of_the_file() {
    let bench = Bench::new();
    let file = bench.file("a.cast", V2);
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let importer = Importer::new(Arc::clone(&bench.store), signer(), bench.limits);
    importer
        .import(&file, &DeclaredIdentity::default(), move |bytes| _ = counted.fetch_add(bytes, Ordering::Relaxed))
        .await
        .unwrap();
    assert_eq!(read.load(Ordering::Relaxed), 3 * V2.len() as u64);
}

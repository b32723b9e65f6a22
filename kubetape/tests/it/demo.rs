use std::{
    collections::BTreeSet,
    io::Read,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::{
    play,
    program::{Running, run},
};

fn start(folder: &Path) -> Running {
    let words = ["demo", "--folder", "d", "--gateway", "127.0.0.1:0", "--web", "127.0.0.1:0"];
    let mut demo = Running::start(folder, &words);
    demo.wait_for("ready");
    demo
}

fn json(folder: &Path, words: &[&str]) -> Value {
    let words: Vec<&str> = ["--config", "d/kubetape.toml"].iter().chain(words).copied().collect();
    let done = run(folder, &words, &[], "");
    assert_eq!(done.status, Some(0), "{done:?}");
    serde_json::from_str(&done.stdout).unwrap()
}

/// Repeats until the value is there: what ends is stored a moment later, and indexed a moment after that.
fn eventually<T>(mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(std::time::Instant::now() < deadline, "did not come true within 30 s");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_demo_has_a_session_that_every_subcommand_knows() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path();
    let demo = start(folder);
    let kubeconfig = folder.join("d/kubeconfig");
    assert_eq!(std::fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(demo.line("kubectl --kubeconfig").ends_with("d/kubeconfig exec -it shell -- bash"));
    assert!(demo.line("/login/link/").contains("http://127.0.0.1:"));
    assert!(demo.line("kubetape.toml ls").contains("--config"));
    for file in ["d/kubeconfig", "d/kubetape.toml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(!text.contains("127.0.0.1:0"), "{text}");
    }

    let row = eventually(|| json(folder, &["ls", "--json"])[0].clone().into_ended());
    let keys: BTreeSet<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = "id user cluster namespace pod container argv tty started ended outcome exit_code";
    assert!(keys.is_superset(&wanted.split(' ').collect()), "{keys:?}");
    for (key, value) in [("user", "demo"), ("namespace", "default"), ("pod", "shell"), ("outcome", "exited")] {
        assert_eq!(row[key], value, "{key}");
    }
    assert_eq!((&row["tty"], &row["exit_code"], &row["argv"][0]), (&true.into(), &0.into(), &"bash".into()));

    let id = row["id"].as_str().unwrap().to_owned();
    subcommands(folder, &id);
    assert_eq!(json(folder, &["ls", "--json", "--user", "nobody"]), Value::Array(vec![]));
    assert_eq!(json(folder, &["ls", "--json", "--live"]), Value::Array(vec![]));
    assert_eq!(demo.end(), Some(0));

    // The same folder again: nothing is lost, nothing is added, and the token is the same.
    let token = |text: String| text.lines().find(|line| line.contains("token:")).unwrap().to_owned();
    let before = token(std::fs::read_to_string(&kubeconfig).unwrap());
    let again = start(folder);
    assert!(json(folder, &["ls", "--json"]).as_array().unwrap().iter().any(|row| row["id"] == id.as_str()));
    assert_eq!(token(std::fs::read_to_string(&kubeconfig).unwrap()), before);
    assert_eq!(again.end(), Some(0));
}

fn subcommands(folder: &Path, id: &str) {
    let kubetape = |words: &[&str]| {
        let words: Vec<&str> = ["--config", "d/kubetape.toml"].iter().chain(words).copied().collect();
        run(folder, &words, &[], "")
    };
    let table = kubetape(&["ls"]).stdout;
    assert!(table.starts_with("ID ") && table.contains(id) && !table.contains('\x1b'), "{table}");
    let text = kubetape(&["export", id, "--format", "text"]).stdout;
    assert!(text.contains("recorded"), "{text}");
    let raw = kubetape(&["export", &id[..18], "--format", "raw"]).stdout;
    let played = kubetape(&["play", id, "--speed", "1000"]);
    assert_eq!(played.status, Some(0), "{played:?}");
    assert!(!raw.is_empty() && played.stdout.contains("recorded"));
    let cast = kubetape(&["export", id, "--format", "cast2", "-o", "x.cast"]);
    assert_eq!((cast.status, cast.stdout.as_str()), (Some(0), ""), "{cast:?}");
    assert!(std::fs::read_to_string(folder.join("x.cast")).unwrap().starts_with("{\"version\":2"));
    into_a_pipe(folder, id, &text);
    play::with_keys(folder, id);
    let stdin = kubetape(&["export", id, "--format", "raw", "--stream", "stdin"]);
    assert!(stdin.status == Some(1) && stdin.stderr.contains("policy rule demo"), "{stdin:?}");
    let missing = kubetape(&["play", "00000000-0000-7000-8000-000000000000"]);
    assert!(missing.status == Some(1) && missing.stderr.contains("there is no recording"), "{missing:?}");

    let hit = eventually(|| json(folder, &["search", "--json", "recorded"])[0].clone().into_hit());
    assert_eq!((&hit["session"], &hit["source"]), (&id.into(), &"typed".into()));
    assert!(hit["offset"].as_f64().unwrap() > 0.0);
    let locked = kubetape(&["reindex"]);
    assert!(locked.status == Some(1) && locked.stderr.contains("kubetape serve"), "{locked:?}");
    assert_eq!(kubetape(&["config", "check"]).status, Some(0));
    assert!(kubetape(&["login-link"]).stdout.contains("/login/link/"));
}

/// What is no file is written to, never replaced: `-o /dev/null` by root must leave /dev/null.
fn into_a_pipe(folder: &Path, id: &str, text: &str) {
    let pipe = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Held open in both directions: neither side waits for the other to open it.
    let mut held = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let words = ["export", id, "--format", "text", "-o", "pipe", "--config", "d/kubetape.toml"];
    let done = run(folder, &words, &[], "");
    assert_eq!(done.status, Some(0), "{done:?}");
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let mut written = vec![0; text.len()];
    held.read_exact(&mut written).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);
}

trait Found: Sized {
    fn into_ended(self) -> Option<Self>;
    fn into_hit(self) -> Option<Self>;
}

impl Found for Value {
    fn into_ended(self) -> Option<Self> {
        (!self["ended"].is_null()).then_some(self)
    }

    fn into_hit(self) -> Option<Self> {
        self.is_object().then_some(self)
    }
}

#[test]
fn without_a_folder_nothing_is_left() {
    let outer = tempfile::tempdir().unwrap();
    let mut demo = Running::start(outer.path(), &["demo", "--gateway", "127.0.0.1:0", "--web", "127.0.0.1:0"]);
    demo.wait_for("ready");
    let line = demo.line("--kubeconfig").to_owned();
    let kubeconfig = line.split_whitespace().skip_while(|word| *word != "--kubeconfig").nth(1).unwrap();
    let folder = Path::new(kubeconfig).parent().unwrap().to_owned();
    assert!(folder.join("kubetape.toml").exists());
    assert_eq!(demo.end(), Some(0));
    assert!(!folder.exists());
}

#[test]
fn an_address_that_was_asked_for_and_is_taken_is_an_error() {
    let outer = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = run(outer.path(), &["demo", "--gateway", &address], &[], "");
    assert_eq!(done.status, Some(1));
    assert!(done.stderr.contains(&address) && done.stderr.contains("--gateway"), "{done:?}");
}

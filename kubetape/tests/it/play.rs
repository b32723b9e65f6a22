use std::{
    io::{Read, Write},
    os::fd::AsFd,
    path::Path,
    process::Child,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{Command, Pty, open},
};
use recording::{
    Key, Micros, RecordingId,
    cast::{Code, write_event},
};
use serde_json::json;
use storage::{Disk, Store};

use crate::program::{GOOD, Installation};

/// A person at a terminal: what it was sent so far, and keys.
struct Terminal {
    pty: Pty,
    printed: Receiver<Vec<u8>>,
    seen: String,
}

/// Longest wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(30);

impl Terminal {
    /// Waits until `part` was printed after all that was waited for before.
    fn wait_for(&mut self, part: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.find(part) {
                self.seen.drain(..at + part.len());
                return;
            }
            // What plays draws its last row again and again.
            let left = end.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.printed.recv_timeout(left) else { panic!("no {part:?} in {:?}", self.seen) };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).unwrap();
    }
}

/// Plays a recording in a terminal that is larger than the recorded one.
fn play(folder: &Path, words: &[&str], environment: &[(&str, &str)]) -> (Terminal, Child) {
    let (pty, pts) = open().unwrap();
    pty.resize(Size::new(50, 160)).unwrap();
    let (send, printed) = channel();
    // The same terminal twice: one to read from, one to press keys.
    let mut reader = std::fs::File::from(pty.as_fd().try_clone_to_owned().unwrap());
    let command = Command::new(env!("CARGO_BIN_EXE_kubetape")).current_dir(folder).env_remove("NO_COLOR");
    let player = command.envs(environment.iter().copied()).args(words).spawn(pts).unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut bytes) {
            if send.send(bytes[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    (Terminal { pty, printed, seen: String::new() }, player)
}

/// Plays the demo's session with keys.
pub fn with_keys(folder: &Path, id: &str) {
    let words = ["--config", "d/kubetape.toml", "play", id, "--speed", "0.0625"];
    let (mut terminal, mut player) = play(folder, &words, &[]);
    terminal.wait_for(" playing 0:00");
    terminal.press(" ");
    terminal.wait_for(" paused 0:00");
    terminal.press("+");
    terminal.wait_for("0.125x");
    // Five seconds on: the screen of that moment at once, still paused.
    terminal.press("\x1b[C");
    terminal.wait_for("is recorded");
    terminal.wait_for(" paused 0:05");
    commands(&mut terminal);
    places(&mut terminal);
    terminal.press("q");
    terminal.wait_for("\x1b[?25h");
    assert!(player.wait().unwrap().success());
}

/// From command to command: each is on the screen, and none that came later.
fn commands(terminal: &mut Terminal) {
    terminal.press("0");
    terminal.wait_for(" paused 0:00");
    terminal.press(";");
    terminal.wait_for("Hello from a shell");
    terminal.press(";");
    terminal.wait_for("id -un; date");
    terminal.press(",");
    terminal.wait_for("Hello from a shell");
    terminal.press("?");
    terminal.wait_for(", ; command  / find");
    assert!(!terminal.seen.contains("id -un"), "{:?}", terminal.seen);
    terminal.press("?");
    terminal.wait_for(" paused 0:0");
}

/// A text is looked for: the command that has it and the three lines that it printed.
fn places(terminal: &mut Terminal) {
    terminal.press("0");
    terminal.wait_for(" paused 0:00");
    terminal.press("/stepp\x7f");
    terminal.wait_for(" find: stepp");
    terminal.wait_for(" find: step");
    terminal.press("\r");
    terminal.wait_for("\"step\" 1 of 4");
    terminal.press("n");
    terminal.wait_for("step one");
    terminal.wait_for("\"step\" 2 of 4");
    terminal.press("NN");
    terminal.wait_for("\"step\" 4 of 4");
    terminal.press("/q nowhere\r");
    terminal.wait_for("no line has \"q nowhere\"");
}

/// A session of ten minutes without a terminal: a command of its own, one that was entered, and words on stderr.
async fn without_a_terminal() -> (Installation, RecordingId) {
    let installation = Installation::new(GOOD);
    let id = RecordingId(uuid::Uuid::now_v7());
    let session = json!({
        "id": id, "kind": "exec", "started_micros": 1_800_000_000_000_000_i64, "gateway": "g",
        "principal": { "name": "ann", "groups": [], "credential": "token", "credential_id": "1" },
        "target": { "cluster": "one" }, "impersonation": { "user": "ann", "groups": [] },
        "rule": "all", "input": "never", "argv": ["sh"], "tty": false, "stdin": true,
    });
    let header = json!({
        "version": 2, "width": 80, "height": 24, "timestamp": 1_800_000_000, "command": "sh", "title": "t", "kubetape": session,
    });
    let mut events = Vec::new();
    write_event(&mut events, Micros::from_millis(1), Code::Output, "fine\n");
    write_event(&mut events, Micros::from_millis(2), Code::Stderr, "ba\u{1b}]52;c;cm0gLXJm\u{7}d\n");
    write_event(&mut events, Micros::from_secs(90), Code::Marker, "make \u{1b}[2J all");
    write_event(&mut events, Micros::from_secs(599), Code::Output, "done\n");
    let of = |number: u32, last: u64| json!({ "number": number, "size": 1, "uncompressed": 1, "digest": "", "first_micros": 0, "last_micros": last });
    let manifest = json!({
        "format": 1, "session": session, "ended_micros": 1_800_000_600_000_000_i64, "duration_micros": 600_000_000,
        "outcome": "exited", "exit_code": 0, "width": 80, "height": 24,
        "totals": { "stdin": 0, "stdout": 0, "stderr": 0 }, "chunks": [of(0, 0), of(1, 599_000_000)],
        "commands": [
            { "micros": 0, "source": "argv", "text": "sh" },
            { "micros": 90_000_000, "source": "typed", "text": "make \u{1b}[2J all" },
        ],
    });
    let disk = Disk::open(installation.path("storage")).await.unwrap();
    let put = async |key: Key, bytes: Vec<u8>| disk.put_new(&key, bytes.into()).await.unwrap();
    put(Key::chunk(id, 0), zstd::bulk::compress(format!("{header}\n").as_bytes(), 1).unwrap()).await;
    put(Key::chunk(id, 1), zstd::bulk::compress(&events, 1).unwrap()).await;
    put(Key::manifest(id), manifest.to_string().into()).await;
    (installation, id)
}

#[tokio::test]
async fn a_session_without_a_terminal_is_gone_through_to_its_end() {
    let (installation, id) = without_a_terminal().await;
    let id = id.to_string();
    let words = ["--config", "kubetape.toml", "play", &id];
    let (mut terminal, mut player) = play(installation.folder.path(), &words, &[]);
    terminal.wait_for("fine\r\n");
    terminal.wait_for("\x1b[91mbad\r\n\x1b[39m");
    terminal.wait_for(" playing 0:00 / 10:00  1x  ? keys, q quit  | sh");
    terminal.press(" ");
    terminal.wait_for(" paused 0:0");
    terminal.press("\x1b[6~");
    terminal.wait_for(" paused 1:0");
    terminal.press("\x1b[6~");
    terminal.wait_for(" paused 2:0");
    terminal.wait_for(r"| make \u{1b}[2J all");
    terminal.press("\x1b[5~");
    terminal.wait_for(" paused 1:0");
    terminal.wait_for("| sh");
    terminal.press("\x1b[F");
    terminal.wait_for("done");
    terminal.wait_for(" the end 10:00 / 10:00  1x  home, left go back, q quit");
    terminal.press("\x1b[D");
    terminal.wait_for(" paused 9:55");
    // Played to its end it stands there too, until a key goes back.
    terminal.press("++++++ ");
    terminal.wait_for("done");
    terminal.wait_for(" the end 10:00");
    terminal.press("\x1b[H ");
    terminal.wait_for(" paused 0:00");
    terminal.press("q");
    assert!(player.wait().unwrap().success());
}

#[tokio::test]
async fn the_end_is_the_programs_where_that_is_asked_for_or_nobody_has_keys() {
    let (installation, id) = without_a_terminal().await;
    let id = id.to_string();
    let words = ["--config", "kubetape.toml", "play", &id, "--from", "599s", "--quit-at-end"];
    let (mut terminal, mut player) = play(installation.folder.path(), &words, &[("NO_COLOR", "1")]);
    // Drawn as a screen, and without its colour.
    terminal.wait_for("bad");
    assert!(!terminal.seen.contains("\x1b[91m"), "{:?}", terminal.seen);
    assert!(player.wait().unwrap().success());

    let done = installation.run(&["play", &id, "--speed", "1000"]);
    assert_eq!((done.status, done.stdout.as_str()), (Some(0), "fine\nbad\ndone\n"), "{done:?}");
}

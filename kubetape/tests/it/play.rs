use std::{
    io::{Read, Write},
    os::fd::AsFd,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use pty_process::{
    Size,
    blocking::{Command, Pty, open},
};

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
        loop {
            if let Some(at) = self.seen.find(part) {
                self.seen.drain(..at + part.len());
                return;
            }
            let Ok(bytes) = self.printed.recv_timeout(PATIENCE) else { panic!("no {part:?} in {:?}", self.seen) };
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn press(&mut self, keys: &str) {
        self.pty.write_all(keys.as_bytes()).unwrap();
    }
}

/// Plays the demo's session with keys, in a terminal that is larger than the recorded one.
pub fn with_keys(folder: &Path, id: &str) {
    let (pty, pts) = open().unwrap();
    pty.resize(Size::new(50, 160)).unwrap();
    let (send, printed) = channel();
    // The same terminal twice: one to read from, one to press keys.
    let mut reader = std::fs::File::from(pty.as_fd().try_clone_to_owned().unwrap());
    let command = Command::new(env!("CARGO_BIN_EXE_kubetape")).current_dir(folder);
    let mut player = command.args(["--config", "d/kubetape.toml", "play", id, "--speed", "0.0625"]).spawn(pts).unwrap();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = reader.read(&mut bytes) {
            if send.send(bytes[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut terminal = Terminal { pty, printed, seen: String::new() };
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

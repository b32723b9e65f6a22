use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use tempfile::TempDir;

/// A folder with a configuration, and the program that reads it.
pub struct Installation {
    pub folder: TempDir,
}

/// What a run of the program did.
#[derive(Debug)]
pub struct Done {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A configuration that works: `{}` are nothing but the folder's own files.
pub const GOOD: &str = r#"
[gateway]
listen = "127.0.0.1:0"
public_url = "https://127.0.0.1:8443"

[web]
listen = "127.0.0.1:0"

[[clusters]]
name = "one"
server = "https://127.0.0.1:1"
token_file = "upstream.token"

[[policy.rules]]
name = "everyone"
users = ["*"]
clusters = ["*"]

[storage]
kind = "disk"
path = "storage"

[state]
dir = "state"
"#;

impl Installation {
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubetape.toml"), config).unwrap();
        std::fs::write(folder.path().join("upstream.token"), "upstream-secret").unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn run(&self, words: &[&str]) -> Done {
        self.run_with(words, &[], "")
    }

    pub fn run_with(&self, words: &[&str], environment: &[(&str, &str)], stdin: &str) -> Done {
        let config = self.path("kubetape.toml");
        let words: Vec<&str> = ["--config", config.to_str().unwrap()].iter().chain(words).copied().collect();
        run(self.folder.path(), &words, environment, stdin)
    }
}

/// Runs the program in a folder. Nothing of this process's own configuration reaches it.
pub fn run(folder: &Path, words: &[&str], environment: &[(&str, &str)], stdin: &str) -> Done {
    let mut child = command(folder, words)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its stdin has ended by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Done {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubetape"));
    command.args(words).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KUBETAPE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A program that runs until it is told to end.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    pub said: Vec<String>,
}

/// Longest wait for a line or an end.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    pub fn start(folder: &Path, words: &[&str]) -> Self {
        let mut child = command(folder, words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let pipes: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// Reads up to the line that is exactly this.
    pub fn wait_for(&mut self, wanted: &str) {
        self.wait_until(wanted, |line| line == wanted);
    }

    /// Reads up to a line that has this in it.
    pub fn wait_for_part(&mut self, wanted: &str) {
        self.wait_until(wanted, |line| line.contains(wanted));
    }

    fn wait_until(&mut self, wanted: &str, is_it: impl Fn(&str) -> bool) {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else { panic!("no {wanted:?} in {:#?}", self.said) };
            self.said.push(line);
            if self.said.last().is_some_and(|line| is_it(line)) {
                return;
            }
        }
    }

    /// The first line that has this in it.
    pub fn line(&self, part: &str) -> &str {
        let found = self.said.iter().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no line has {part:?}: {:#?}", self.said))
    }

    /// Sends a signal, such as `-HUP`.
    pub fn signal(&self, signal: &str) {
        let kill = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    /// Sends SIGTERM, and returns the exit status.
    pub fn end(mut self) -> Option<i32> {
        self.signal("-TERM");
        let status = self.child.wait().unwrap().code();
        if status != Some(0) {
            self.said.extend(self.lines.iter());
            eprintln!("it said {:#?}", self.said);
        }
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The login link of the first start.

use std::{
    io::{BufRead, BufReader},
    os::fd::AsFd,
    sync::mpsc::channel,
    time::Duration,
};

use pty_process::blocking::{Command, open};

use crate::program::{GOOD, Installation, Running};

#[test]
fn the_first_login_link_is_in_no_log() {
    let installation = Installation::new(GOOD);
    let mut program = Running::start(installation.folder.path(), &["serve"]);
    program.wait_for("ready");
    assert!(program.line("nobody has a password yet").contains("make a link"), "{:?}", program.said);
    assert!(program.line("login-link").contains("kubetape --config "), "{:?}", program.said);
    assert!(program.said.iter().all(|line| !line.contains("/login/link/")), "{:?}", program.said);
    assert!(!installation.path("state/links.json").exists(), "no link was made");
    assert_eq!(program.end(), Some(0));
}

#[test]
fn a_person_at_a_terminal_gets_it() {
    let installation = Installation::new(GOOD);
    let (pty, pts) = open().unwrap();
    let reader = std::fs::File::from(pty.as_fd().try_clone_to_owned().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubetape")).current_dir(installation.folder.path()).arg("serve");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("KUBETAPE_")) {
        command = command.env_remove(name);
    }
    let mut program = command.spawn(pts).unwrap();
    let (send, lines) = channel();
    // It ends with the terminal.
    std::thread::spawn(move || {
        BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    let (mut link, mut said) = (false, Vec::new());
    while said.last().is_none_or(|line: &String| line.trim_end() != "ready") {
        let line = lines.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| panic!("no `ready` in {said:#?}"));
        link |= line.contains("log in with http://127.0.0.1:") && line.contains("/login/link/");
        said.push(line);
    }
    assert!(link, "{said:#?}");
    program.kill().unwrap();
    program.wait().unwrap();
}

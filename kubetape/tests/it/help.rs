use crate::program::run;

fn help(words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), words, &[], "");
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{words:?}");
    done.stdout
}

#[test]
fn help_teaches() {
    let top = help(&["--help"]);
    for part in ["What to do first", "kubetape demo", "config sample", "Exit status", "--config <FILE>"] {
        assert!(top.contains(part), "{top}");
    }
    for (command, part) in [
        ("demo", "--folder ./demo"),
        ("serve", "--config"),
        ("ls", "jq -r"),
        ("play", "space     pause"),
        ("search", "a phrase, in this order"),
        ("export", "--stream stderr"),
        ("kubeconfig", "--certificate --expires 1d"),
        ("login-link", "once"),
        ("reindex", "Stop it first"),
        ("token", "--config <FILE>"),
        ("compare-audit", "Exit status: 0 everything"),
    ] {
        let text = help(&[command, "--help"]);
        assert!(text.contains(part), "{command}: {text}");
    }
    assert_eq!(help(&["--version"]), concat!("kubetape ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_wrong_command_line_is_status_2() {
    let folder = tempfile::tempdir().unwrap();
    for (words, says) in [
        (&[][..], "Usage"),
        (&["lst"], "'ls'"),
        (&["export", "abcd", "--format", "gif"], "cast2"),
        (&["play", "abcd", "--speed", "0"], "such as 2"),
        (&["ls", "--since", "yesterday"], "how long ago"),
        (&["ls", "--outcome", "exit"], "one of live, exited, failed"),
        (&["ls", "--limit", "0"], "from 1"),
        (&["search", "--limit", "0", "x"], "from 1"),
        (&["token", "create"], "--user"),
        (&["token", "create", "--user", "a", "--expires", "5"], "such as \"5s\""),
        (&["search"], "WORDS"),
        (&["demo", "--gateway", "0.0.0.0:8443"], "127.0.0.1"),
    ] {
        let done = run(folder.path(), words, &[], "");
        assert_eq!((done.status, done.stdout.as_str()), (Some(2), ""), "{words:?}");
        assert!(done.stderr.contains(says), "{words:?}: {}", done.stderr);
    }
}

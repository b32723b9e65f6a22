//! Names that nobody can have, wherever the program takes one.

use crate::program::{GOOD, Installation};

#[test]
fn a_name_that_nobody_can_have_is_refused_wherever_it_comes_in() {
    let installation = Installation::new(GOOD);
    std::fs::write(installation.path("a.cast"), "{\"version\": 2, \"width\": 80, \"height\": 24}\n[1, \"o\", \"x\"]\n")
        .unwrap();
    for (name, says) in [
        ("system:admin", "belong to Kubernetes itself"),
        ("local:root", "stand for something else in the journal"),
        ("import", "stand for something else in the journal"),
        ("an\u{202e}n", r#""an\u{202e}n": a name has"#),
        ("an\u{200b}n", r#""an\u{200b}n": a name has"#),
        ("an\tn", r#""an\tn": a name has"#),
    ] {
        for words in [
            &["user", "add", name, "--password-stdin"][..],
            &["token", "create", "--user", name],
            &["token", "create", "--user", "ann", "--group", name],
            &["kubeconfig", "--user", name],
            &["kubeconfig", "--user", name, "--certificate"],
            &["kubeconfig", "--user", "ann", "--group", name, "--certificate"],
            &["login-link", "--user", name],
            &["import", "--user", name, "a.cast"],
            &["import", "--group", name, "a.cast"],
        ] {
            let done = installation.run_with(words, &[], "correct horse\n");
            assert_eq!((done.status, done.stdout.as_str()), (Some(1), ""), "{words:?}: {done:?}");
            assert!(done.stderr.contains(says), "{words:?}: {}", done.stderr);
        }
    }
    // What was never made can be taken back all the same, so that no older program's stays.
    let done = installation.run(&["login-link", "--revoke", "--user", "local:root"]);
    assert_eq!(done.status, Some(0), "{done:?}");
}

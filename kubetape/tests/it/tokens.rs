use crate::program::{GOOD, Installation};

#[test]
fn a_token_is_shown_once_listed_and_revoked() {
    let installation = Installation::new(GOOD);
    let made = installation.run(&["token", "create", "--user", "ann", "--group", "dev", "--expires", "30d"]);
    assert_eq!((made.status, made.stderr.as_str()), (Some(0), ""));
    let secret = made.stdout.trim();
    assert!(secret.starts_with("kt_") && made.stdout.lines().count() == 1);

    let listed = installation.run(&["token", "ls", "--json"]).stdout;
    let tokens: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&tokens[0]["user"], &tokens[0]["groups"][0]), (&"ann".into(), &"dev".into()));
    let id = tokens[0]["id"].as_str().unwrap();
    let table = installation.run(&["token", "ls"]).stdout;
    assert!(table.starts_with("ID ") && table.contains("ann") && !table.contains('\x1b'), "{table}");
    assert!(!listed.contains(secret) && !table.contains(secret));

    assert_eq!(installation.run(&["token", "revoke", id]).status, Some(0));
    let again = installation.run(&["token", "revoke", id]);
    assert!(again.status == Some(1) && again.stderr.contains("token ls"), "{again:?}");
    assert_eq!(installation.run(&["token", "ls", "--json"]).stdout, "[]\n");
}

#[test]
fn a_kubeconfig_takes_a_token_that_exists() {
    let installation = Installation::new(GOOD);
    let secret = installation.run(&["token", "create", "--user", "ann"]).stdout;
    std::fs::write(installation.path("ann.token"), &secret).unwrap();
    let done = installation.run(&["kubeconfig", "--token-file", "ann.token", "--user", "ann"]);
    assert!(done.stdout.contains(&format!("token: \"{}\"", secret.trim())), "{done:?}");
    let done = installation.run(&["kubeconfig", "--token-file", "ann.token", "--user", "bob"]);
    assert!(done.status == Some(1) && done.stderr.contains("is ann's"), "{done:?}");
    std::fs::write(installation.path("ann.token"), "kt_1234567890_nothing").unwrap();
    let done = installation.run(&["kubeconfig", "--token-file", "ann.token", "--user", "ann"]);
    assert!(done.status == Some(1) && !done.stderr.contains("kt_"), "{done:?}");
}

#[test]
fn a_person_gets_a_password_or_a_link() {
    let installation = Installation::new(GOOD);
    let words = ["user", "add", "eve", "--password-stdin"];
    let done = installation.run_with(&words, &[], "correct horse battery staple\n");
    assert_eq!(done.status, Some(0), "{done:?}");
    let done = installation.run_with(&["user", "add", "eve"], &[], "");
    assert!(done.status == Some(1) && done.stderr.contains("--password-stdin"), "{done:?}");
    let done = installation.run_with(&words, &[], "\n");
    assert_eq!(done.status, Some(1), "{done:?}");
    let link = installation.run(&["login-link", "--user", "eve"]);
    assert!(link.status == Some(0) && link.stdout.starts_with("http://127.0.0.1:"), "{link:?}");
    assert!(link.stdout.contains("/login/link/"));
}

#[test]
fn a_person_is_removed_and_links_are_taken_back() {
    let installation = Installation::new(GOOD);
    let words = ["user", "add", "eve", "--password-stdin"];
    assert_eq!(installation.run_with(&words, &[], "correct horse battery staple\n").status, Some(0));
    installation.run(&["login-link", "--user", "eve"]);
    let done = installation.run(&["user", "remove", "eve"]);
    assert!(done.status == Some(0) && done.stderr.contains("logged out"), "{done:?}");
    let done = installation.run(&["user", "remove", "eve"]);
    assert!(done.status == Some(1) && done.stderr.contains("there is no user"), "{done:?}");

    installation.run(&["login-link", "--user", "auditor"]);
    let done = installation.run(&["login-link", "--revoke", "--user", "auditor"]);
    assert!(done.status == Some(0) && done.stdout.is_empty() && done.stderr.starts_with("1 unused"), "{done:?}");
    assert_ne!(installation.run(&["login-link", "--revoke", "--expires", "1h"]).status, Some(0));
}

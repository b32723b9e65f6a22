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
    let done = installation.run_with(&["user", "add", "bob"], &[], "");
    assert!(done.status == Some(1) && done.stderr.contains("--password-stdin"), "{done:?}");
    let done = installation.run_with(&["user", "add", "bob", "--password-stdin"], &[], "\n");
    assert!(done.status == Some(1) && done.stderr.contains("8 to"), "{done:?}");
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
    let done = installation.run(&["user", "rm", "eve"]);
    assert!(done.status == Some(0) && done.stderr.contains("logged out"), "{done:?}");
    let done = installation.run(&["user", "remove", "eve"]);
    assert!(done.status == Some(1) && done.stderr.contains("there is no user"), "{done:?}");

    installation.run(&["login-link", "--user", "auditor"]);
    let done = installation.run(&["login-link", "--revoke", "--user", "auditor"]);
    assert!(done.status == Some(0) && done.stdout.is_empty() && done.stderr.starts_with("1 unused"), "{done:?}");
    assert_ne!(installation.run(&["login-link", "--revoke", "--expires", "1h"]).status, Some(0));
}

#[test]
fn a_token_expires_after_90_days_unless_another_time_is_given() {
    let installation = Installation::new(GOOD);
    let days = |words: &[&str]| {
        let words = [&["token", "create", "--user", "ann"], words].concat();
        assert_eq!(installation.run(&words).status, Some(0));
        let listed = installation.run(&["token", "ls", "--json"]).stdout;
        let tokens: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let newest = tokens.as_array().unwrap().last().unwrap().clone();
        let time = |name: &str| newest[name].as_str()?.parse::<jiff::Timestamp>().ok();
        // Both are taken within the same run of the program.
        time("expires").map(|end| (end.as_second() - time("created").unwrap().as_second() + 43_200) / 86_400)
    };
    assert_eq!(days(&[]), Some(90));
    assert_eq!(days(&["--expires", "30d"]), Some(30));
    assert_eq!(days(&["--never-expires"]), None);
    let both = installation.run(&["token", "create", "--user", "ann", "--never-expires", "--expires", "1d"]);
    assert_eq!(both.status, Some(2));
}

#[test]
fn people_are_listed_and_a_password_is_changed_only_on_purpose() {
    let installation = Installation::new(GOOD);
    let set = |verb: &str, name: &str| {
        installation.run_with(&["user", verb, name, "--password-stdin"], &[], "correct horse battery staple\n")
    };
    assert_eq!(set("add", "eve").status, Some(0));
    let again = set("add", "eve");
    assert!(again.status == Some(1) && again.stderr.contains("user passwd"), "{again:?}");
    assert_eq!(set("passwd", "eve").status, Some(0));
    let unknown = set("passwd", "bob");
    assert!(unknown.status == Some(1) && unknown.stderr.contains("user ls"), "{unknown:?}");
    assert!(installation.run(&["user", "ls"]).stdout.contains("eve"));
    let locked = installation.run(&["lock", "eve", "--reason", "left"]);
    assert!(locked.status == Some(0) && locked.stdout.contains("No gateway runs here"), "{locked:?}");
    let rows = installation.run(&["user", "ls", "--json"]).stdout;
    assert!(rows.contains("\"locked\": true"), "{rows}");
}

#[test]
fn a_person_is_locked_out_and_let_in_again_where_no_gateway_runs() {
    let installation = Installation::new(GOOD);
    let silent = installation.run(&["lock", "bob"]);
    assert!(silent.status == Some(1) && silent.stderr.contains("--reason"), "{silent:?}");
    let odd = installation.run(&["lock", "bob", "--reason", "a\u{1b}[2J"]);
    assert_eq!(odd.status, Some(1), "{odd:?}");
    assert_eq!(installation.run(&["lock", "--json"]).stdout, "[]\n");
    assert_eq!(installation.run(&["lock", "bob", "--reason", "stolen laptop"]).status, Some(0));
    let again = installation.run(&["lock", "bob", "--reason", "once more"]);
    assert!(again.status == Some(1) && again.stderr.contains("already"), "{again:?}");
    let listed = installation.run(&["lock"]).stdout;
    assert!(listed.contains("bob") && listed.contains("stolen laptop") && listed.contains("local:"), "{listed}");
    assert_eq!(installation.run(&["unlock", "bob"]).status, Some(0));
    let nobody = installation.run(&["unlock", "bob"]);
    assert!(nobody.status == Some(1) && nobody.stderr.contains("not locked out"), "{nobody:?}");
}

#[test]
fn a_certificate_is_listed_and_revoked() {
    let installation = Installation::new(GOOD);
    let made = installation.run(&["kubeconfig", "--user", "ann", "--group", "dev", "--certificate"]);
    assert_eq!(made.status, Some(0), "{made:?}");
    let rows: serde_json::Value =
        serde_json::from_str(&installation.run(&["certificate", "ls", "--json"]).stdout).unwrap();
    assert_eq!((&rows[0]["user"], &rows[0]["groups"][0]), (&"ann".into(), &"dev".into()));
    let serial = rows[0]["serial"].as_str().unwrap();
    assert_eq!(installation.run(&["certificate", "revoke", serial]).status, Some(0));
    assert!(installation.run(&["certificate", "ls"]).stdout.contains("revoked"));
    let again = installation.run(&["certificate", "revoke", serial]);
    assert!(again.status == Some(1) && again.stderr.contains("certificate ls"), "{again:?}");
}

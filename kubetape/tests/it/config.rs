use std::os::unix::fs::PermissionsExt;

use crate::program::{GOOD, Installation, run};

/// What is wrong, and the words that say so. Each names the file.
const WRONG: [(&str, &str, &[&str]); 22] = [
    ("listen = \"127.0.0.1:0\"\npublic", "listen = 7\npublic", &["line 3", "listen = 7"]),
    ("[web]", "[web", &["line 6"]),
    ("[web]", "[weg]", &["unknown field `weg`", "`web`"]),
    ("public_url = \"https", "public_url = \"http", &["line 4", "gateway.public_url", "write https://"]),
    ("users = [\"*\"]", "users = []", &["line 14", "everyone", "give it `users` or `groups`"]),
    ("users = [\"*\"]", "users = [\"*\"]\ndeny = [\"exek\"]", &["exek", "`exec`"]),
    ("users = [\"*\"]", "users = [\"*\"]\nas_groups = [\"system:masters\"]", &["system:masters", "everyone"]),
    ("users = [\"*\"]", "users = [\"*\"]\nas_user = \"system:admin\"", &["system:admin", "as_user", "everyone"]),
    ("name = \"everyone\"", "name = \"every\\u202eone\"", &["policy.rules.0", r#""every\u{202e}one""#]),
    ("[web]\nlisten = \"127", "[web]\nlisten = \"0", &["line 7: web.listen", "web.certificate", "web.insecure = true"]),
    ("name = \"one\"", "", &["line 9", "clusters.0.name", "give this cluster a name"]),
    ("token_file", "ca = \"x\"\n#token_file", &["clusters.0.token_file", "`client_certificate`"]),
    ("upstream.token", "missing.token", &["missing.token"]),
    ("kind = \"disk\"", "kind = \"tape\"", &["line 20", "tape", "`disk` or `s3`"]),
    ("kind = \"disk\"", "kind = \"s3\"", &["storage.s3.bucket", "needs the bucket's name"]),
    ("path = \"storage\"", "path = \"upstream.token/x\"", &["upstream.token/x"]),
    ("dir = \"state\"", "dir = \"state\"\n[limits]\nconnections = 0", &["line 26", "limits.connections", "from 1 to"]),
    ("dir = \"state\"", "dir = \"state\"\n[limits]\nsessions = 10001", &["line 26", "limits.connections is 10000"]),
    ("dir = \"state\"", "dir = \"state\"\n[limits]\nsessions_per_person = 5000", &["limits.sessions", "is 4000"]),
    ("dir = \"state\"", "dir = \"state\"\n[limits]\nhandshake = \"10ms\"", &["limits.handshake", "from 1s to 1h"]),
    ("dir = \"state\"", "dir = \"state\"\n[limits]\nsessions = -1", &["line 26", "sessions = -1"]),
    ("dir = \"state\"", "dir = \"state\"\n[recorder]\nchunk_age = \"5\"", &["line 26", "such as \"5s\""]),
];

#[test]
fn what_is_wrong_with_a_configuration_is_said() {
    for (right, wrong, says) in WRONG {
        assert!(GOOD.contains(right), "{right}");
        let installation = Installation::new(&GOOD.replacen(right, wrong, 1));
        for words in [&["config", "check"][..], &["serve"]] {
            let done = installation.run(words);
            assert_eq!((done.status, done.stdout.as_str()), (Some(1), ""), "{wrong}: {done:?}");
            assert!(done.stderr.starts_with("kubetape: "), "{}", done.stderr);
            for part in says {
                assert!(done.stderr.contains(part), "{wrong:?} gives {:?}, without {part:?}", done.stderr);
            }
        }
    }
}

#[test]
fn a_good_configuration_is_summed_up() {
    let done = Installation::new(GOOD).run(&["config", "check"]);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""));
    for part in ["kubetape.toml is good", "cluster   one at https://127.0.0.1:1", "everyone: * on * as {user}"] {
        assert!(done.stdout.contains(part), "{}", done.stdout);
    }
}

#[test]
fn the_environment_wins_and_is_checked() {
    let installation = Installation::new(GOOD);
    let check = |variables: &[(&str, &str)]| installation.run_with(&["config", "check"], variables, "");
    let done = check(&[("KUBETAPE_GATEWAY__NAME", "west-1"), ("KUBETAPE_SERVICE_HOST", "10.0.0.1")]);
    assert!(done.status == Some(0) && done.stdout.contains("west-1 on") && done.stderr.is_empty(), "{done:?}");
    let done = check(&[("KUBETAPE_GATEWAY__LISTEN", "nowhere")]);
    assert!(done.status == Some(1) && done.stderr.contains("variable KUBETAPE_GATEWAY__LISTEN"), "{done:?}");
    let done = check(&[("KUBETAPE_STORAGE__PTAH", "/x")]);
    assert!(done.status == Some(1) && done.stderr.contains("there is no key storage.ptah"), "{done:?}");
    let done = check(&[("KUBETAPE_NAME", "x")]);
    assert!(done.status == Some(0) && done.stderr.contains("KUBETAPE_NAME"), "{done:?}");
}

#[test]
fn without_a_file_it_says_where_it_looked() {
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &["ls"], &[], "");
    assert_eq!(done.status, Some(1));
    for part in ["./kubetape.toml", "/etc/kubetape/kubetape.toml", "--config", "kubetape demo"] {
        assert!(done.stderr.contains(part), "{}", done.stderr);
    }
    let done = run(folder.path(), &["--config", "missing.toml", "ls"], &[], "");
    assert!(done.status == Some(1) && done.stderr.contains("missing.toml"), "{done:?}");
}

#[test]
fn the_sample_is_printed_and_is_one() {
    let installation = Installation::new(GOOD);
    let sample = installation.run(&["config", "sample"]);
    assert_eq!(sample.status, Some(0));
    let other = Installation::new(&sample.stdout);
    let done = other.run(&["config", "check"]);
    // It parses; the files that it names are not here.
    assert!(done.stderr.contains("/etc/kubetape/clusters.kubeconfig"), "{}", done.stderr);
}

#[test]
fn a_port_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let installation = Installation::new(&GOOD.replacen("127.0.0.1:0", &address, 1));
    let done = installation.run(&["serve"]);
    assert_eq!(done.status, Some(1));
    for part in [&address, "gateway.listen", "another process listens there"] {
        assert!(done.stderr.contains(part), "{}", done.stderr);
    }
}

#[test]
fn a_kubeconfig_is_written_for_its_owner_only() {
    let installation = Installation::new(GOOD);
    for credential in [&[][..], &["--certificate"]] {
        let words = [&["kubeconfig", "--user", "ann", "-o", "ann.kubeconfig"], credential].concat();
        let done = installation.run(&words);
        assert_eq!(done.status, Some(0), "{done:?}");
        let file = installation.path("ann.kubeconfig");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains("server: \"https://127.0.0.1:8443/clusters/one\""), "{text}");
        assert!(text.contains("certificate-authority-data: "));
    }
    let done = installation.run(&["kubeconfig", "--user", "ann", "--cluster", "two"]);
    assert!(done.status == Some(1) && done.stderr.contains("it has one"), "{done:?}");
}

#[test]
fn more_connections_than_the_system_allows_are_refused_at_the_start() {
    let installation = Installation::new(GOOD);
    let done = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 1000 && exec \"$0\" --config \"$1\" serve", env!("CARGO_BIN_EXE_kubetape")])
        .arg(installation.path("kubetape.toml"))
        .output()
        .unwrap();
    assert_eq!((done.status.code(), done.stdout.as_slice()), (Some(1), &b""[..]), "{done:?}");
    let stderr = String::from_utf8_lossy(&done.stderr);
    for part in ["may have 1000 files open", "limits.connections = 10000", "LimitNOFILE="] {
        assert!(stderr.contains(part), "{stderr}");
    }
}

#[test]
fn the_gateways_role_is_narrowed_to_what_the_policy_gives() {
    let given = "users = [\"ann\"]\nas_groups = [\"ops\"]";
    let installation = Installation::new(&GOOD.replacen("users = [\"*\"]", given, 1));
    // The cluster's token is made by whoever applies the role: it need not be there yet.
    std::fs::remove_file(installation.path("upstream.token")).unwrap();
    let done = installation.run(&["config", "rbac"]);
    assert_eq!((done.status, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    for part in [
        "resourceNames: [\"ann\"]",
        "resourceNames: [\"ops\"]",
        "resourceNames: [\"kubetape\"]",
        "namespace: \"kubetape\"",
    ] {
        assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
    }
    let elsewhere = Installation::new(&GOOD.replacen("clusters = [\"*\"]", "clusters = [\"one\"]", 1));
    let done = elsewhere.run(&["config", "rbac", "--cluster", "two"]);
    assert!(done.status == Some(1) && done.stderr.contains("no rule of the policy is for cluster"), "{done:?}");
}

#[test]
fn the_gateways_own_namespace_has_to_be_one() {
    let own = |text: &str| GOOD.replacen("name = \"one\"", &format!("name = \"one\"\nown_namespace = \"{text}\""), 1);
    let done = Installation::new(&own("kubetape")).run(&["config", "check"]);
    assert!(
        done.status == Some(0) && done.stdout.contains("with the gateway itself in namespace kubetape"),
        "{done:?}"
    );
    for wrong in ["Kubetape", "", "-a", "a_b", "kubetape "] {
        let done = Installation::new(&own(wrong)).run(&["config", "check"]);
        assert!(done.status == Some(1) && done.stderr.contains("clusters.0.own_namespace"), "{wrong:?}: {done:?}");
    }
}

//! `compare-audit`, by its exit status and what it says; what is compared with what is tested beside the code, and the log of a
//! real API server in `e2e/test_cluster_audit.py`.

use serde_json::{Value, json};

use crate::program::{Done, GOOD, Installation};

fn event(received: &str, of: Value) -> String {
    let event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "auditID": "a", "stage": "ResponseComplete", "verb": "create",
        "requestURI": "/api/v1/namespaces/default/pods/shell/exec?command=cat&command=%2Fsecret",
        "user": {"username": "root\u{1b}[2J"}, "sourceIPs": ["192.0.2.7"], "objectRef": of,
        "responseStatus": {"code": 101}, "requestReceivedTimestamp": received,
    });
    event.to_string() + "\n"
}

fn exec() -> String {
    let of = json!({"resource": "pods", "namespace": "default", "name": "shell", "subresource": "exec"});
    event("2026-11-22T12:00:00Z", of)
}

fn harmless() -> String {
    event("2026-11-22T11:00:00Z", json!({"resource": "pods", "namespace": "default", "name": "shell"}))
}

/// An installation with an empty store, and a log.
fn compare(log: &[u8], words: &[&str]) -> Done {
    let installation = Installation::new(GOOD);
    std::fs::create_dir(installation.path("storage")).unwrap();
    std::fs::write(installation.path("audit.log"), log).unwrap();
    installation.run(&[&["compare-audit", "audit.log"], words].concat())
}

#[test]
fn what_nobody_recorded_is_status_1_and_says_who_and_where() {
    for log in [exec().into_bytes(), zstd::encode_all(exec().as_bytes(), 3).unwrap()] {
        let done = compare(&log, &[]);
        assert_eq!(done.status, Some(1), "{done:?}");
        for part in ["1 that nobody recorded", "exec", "192.0.2.7", "default/shell", "did not come through a gateway"] {
            assert!(done.stdout.contains(part), "{part}: {}", done.stdout);
        }
        assert!(!done.stdout.contains('\u{1b}') && !done.stdout.contains("secret"), "{}", done.stdout);
    }
}

#[test]
fn json_has_every_finding() {
    let done = compare((harmless() + &exec()).as_bytes(), &["--json"]);
    let answer: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done.status, &answer["cluster"], &answer["events"]), (Some(1), &json!("one"), &json!(2)));
    let [finding] = answer["findings"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&finding["way"], &finding["name"]), (&json!("exec"), &json!("shell")));
    assert!(!done.stdout.contains("secret"), "{}", done.stdout);
}

#[test]
fn a_log_without_a_way_into_a_container_is_status_0() {
    assert_eq!(compare(harmless().as_bytes(), &[]).status, Some(0));
    assert_eq!(compare((harmless() + &exec()).as_bytes(), &["--until", "2026-11-22T12:00:00Z"]).status, Some(0));
}

#[test]
fn what_cannot_be_read_is_named_and_is_status_2() {
    let half = &exec()[..100];
    let done = compare((harmless() + half + "\n" + &harmless()).as_bytes(), &[]);
    assert_eq!(done.status, Some(2), "{done:?}");
    assert!(
        done.stderr.contains("audit.log line 2 cannot be read") && !done.stderr.contains("secret"),
        "{}",
        done.stderr
    );
    // A finding beside it is still one.
    assert_eq!(compare((exec() + half).as_bytes(), &[]).status, Some(1));
    let cut = zstd::encode_all(harmless().as_bytes(), 3).unwrap();
    for (log, says) in [(&b""[..], "nothing was compared"), (&cut[..cut.len() - 4], "cannot read audit.log from line")]
    {
        let done = compare(log, &[]);
        assert_eq!(done.status, Some(2), "{done:?}");
        assert!(format!("{}{}", done.stdout, done.stderr).contains(says), "{done:?}");
    }
    let done = Installation::new(GOOD).run(&["compare-audit", "missing.log"]);
    assert!(done.status == Some(2) && done.stderr.contains("cannot read missing.log"), "{done:?}");
}

#[test]
fn whose_log_it_is_has_to_be_said_where_there_are_several_clusters() {
    let two = GOOD.replacen(
        "[[policy.rules]]",
        "[[clusters]]\nname = \"two\"\nserver = \"https://127.0.0.1:2\"\ntoken_file = \"upstream.token\"\n[[policy.rules]]",
        1,
    );
    let installation = Installation::new(&two);
    std::fs::write(installation.path("audit.log"), harmless()).unwrap();
    std::fs::create_dir(installation.path("storage")).unwrap();
    let done = installation.run(&["compare-audit", "audit.log"]);
    assert!(done.status == Some(2) && done.stderr.contains("--cluster (one, two)"), "{done:?}");
    assert_eq!(installation.run(&["compare-audit", "audit.log", "--cluster", "two"]).status, Some(0));
}

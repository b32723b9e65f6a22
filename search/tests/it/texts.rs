//! What is found by which words.

use recording::{CommandSource, Micros, Outcome};
use search::{HitKind, Query};

use crate::{
    Bench,
    library::{Session, find, texts},
};

const TYPED: [&str; 8] = [
    "curl http://10.0.3.7:8080/health",
    "cat /etc/passwd",
    "cat \"/etc/shadow\"; id",
    "kubectl delete pod nginx-7d4b9 --force",
    "KUBECTL delete pod nginx --grace-period=0",
    "rm -rf /var/tmp",
    "echo Grüße",
    "ssh 10.0.37 # 10-0-3-7",
];

#[tokio::test]
async fn words_and_tokens_are_found_as_such() {
    let bench = Bench::typed(&TYPED).await;
    let cases: [(&str, &[usize]); 20] = [
        ("kubectl", &[3, 4]),
        ("delete kubectl", &[3, 4]),
        ("10.0.3.7", &[0]),
        ("/etc/passwd", &[1]),
        ("/etc/shadow", &[2]),
        ("passwd", &[1]),
        ("--force", &[3]),
        ("force", &[3]),
        ("nginx-7d4b9", &[3]),
        ("nginx", &[3, 4]),
        ("nginx-*", &[3]),
        ("/etc/*", &[1, 2]),
        ("kube*", &[3, 4]),
        ("--grace-period", &[4]),
        ("\"-rf\"", &[5]),
        ("\"rm -rf\"", &[5]),
        ("\"rf rm\"", &[]),
        ("grüße", &[6]),
        ("GRÜSSE", &[]),
        ("kubectl NOT nginx-7d4b9", &[4]),
    ];
    for (query, expected) in cases {
        let mut expected: Vec<&str> = expected.iter().map(|at| TYPED[*at]).collect();
        expected.reverse();
        assert_eq!(texts(&bench.index, query), expected, "{query}");
    }
}

#[tokio::test]
async fn a_hit_says_where_it_is_from() {
    let bench = Bench::typed(&TYPED).await;
    let hit = find(&bench.index, "/etc/passwd").remove(0);
    assert_eq!((hit.kind, hit.source), (HitKind::Command, Some(CommandSource::Typed)));
    assert_eq!(hit.offset, Some(Micros::from_secs(2)));
    assert_eq!((hit.user.as_str(), hit.cluster.as_str(), hit.container.as_str()), ("ada", "prod", "app"));
    let marked: Vec<&str> = hit.snippet.ranges.iter().map(|range| &hit.snippet.text[range.clone()]).collect();
    assert_eq!(marked, ["/etc/passwd"]);

    let json = serde_json::to_value(&hit).unwrap();
    assert_eq!(json["offset"], 2.0);
    assert_eq!(json["time"], "2026-11-22T10:00:02Z");
    assert_eq!(json["source"], "typed");
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    for key in ["kind", "session", "user", "namespace", "pod", "container", "text"] {
        assert!(keys.iter().any(|k| *k == key), "{key} in {keys:?}");
    }
}

#[tokio::test]
async fn filters_narrow() {
    let mut bench = Bench::typed(&TYPED).await;
    let other = Session {
        user: "bob",
        namespace: "kube-system",
        pod: "dns-1",
        argv: vec!["ls", "a b"],
        at: 5,
        number: 1,
        ..Session::default()
    };
    bench.library.record(&other, Outcome::Exited { exit_code: 3 }, &["cat /etc/passwd"]).await;
    bench.step().await;
    let count = |text: &str| find(&bench.index, text).len();
    assert_eq!(count("/etc/passwd"), 2);
    assert_eq!(count("/etc/passwd user:bob"), 1);
    assert_eq!(count("/etc/passwd -user:bob"), 1);
    assert_eq!(count("/etc/passwd -user:(bob OR eve)"), 1);
    assert_eq!(count("-user:(bob OR ada)"), 0);
    assert_eq!(count("-user:(bob)"), count("user:ada"));
    assert_eq!(count("-\"cat /etc/passwd\""), count("") - 2);
    assert_eq!(count("/etc/passwd user:Bob"), 1);
    assert_eq!(count("/etc/passwd user:\"BOB\" cluster:Prod"), 1);
    assert_eq!(count("/etc/passwd user:B* ns:Kube-System pod:DNS-1 cluster:PROD"), 1);
    assert_eq!(count("-user:ADA user:ada"), 0);
    assert_eq!(count("/etc/passwd ns:kube-system pod:dns-1 cluster:prod"), 1);
    assert_eq!(count("/etc/passwd user:eve"), 0);
    assert_eq!(count("source:argv"), 2);
    assert_eq!(texts(&bench.index, "source:argv user:bob"), ["ls 'a b'"]);
    assert_eq!(count("kind:session exit:3"), 1);
    assert_eq!(texts(&bench.index, "exit:>0 source:typed"), ["cat /etc/passwd"]);
    assert_eq!(count("kind:session outcome:failed"), 1);
    assert_eq!(count("kind:session"), 2);
    assert_eq!(count("kind:session dns-1"), 1);
    let kinds = Query { kinds: vec![HitKind::Session], user: Some("bob".to_owned()), ..Query::default() };
    assert_eq!(bench.index.search(&kinds).unwrap().total, 1);
    let later = Query {
        from: Some("2026-11-22T10:00:05Z".parse().unwrap()),
        kinds: vec![HitKind::Session],
        ..Query::default()
    };
    assert_eq!(bench.index.search(&later).unwrap().total, 1);
}

#[tokio::test]
async fn hits_are_paged_newest_first_with_a_total() {
    let bench = Bench::typed(&TYPED).await;
    let page = |offset| {
        let query = Query { text: "source:typed".to_owned(), limit: 3, offset, ..Query::default() };
        bench.index.search(&query).unwrap()
    };
    let all: Vec<String> = [0, 3, 6].into_iter().flat_map(|offset| page(offset).hits).map(|hit| hit.text).collect();
    let newest_first: Vec<&str> = TYPED.into_iter().rev().collect();
    assert_eq!(all, newest_first);
    assert_eq!(page(6).total, TYPED.len());
    let beyond = Query { offset: 9_990, limit: 20, ..Query::default() };
    assert!(bench.index.search(&beyond).unwrap_err().to_string().contains("cannot be paged to"));
}

#[tokio::test]
async fn hostile_text_is_indexed_and_shown_as_it_is() {
    let hostile = [
        "<script>alert(1)</script>".to_owned(),
        "a\u{0}b \u{1b}[31m \u{202e} \u{feff}".to_owned(),
        "x".repeat(1 << 20),
        "漢字 ".repeat(50_000),
        "'\"`".repeat(1000),
        "İ".repeat(300),
    ];
    let typed: Vec<&str> = hostile.iter().map(String::as_str).collect();
    let mut bench = Bench::new();
    bench.library.record(&Session::default(), Outcome::ClientGone, &typed).await;
    bench.step().await;
    assert_eq!(texts(&bench.index, "script"), [&*hostile[0]]);
    let long = texts(&bench.index, "漢字").remove(0);
    let shown = long.strip_suffix('…').unwrap();
    assert!(hostile[3].starts_with(shown) && shown.len() > 16_000);
    let hits = find(&bench.index, "source:typed");
    assert_eq!(hits.len(), hostile.len());
    for text in ["a", "x*", "İ*", "漢*", "script"] {
        for hit in find(&bench.index, text) {
            assert!(hit.snippet.text.len() < 300);
            for range in hit.snippet.ranges {
                assert!(hit.snippet.text.get(range.clone()).is_some(), "{text}: {range:?}");
            }
        }
    }
}

#[tokio::test]
async fn hostile_queries_are_answered_or_explained() {
    let bench = Bench::typed(&TYPED).await;
    let parts = [
        "\"",
        "-",
        "*",
        ":",
        "user:",
        "-user:\"",
        "a",
        "\u{0}",
        "漢",
        "(",
        "OR",
        "AND",
        "\\",
        "{",
        "]",
        " ",
        "^",
        "~2",
        "\u{10ffff}*",
        "re:",
        "re:(",
        "re:.*",
        "when:",
        "when:..",
        "when:last 2h",
        "exit:>",
        "exit:1..",
        "user:(",
        "NOT ",
        ")",
        "*a*",
        "session:",
        "code:>=400",
    ];
    // A fixed walk over all kinds of combinations: the same in every run.
    let mut state = 1u64;
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..6 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(parts[(state >> 33) as usize % parts.len()]);
        }
        if let Err(error) = bench.index.search(&Query { text: text.clone(), ..Query::default() }) {
            assert!(matches!(error, search::SearchError::Query(_)), "{text:?}: {error:?}");
        }
    }
}

//! The language, over a small library.

use recording::Outcome;
use search::{HitCursor, HitKind, Order, Query};

use crate::{
    Bench,
    library::{Session, texts},
};

const TYPED: [&str; 10] = [
    "curl -s http://10.0.3.7:8080/health",
    "kubectl set image deploy/web app=registry.example.com/team/web:1.27",
    "kubectl delete pod nginx-7d4b9c5f6-x2x9z --force",
    "cat /var/log/nginx/error.log",
    "grep -rn 550e8400-e29b-41d4-a716-446655440000 .",
    "wget 'https://example.org/a?b=c'",
    "echo 使用漢字的 Grüße",
    "kubectl get pod nginx-1",
    "rm -rf /var/tmp/*.log",
    "(cd /srv && ls)",
];

#[tokio::test]
async fn each_kind_of_word_is_found() {
    let bench = Bench::typed(&TYPED).await;
    let cases: [(&str, &[usize]); 40] = [
        ("10.0.3.7", &[0]),
        ("10.0.3.7:8080", &[0]),
        ("http://10.0.3.7:8080/health", &[0]),
        ("10-0-3-7", &[]),
        ("registry.example.com/team/web:1.27", &[1]),
        ("team/web", &[1]),
        ("web:1.27", &[1]),
        ("deploy/web", &[1]),
        ("nginx-7d4b9c5f6-x2x9z", &[2]),
        ("7d4b9c5f6", &[2]),
        ("nginx-7d4b9*", &[2]),
        ("nginx-*-x2x9z", &[2]),
        ("*-x2x9z", &[2]),
        ("re:nginx-[0-9]", &[7]),
        ("re:nginx-.+", &[2, 7]),
        ("re:\"NGINX-1\"", &[7]),
        ("--force", &[2]),
        ("/var/log/nginx/error.log", &[3]),
        ("log/nginx", &[3]),
        ("*.log", &[3, 8]),
        ("550e8400-e29b-41d4-a716-446655440000", &[4]),
        ("550e8400*", &[4]),
        ("漢字", &[6]),
        ("使用漢字的", &[6]),
        ("字漢", &[]),
        ("grüße", &[6]),
        ("\"kubectl get pod\"", &[7]),
        ("\"get kubectl\"", &[]),
        ("rm -rf", &[8]),
        ("-rf", &[8]),
        ("-rf rm", &[8]),
        ("rm -r", &[]),
        ("curl -s", &[0]),
        ("NOT -rf re:rm|ls", &[9]),
        ("kubectl -\"get pod\" -(set OR nothing)", &[2]),
        ("(curl OR wget) NOT health", &[5]),
        ("-source:request re:wget", &[5]),
        ("kubectl NOT (get OR set)", &[2]),
        ("curl OR wget OR cat", &[0, 3, 5]),
        ("\"cd /srv\"", &[9]),
    ];
    for (query, expected) in cases {
        let mut expected: Vec<&str> = expected.iter().map(|at| TYPED[*at]).collect();
        expected.reverse();
        assert_eq!(texts(&bench.index, &format!("source:typed ({query})")), expected, "{query}");
    }
}

#[tokio::test]
async fn times_are_seen_from_who_asks() {
    let bench = Bench::typed(&TYPED).await;
    let now = "2026-11-22T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
    let count = |text: &str| {
        let text = format!("source:typed {text}");
        bench
            .index
            .search(&Query { text, now: Some(std::clone::Clone::clone(&now)), ..Query::default() })
            .unwrap()
            .total
    };
    // Typed at 10:00:01 to 10:00:10 UTC, 11:00 in Berlin.
    assert_eq!(count("when:today"), 10);
    assert_eq!(count("when:11:00"), 10);
    assert_eq!(count("when:10:00"), 0);
    assert_eq!(count("when:yesterday"), 0);
    assert_eq!(count("when:last 2h kubectl"), 3);
    assert_eq!(count("when:30m"), 0);
    assert_eq!(count("when:2026-11-22T10:00:05Z.."), 6);
    assert_eq!(count("NOT when:today"), 0);
    assert_eq!(count("(when:yesterday OR kubectl)"), 3);
}

#[tokio::test]
async fn hits_come_in_the_order_asked_for() {
    let bench = Bench::typed(&TYPED).await;
    let first = |order, text: &str| {
        let query = Query { text: format!("source:typed {text}"), order, ..Query::default() };
        bench.index.search(&query).unwrap().hits.remove(0).text
    };
    assert_eq!(first(Order::Newest, "nginx"), TYPED[7]);
    assert_eq!(first(Order::Oldest, "nginx"), TYPED[2]);
    assert_eq!(first(Order::Relevance, "kubectl OR error.log"), TYPED[3]);
}

/// Thousands of hits, many of one moment, while others come.
#[tokio::test]
async fn pages_from_a_cursor_are_whole_and_stay() {
    let mut bench = Bench::new();
    let lines: Vec<String> = (0..1500).map(|number| format!("echo word number-{number}")).collect();
    let typed: Vec<&str> = lines.iter().map(String::as_str).collect();
    for number in 0..3 {
        bench.library.record(&Session { number, ..Session::default() }, Outcome::Ended, &typed).await;
    }
    bench.step().await;
    for order in [Order::Newest, Order::Oldest] {
        let mut seen = Vec::new();
        let mut after: Option<HitCursor> = None;
        loop {
            let query = Query { text: "word kind:command".into(), limit: 700, after, order, ..Query::default() };
            let page = bench.index.search(&query).unwrap();
            assert!(page.total >= 4500 && !page.more);
            seen.extend(page.hits.iter().map(|hit| (hit.at, hit.session, hit.text.clone())));
            let Some(next) = page.next else { break };
            after = Some(next.to_string().parse().unwrap());
            if order == Order::Newest && seen.len() < 1500 {
                let newer = Session { at: 7200, number: seen.len() as u16, ..Session::default() };
                bench.library.record(&newer, Outcome::Ended, &["echo word of a newer one"]).await;
                bench.step().await;
            }
        }
        let times: Vec<_> = seen.iter().map(|(at, ..)| *at).collect();
        assert!(if order == Order::Newest { times.is_sorted_by(|a, b| a >= b) } else { times.is_sorted() });
        let mut old: Vec<_> = seen.into_iter().filter(|(.., text)| text.contains("number-")).collect();
        old.sort_unstable();
        old.dedup();
        assert_eq!(old.len(), 4500);
    }
}

#[tokio::test]
async fn hits_are_counted_by_whom_and_where() {
    let mut bench = Bench::typed(&TYPED).await;
    let other = Session { user: "bob", namespace: "web", at: 5, ..Session::default() };
    bench.library.record(&other, Outcome::Ended, &["kubectl get nodes"]).await;
    bench.step().await;
    let query =
        Query { text: "kubectl".into(), kinds: vec![HitKind::Command], facets: true, limit: 1, ..Query::default() };
    let facets = bench.index.search(&query).unwrap().facets;
    let shown = |facet: &[search::Facet]| facet.iter().map(|f| format!("{} {}", f.value, f.count)).collect::<Vec<_>>();
    assert_eq!(shown(&facets.users), ["ada 3", "bob 1"]);
    assert_eq!(shown(&facets.namespaces), ["default 3", "web 1"]);
    assert_eq!(shown(&facets.pods), ["web-0 4"]);
    assert_eq!(shown(&facets.images), ["registry.example.com/web:1.27 4"]);
    assert_eq!(shown(&facets.kinds), ["command 4"]);
    assert_eq!(shown(&facets.days), ["2026-11-22 4"]);
}

#[tokio::test]
async fn days_are_those_of_who_asks() {
    let mut bench = Bench::new();
    // 22:30 and 23:30 in UTC, of which the second is tomorrow in Berlin, and 10:00 of the day before.
    for (number, at) in [(0, 45_000), (1, 48_600), (2, -86_400)] {
        bench.library.record(&Session { at, number, ..Session::default() }, Outcome::Ended, &[]).await;
    }
    bench.step().await;
    let days = |now: &str| {
        let now = Some(now.parse().unwrap());
        let query = Query { text: "kind:session".into(), facets: true, now, ..Query::default() };
        let facets = bench.index.search(&query).unwrap().facets;
        facets.days.iter().map(|day| format!("{} {}", day.value, day.count)).collect::<Vec<_>>()
    };
    assert_eq!(days("2026-11-22T12:00:00+00:00[UTC]"), ["2026-11-22 2", "2026-11-21 1"]);
    assert_eq!(days("2026-11-22T12:00:00+01:00[Europe/Berlin]"), ["2026-11-23 1", "2026-11-22 1", "2026-11-21 1"]);
}

#[tokio::test]
async fn an_image_finds_what_was_done_in_it() {
    let mut bench = Bench::typed(&TYPED).await;
    let other = Session { image: "docker.io/library/postgres:18", at: 5, ..Session::default() };
    bench.library.record(&other, Outcome::Ended, &["psql"]).await;
    bench.step().await;
    assert_eq!(texts(&bench.index, "source:typed image:docker.io/library/postgres:18"), ["psql"]);
    assert_eq!(texts(&bench.index, "source:typed image:*/postgres:*"), ["psql"]);
    assert_eq!(texts(&bench.index, "source:typed image:registry.example.com/web:1.27").len(), TYPED.len());
    let query = Query { image: Some("docker.io/library/postgres:18".into()), ..Query::default() };
    let hits = bench.index.search(&query).unwrap().hits;
    let mut found: Vec<_> = hits.iter().map(|hit| format!("{:?} {:?}", hit.kind, hit.source)).collect();
    found.sort_unstable();
    assert_eq!(found, ["Command Some(Argv)", "Command Some(Typed)", "Output None", "Session None"]);
}

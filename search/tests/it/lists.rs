//! Lists of sessions.

use std::collections::BTreeSet;

use recording::{Outcome, RecordingId, cast::SessionKind};
use search::{OutcomeFilter, SessionCursor, SessionFilter};

use crate::{
    Bench,
    library::{Library, Session},
};

fn ids(bench: &Bench, filter: &SessionFilter) -> Vec<RecordingId> {
    bench.index.sessions(filter).unwrap().rows.iter().map(|row| row.id).collect()
}

#[tokio::test]
async fn a_row_has_what_scripts_need() {
    let mut bench = Bench::new();
    let ended = Session { argv: vec!["sh", "-c", "exit 42"], ..Session::default() };
    bench.library.record(&ended, Outcome::Exited { exit_code: 42 }, &[]).await;
    let live = Session { at: 1, ..Session::default() };
    bench.library.begin(&live).await;
    bench.step().await;
    let page = bench.index.sessions(&SessionFilter::default()).unwrap();
    let json = serde_json::to_value(&page.rows).unwrap();
    assert_eq!(json[0]["outcome"], "live");
    assert!(json[0]["ended"].is_null() && json[0]["exit_code"].is_null());
    assert_eq!(json[1]["outcome"], "exited");
    assert_eq!(json[1]["exit_code"], 42);
    assert_eq!(json[1]["started"], "2026-11-22T10:00:00Z");
    assert_eq!(json[1]["ended"], "2026-11-22T10:01:00Z");
    assert_eq!(json[1]["argv"], serde_json::json!(["sh", "-c", "exit 42"]));
    for key in ["id", "user", "cluster", "namespace", "pod", "container", "tty"] {
        assert!(!json[0][key].is_null() && !json[1][key].is_null(), "{key}");
    }
    // The row that was read back is the row that was written.
    assert_eq!(bench.index.session(page.rows[1].id).unwrap().as_ref(), Some(&page.rows[1]));
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let mut bench = Bench::new();
    let library = bench.library.clone();
    let ada = library.record(&Session::default(), Outcome::Exited { exit_code: 0 }, &[]).await;
    let bob = Session {
        user: "bob",
        cluster: "test",
        namespace: "web",
        pod: "db-0",
        container: "pg",
        at: 60,
        ..Session::default()
    };
    let bob = library.record(&bob, Outcome::Exited { exit_code: 1 }, &[]).await;
    let forward = Session { kind: "port_forward", argv: vec![], at: 120, ..Session::default() };
    let forward = library.record(&forward, Outcome::Ended, &[]).await;
    let live = library.begin(&Session { at: 180, ..Session::default() }).await;
    bench.step().await;

    let all = SessionFilter::default;
    let text = |value: &str| Some(value.to_owned());
    assert_eq!(ids(&bench, &all()), [live, forward, bob, ada]);
    assert_eq!(ids(&bench, &SessionFilter { user: text("bob"), ..all() }), [bob]);
    assert_eq!(ids(&bench, &SessionFilter { user: text(""), ..all() }).len(), 4, "an empty form field");
    assert_eq!(ids(&bench, &SessionFilter { cluster: text("test"), ..all() }), [bob]);
    assert_eq!(ids(&bench, &SessionFilter { namespace: text("web"), ..all() }), [bob]);
    assert_eq!(ids(&bench, &SessionFilter { pod: text("db-0"), ..all() }), [bob]);
    assert_eq!(ids(&bench, &SessionFilter { container: text("pg"), ..all() }), [bob]);
    assert_eq!(ids(&bench, &SessionFilter { kind: Some(SessionKind::PortForward), ..all() }), [forward]);
    let outcome = |outcome| SessionFilter { outcome: Some(outcome), ..all() };
    assert_eq!(ids(&bench, &outcome(OutcomeFilter::Live)), [live]);
    assert_eq!(ids(&bench, &outcome(OutcomeFilter::Exited)), [bob, ada]);
    assert_eq!(ids(&bench, &outcome(OutcomeFilter::Failed)), [bob]);
    assert_eq!(ids(&bench, &outcome(OutcomeFilter::Unknown)), []);
    let from = Some("2026-11-22T10:01:00Z".parse().unwrap());
    let until = Some("2026-11-22T10:02:00Z".parse().unwrap());
    assert_eq!(ids(&bench, &SessionFilter { from, until, ..all() }), [bob]);
    let values = bench.index.values().unwrap();
    assert_eq!((values.users, values.clusters), (vec!["ada".into(), "bob".into()], vec!["prod".into(), "test".into()]));
}

/// Ten thousand sessions, many of one millisecond, while others begin.
#[tokio::test]
async fn pages_of_ten_thousand_sessions_are_stable() {
    let library = Library::new();
    let mut expected = BTreeSet::new();
    for number in 0..10_000u16 {
        let session = Session { at: i64::from(number / 500), number, ..Session::default() };
        library.end_only(&session).await;
        expected.insert(crate::library::header(&session).kubetape.id);
    }
    let mut bench = Bench::of(library);
    bench.step().await;

    let mut seen = Vec::new();
    let mut after: Option<SessionCursor> = None;
    loop {
        let filter = SessionFilter { limit: 700, after, ..SessionFilter::default() };
        let page = bench.index.sessions(&filter).unwrap();
        seen.extend(page.rows.iter().map(|row| row.id));
        let Some(next) = page.next else { break };
        // A cursor survives a URL, and a newer session moves no page.
        after = Some(next.to_string().parse().unwrap());
        if seen.len() < 3000 {
            let newer = Session { at: 3600, number: seen.len() as u16, ..Session::default() };
            bench.library.end_only(&newer).await;
            bench.step().await;
        }
    }
    let expected: Vec<_> = expected.into_iter().rev().collect();
    assert!(seen == expected, "{} of {}", seen.len(), expected.len());
}

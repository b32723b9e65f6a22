//! What sessions showed.

use recording::{
    Outcome,
    journal::{JournalEntry, JournalEvent},
};
use search::{HitKind, Query};

use crate::{
    Bench,
    library::{Session, find, request, texts},
};

/// A terminal's screen: a table in colours, a bar that moves, and an ordinary end.
const SCREEN: [(u64, &str); 5] = [
    (1_000_000, "$ ls /etc\r\n\u{1b}[1;34mnginx\u{1b}[0m  passwd\r\n"),
    (5_000_000, "$ fetch\r\n 1%\r 50%"),
    (5_050_000, "\r100%\r\n"),
    (9_000_000, "connection to 10.0.3.7 refused\r\n$ "),
    (12_000_000, "exit\r\n"),
];

#[tokio::test]
async fn a_line_is_found_at_the_moment_it_appeared() {
    let mut bench = Bench::new();
    let session = Session::default();
    let id = bench.library.begin(&session).await;
    bench.library.shows(id, 1, &SCREEN).await;
    bench.library.end(&session, Outcome::Exited { exit_code: 3 }, &[]).await;
    bench.step().await;
    let hit = find(&bench.index, "kind:output 10.0.3.7").remove(0);
    assert_eq!((hit.kind, hit.session, hit.source), (HitKind::Output, Some(id), None));
    assert_eq!((hit.user.as_str(), hit.pod.as_str()), ("ada", "web-0"));
    let moment = hit.offset.unwrap().get();
    assert!((9_000_000..=12_000_000).contains(&moment), "{moment}");
    let marked: Vec<&str> = hit.snippet.ranges.iter().map(|range| &hit.snippet.text[range.clone()]).collect();
    assert_eq!(marked, ["10.0.3.7"]);
    // Another line of the passage has one of the words, and comes first.
    let hit = find(&bench.index, "kind:output (nginx OR refused) (1 OR connection OR ls)").remove(0);
    assert!((9_000_000..=12_000_000).contains(&hit.offset.unwrap().get()), "{hit:?}");
    // Colours are gone, the bar is there as it was read last.
    assert!(
        hit.text.contains("nginx  passwd") && hit.text.contains("100%") && !hit.text.contains('\u{1b}'),
        "{}",
        hit.text
    );
    assert_eq!(find(&bench.index, "kind:output exit:3 tty:yes").len(), 1);
    assert_eq!(find(&bench.index, "kind:output exit:0").len(), 0);
}

#[tokio::test]
async fn a_live_session_is_found_as_it_goes_and_once_at_its_end() {
    let mut bench = Bench::new();
    let session = Session::default();
    let id = bench.library.begin(&session).await;
    bench.library.shows(id, 1, &SCREEN[..2]).await;
    bench.step().await;
    assert_eq!(find(&bench.index, "kind:output passwd outcome:live").len(), 1);
    bench.library.shows(id, 2, &SCREEN[2..4]).await;
    // What was read before is known no longer after a restart: it is read again, and nothing is there twice.
    let mut bench = bench.restart();
    bench.step().await;
    assert_eq!(find(&bench.index, "kind:output refused").len(), 1);
    assert_eq!(find(&bench.index, "kind:output passwd").len(), 1);
    bench.library.shows(id, 3, &SCREEN[4..]).await;
    bench.library.end(&session, Outcome::Exited { exit_code: 0 }, &[]).await;
    bench.step().await;
    assert_eq!(find(&bench.index, "kind:output refused").len(), 1);
    assert_eq!(find(&bench.index, "kind:output outcome:live").len(), 0);
    assert_eq!(find(&bench.index, "kind:output outcome:exited passwd").len(), 1);
}

#[tokio::test]
async fn the_last_field_of_a_line_without_blanks_is_found() {
    let mut bench = Bench::new();
    let session = Session::default();
    let mut log = String::from("{");
    for field in 0..18 {
        log += &format!("\"field-{field}\":\"v{field}.example/a\",");
    }
    log += "\"pod\":\"nginx-7d4b9c5f6-x2x9z\",\"peer\":\"10.0.3.7:8080\"}";
    let path = format!("PATH={}/opt/last/bin", "/usr/local/bin:".repeat(40));
    let id = bench.library.begin(&session).await;
    bench.library.shows(id, 1, &[(1_000_000, &format!("{log}\r\n{path}\r\n"))]).await;
    bench.library.end(&session, Outcome::Ended, &[]).await;
    bench.step().await;
    for text in ["10.0.3.7", "10.0.3.7:8080", "nginx-7d4b9c5f6-x2x9z", "v17.example/a", "/opt/last/bin"] {
        let hits = find(&bench.index, &format!("kind:output {text}"));
        assert_eq!(hits.len(), 1, "{text}");
        assert!(!hits[0].snippet.ranges.is_empty(), "{text}");
    }
}

#[tokio::test]
async fn a_word_over_the_cut_of_a_long_line_is_found() {
    let mut bench = Bench::new();
    let session = Session::default();
    let id = bench.library.begin(&session).await;
    // More than 4 KiB of words, so that the cut goes through one, and of fields without blanks.
    let words: String = (0..450).map(|number| format!("words-{number:04} ")).collect();
    let fields: String = (0..450).map(|number| format!("ff={number:04}.{number:04},")).collect();
    bench.library.shows(id, 1, &[(1_000_000, &format!("{words}\r\n{fields}\r\n"))]).await;
    bench.library.end(&session, Outcome::Ended, &[]).await;
    bench.step().await;
    for number in 0..450 {
        let text = format!("kind:output words-{number:04}");
        assert_eq!(find(&bench.index, &text).len(), 1, "{text}");
    }
    let found = |number: &u32| !find(&bench.index, &format!("kind:output {number:04}.{number:04}")).is_empty();
    let missing: Vec<u32> = (0..450).filter(|number| !found(number)).collect();
    assert_eq!(missing, Vec::<u32>::new());
}

#[tokio::test]
async fn secrets_are_neither_found_nor_shown() {
    let jwt = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let shown =
        format!("{jwt}\r\n-----BEGIN PRIVATE KEY-----\r\n{key}\r\n{key}\r\n-----END PRIVATE KEY-----\r\n$ \r\n");
    let session = Session { argv: vec!["mysql", "--password", "hunter2"], ..Session::default() };
    let mut bench = Bench::new();
    let id = bench.library.begin(&session).await;
    bench.library.shows(id, 1, &[(1_000_000, &shown)]).await;
    bench.library.end(&session, Outcome::Ended, &["export API_TOKEN=s3cr3ts3cr3t"]).await;
    // A command that does not exist is quoted by who says so.
    let missing = Session { argv: vec!["mysql -pS3cret"], number: 1, ..Session::default() };
    let message = "exec: \"mysql -pS3cret\": executable file not found in $PATH".to_owned();
    let failed = bench.library.record(&missing, Outcome::FailedToStart { message }, &[]).await;
    let ended = Session { number: 2, ..Session::default() };
    let reason = "he typed --token t0ps3cret".to_owned();
    let ended = bench.library.record(&ended, Outcome::EndedByGateway { reason, by: "eve".into() }, &[]).await;
    bench.library.journal("gw-1", 0, &[claims("", "u-1"), claims("kubectl --token cl41med get", "u-1")]).await;
    bench.library.journal("gw-2", 0, &[claims("kubectl --token cl41med get", "u-2")]).await;
    bench.library.journal("gw-3", 0, &[claims("kubectl --token cl41med get", "")]).await;
    bench.step().await;
    for secret in [jwt, key, "hunter2", "s3cr3ts3cr3t", "S3cret", "t0ps3cret", "cl41med"] {
        assert_eq!(texts(&bench.index, secret), Vec::<String>::new(), "{secret}");
        let all = serde_json::to_string(&find(&bench.index, "")).unwrap();
        assert!(!all.contains(secret), "{secret} in {all}");
        let listed = [id, failed, ended].map(|id| bench.index.session(id).unwrap());
        let listed = serde_json::to_string(&listed).unwrap();
        assert!(!listed.contains(secret), "{secret} in {listed}");
    }
    assert_eq!(find(&bench.index, "\"executable file not found\" masked:option").len(), 1);
    assert_eq!(find(&bench.index, "source:request masked:option").len(), 3);
    assert_eq!(find(&bench.index, "masked:jwt").len(), 1);
    assert_eq!(find(&bench.index, "masked:private-key kind:output").len(), 1);
    assert_eq!(find(&bench.index, "kind:command mysql")[0].text, "mysql --password '[masked:option]'");
}

/// A request with this `Kubectl-Command`.
fn claims(command: &str, run: &str) -> JournalEntry {
    let mut entry = request("ada", 0, run, "web-0");
    if let JournalEvent::Request(request) = &mut entry.what {
        request.kubectl_command = command.to_owned();
    }
    entry
}

#[tokio::test]
async fn long_lines_and_much_output_are_found_in_parts() {
    let mut bench = Bench::new();
    let session = Session::default();
    let id = bench.library.begin(&session).await;
    let long = format!("start {} end-of-line\r\n", "x ".repeat(300_000));
    let many: String = (0..5000).map(|number| format!("row-{number}\r\n")).collect();
    bench
        .library
        .shows(id, 1, &[(1_000_000, &long), (2_000_000, &many), (9_000_000, "<script>alert(1)</script>\r\n")])
        .await;
    bench.library.end(&session, Outcome::Ended, &[]).await;
    bench.step().await;
    for text in ["end-of-line", "row-0", "row-2500", "row-4999", "\"<script>alert(1)</script>\""] {
        let query = Query { text: format!("kind:output {text}"), ..Query::default() };
        // The end of the long line is told twice: as it left the screen, and as it stood there.
        let most = if text == "end-of-line" { 2 } else { 1 };
        assert!((1..=most).contains(&bench.index.search(&query).unwrap().total), "{text}");
    }
}

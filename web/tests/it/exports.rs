use http::StatusCode;
use recording::{cast::Code, journal::JournalEvent};
use storage::journal::JournalReader;

use crate::{
    browser::Browser,
    sample::{self, Recording, target},
    site::Site,
};

#[tokio::test]
async fn a_recording_is_taken_away_as_a_file_and_that_is_journalled() {
    let store = sample::empty();
    let mut recording = Recording {
        target: target("demo", "default", "web-0\"; x=\"<b>", ""),
        ..Recording::exec("2026-11-22T10:00:00Z", &["make"])
    }
    .prints(10, "one\ntwo\n");
    recording.events.push((20, Code::Stderr, "careful\n".to_owned()));
    let id = recording.store(&store).await;
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;

    let mut get = async |query: &str| browser.get(&format!("/api/v1/sessions/{id}/download?{query}")).await;
    let stdout = get("format=raw").await;
    assert_eq!((stdout.status, stdout.body.as_str()), (StatusCode::OK, "one\ntwo\n"));
    assert_eq!(stdout.header("content-type"), "application/octet-stream");
    let name = format!("attachment; filename=\"web-0___x___b_-{id}.stdout.bin\"");
    assert_eq!(stdout.header("content-disposition"), name);
    assert_eq!(get("format=raw&stream=stderr").await.body, "careful\n");

    let text = get("format=text").await;
    assert!(text.body.contains("two") && text.header("content-type") == "text/plain; charset=utf-8");
    let first = |body: &str| serde_json::from_str::<serde_json::Value>(body.lines().next().unwrap()).unwrap();
    assert_eq!(first(&get("format=cast2").await.body)["version"], 2);
    assert_eq!(first(&get("format=cast3").await.body)["version"], 3);

    assert_eq!(get("format=gif").await.json()["error"], "invalid");
    let typed = Recording::terminal("2026-11-22T11:00:00Z", &["sh"]).store(&store).await;
    let stdin = browser.get(&format!("/api/v1/sessions/{typed}/download?format=raw&stream=stdin")).await;
    assert_eq!(stdin.status, StatusCode::NOT_FOUND);
    assert!(stdin.json()["message"].as_str().unwrap().contains("stdin is not in this recording"));
    site.close().await;
    assert_eq!(viewings(store).await, ["export"; 6]);
}

#[tokio::test]
async fn a_recording_is_played_in_segments_and_one_viewing_is_journalled_once() {
    let store = sample::empty();
    let id = Recording::terminal("2026-11-22T10:00:00Z", &["sh"]).types(100, "id", "uid=0\n").store(&store).await;
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;

    assert_eq!(browser.get(&format!("/sessions/{id}")).await.status, StatusCode::OK);
    let index = browser.get(&format!("/api/v1/sessions/{id}/player/index.json")).await.json();
    assert_eq!((&index["version"], &index["term"]["cols"]), (&1.into(), &80.into()));
    let segment = index["segments"][0]["url"].as_str().unwrap();
    let segment = browser.get(&format!("/api/v1/sessions/{id}/player/{segment}")).await.json();
    assert!(segment["events"].as_array().unwrap().iter().any(|event| event[2] == "uid=0\r\n"), "{segment}");
    let beyond = browser.get(&format!("/api/v1/sessions/{id}/player/99.json")).await;
    assert_eq!((beyond.status, &beyond.json()["error"]), (StatusCode::NOT_FOUND, &"not_found".into()));

    let commands = browser.get(&format!("/api/v1/sessions/{id}/commands")).await.json();
    assert_eq!((&commands[0]["source"], &commands[1]["text"]), (&"argv".into(), &"id".into()));
    let session = browser.get(&format!("/api/v1/sessions/{id}")).await.json();
    assert_eq!((&session["session"]["tty"], &session["manifest"]["exit_code"]), (&true.into(), &0.into()));
    let text = browser.get(&format!("/sessions/{id}/text")).await.body;
    assert!(text.contains("uid=0"), "{text}");
    site.close().await;
    assert_eq!(viewings(store).await, ["play"]);
}

#[tokio::test]
async fn what_cannot_be_journalled_is_not_shown() {
    let store = sample::empty();
    let id = Recording::exec("2026-11-22T10:00:00Z", &["id"]).prints(1, "uid=0\n").store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    site.close_journal().await;
    for path in ["sessions/ID", "sessions/ID/text", "api/v1/sessions/ID/download?format=raw", "api/v1/sessions/ID"] {
        let reply = browser.get(&format!("/{}", path.replace("ID", &id.to_string()))).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!reply.body.contains("uid=0"), "{path}");
    }
}

async fn viewings(store: std::sync::Arc<dyn storage::Store>) -> Vec<String> {
    let reader = JournalReader::new(store);
    let mut how = Vec::new();
    for object in reader.list("gateway-1", None, 100).await.unwrap() {
        let entries = reader.read(&object).await.unwrap();
        for entry in entries {
            if let JournalEvent::Viewed { how: viewed, .. } = entry.what {
                assert_eq!((entry.user.as_str(), entry.from.as_str()), ("auditor@example.com", "127.0.0.1"));
                how.push(viewed);
            }
        }
    }
    how
}

use std::sync::Arc;

use http::StatusCode;
use recording::journal::{JournalEvent, SearchRequest};
use storage::{Store, journal::JournalReader};

use crate::{
    browser::Browser,
    sample::{self, Recording},
    site::Site,
};

/// A store with a session that printed and one that was typed in.
async fn store() -> Arc<dyn Store> {
    let store = sample::empty();
    Recording::exec("2026-11-22T10:00:00Z", &["make"]).prints(10, "the needle is here\n").store(&store).await;
    Recording::terminal("2026-11-22T11:00:00Z", &["sh"]).types(100, "grep thimble", "").store(&store).await;
    store
}

async fn searched(store: Arc<dyn Store>) -> Vec<(String, SearchRequest)> {
    let reader = JournalReader::new(store);
    let mut searches = Vec::new();
    for object in reader.list("gateway-1", None, 100).await.unwrap() {
        let entries = reader.read(&object).await.unwrap();
        searches.extend(entries.into_iter().filter_map(|entry| match entry.what {
            JournalEvent::Searched(search) => Some((entry.user, search)),
            _ => None,
        }));
    }
    searches
}

#[tokio::test]
async fn a_search_that_shows_passages_is_journalled_once_for_its_pages() {
    let store = store().await;
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    for path in [
        "/search?q=needle&kind=output",
        "/search?q=needle&kind=output&order=oldest&limit=10",
        "/api/v1/search?q=needle&kind=output",
    ] {
        let reply = browser.get(path).await;
        assert!(reply.status == StatusCode::OK && reply.body.contains("is here"), "{path}: {}", reply.body);
    }
    let reply = browser.get("/api/v1/search?q=grep&kind=command&user=ada@example.com").await;
    assert_eq!(reply.json()["total"], 1);
    site.close().await;

    let by = "auditor@example.com".to_owned();
    let output = SearchRequest { query: "needle".into(), kinds: vec!["output".into()], hits: 1, ..Default::default() };
    let typed = SearchRequest {
        query: "grep".into(),
        kinds: vec!["command".into()],
        filters: [("user".to_owned(), "ada@example.com".to_owned())].into(),
        hits: 1,
    };
    assert_eq!(searched(store).await, [(by.clone(), output), (by, typed)]);
}

#[tokio::test]
async fn a_search_that_shows_no_passage_is_not_journalled() {
    let store = store().await;
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    for path in ["/search", "/search?q=nothinglikeit", "/search?q=make&kind=session", "/requests", "/search?q=%22"] {
        assert_eq!(browser.get(path).await.status, StatusCode::OK, "{path}");
    }
    site.close().await;
    assert_eq!(searched(store).await, []);
}

#[tokio::test]
async fn a_search_that_cannot_be_journalled_shows_nothing() {
    let site = Site::open(store().await, "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    site.close_journal().await;
    for path in ["/search?q=needle", "/api/v1/search?q=needle"] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(!reply.body.contains("is here"), "{path}");
    }
}

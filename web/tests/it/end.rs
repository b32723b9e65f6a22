use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode};

use crate::{
    browser::{Browser, Reply},
    sample::{self, Recording},
    site::Site,
};

async fn end(browser: &mut Browser<'_>, origin: &str, body: &str) -> Reply {
    let id = uuid::Uuid::now_v7();
    let uri = browser.uri(&format!("/api/v1/sessions/{id}/end"));
    let request = Request::builder().method(Method::POST).uri(uri).header("origin", origin);
    browser.send(request.header("content-type", "application/json"), body).await
}

#[tokio::test]
async fn a_session_is_ended_by_who_is_logged_in_from_the_sites_own_pages_with_a_reason() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let here = format!("http://{}", site.address);
    let mut stranger = Browser::new(&site);
    assert_eq!(end(&mut stranger, &here, r#"{"reason":"enough"}"#).await.status, StatusCode::UNAUTHORIZED);
    let mut browser = Browser::logged_in(&site).await;
    let foreign = end(&mut browser, "http://evil.example", r#"{"reason":"enough"}"#).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let ended = end(&mut browser, &here, r#"{"reason":"enough"}"#).await;
    assert_eq!(ended.status, StatusCode::OK);
    assert!(ended.json()["ended"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    let gone = end(&mut browser, &here, r#"{"reason":"gone"}"#).await;
    assert_eq!((gone.status, gone.json()["error"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
    for body in [r#"{"reason":"\u001b[2J"}"#, "{}", "no json"] {
        let wrong = end(&mut browser, &here, body).await;
        assert_eq!(
            (wrong.status, wrong.json()["error"].as_str()),
            (StatusCode::BAD_REQUEST, Some("invalid")),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_form_of_a_sessions_page_ends_it_and_says_what_is_wrong_beside_itself() {
    let store = sample::empty();
    // It began after the gateway of this process did, so it is not taken for lost.
    let live = Recording { outcome: None, ..Recording::terminal("2099-01-01T00:00:00Z", &["sh"]) };
    let id = live.store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let address = format!("/sessions/{id}/end");
    let mut stranger = Browser::new(&site);
    let sent = stranger.post(&address, "reason=enough").await;
    assert!(sent.header("location").starts_with("/login"), "{}", sent.status);
    let mut browser = Browser::logged_in(&site).await;
    assert_eq!(browser.post_from("http://evil.example", &address, "reason=enough").await.status, StatusCode::FORBIDDEN);
    assert!(browser.get(&format!("/sessions/{id}")).await.body.contains(&format!("action=\"{address}\"")));
    let wrong = browser.post(&address, "reason=%22not+this").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains(r#"role="alert""#) && wrong.body.contains("may not say"), "{}", wrong.body);
    assert!(wrong.body.contains(r#"value="&#34;not this""#), "the reason stays: {}", wrong.body);
    let gone = browser.post(&address, "reason=gone").await;
    assert!(gone.body.contains("may have ended a moment ago"), "{}", gone.body);
    let asked = Instant::now();
    let ended = browser.post(&address, "reason=enough").await;
    assert_eq!((ended.status, ended.header("location")), (StatusCode::SEE_OTHER, address.trim_end_matches("/end")));
    // This store never has the end. The gateway said that it does, and nobody asks the store until the wait's bound, 3 s.
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

use http::{Method, Request, StatusCode};

use crate::{
    browser::{Browser, Reply},
    sample,
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

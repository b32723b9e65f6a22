//! A person is shut out by a button and by the API, and let in again.

use http::{Method, Request, StatusCode};

use crate::{
    browser::Browser,
    sample::{self, Recording},
    site::Site,
};

#[tokio::test]
async fn a_person_is_locked_out_from_the_page_of_one_of_their_sessions() {
    let store = sample::empty();
    let recording = Recording::terminal("2026-11-20T10:00:00Z", &["sh"]);
    let id = recording.store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let mut auditor = Browser::logged_in(&site).await;
    let address = format!("/sessions/{id}");
    let page = auditor.get(&address).await.body;
    assert!(page.contains(&format!("action=\"{address}/lock\"")) && !page.contains("Locked out"), "{page}");

    let wrong = auditor.post(&format!("{address}/lock"), "reason=").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.body.contains("Nothing was done") && wrong.body.contains("Say why"), "{}", wrong.body);
    let foreign = auditor.post_from("http://evil.example", &format!("{address}/lock"), "reason=stolen").await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);

    let locked = auditor.post(&format!("{address}/lock"), "reason=stolen").await;
    assert_eq!((locked.status, locked.header("location")), (StatusCode::SEE_OTHER, address.as_str()));
    let page = auditor.get(&address).await.body;
    assert!(page.contains("Locked out") && page.contains("stolen") && page.contains("auditor@example.com"), "{page}");
    auditor.post(&format!("{address}/unlock"), "").await;
    assert!(!auditor.get(&address).await.body.contains("Locked out"));
}

#[tokio::test]
async fn a_locked_person_is_logged_out_and_cannot_log_in_by_password_or_link() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut ada = Browser::new(&site);
    ada.post("/login", "user=ada&password=correct+horse").await;
    assert_eq!(ada.get("/sessions").await.status, StatusCode::OK);
    let link = site.links.create("ada", std::time::Duration::from_secs(60)).unwrap();
    let mut auditor = Browser::logged_in(&site).await;
    let ask = async |auditor: &mut Browser<'_>, path: &str, body: &str| {
        let request = Request::builder().method(Method::POST).uri(auditor.uri(path));
        let request = request.header("origin", format!("http://{}", site.address));
        auditor.send(request.header("content-type", "application/json"), body).await
    };
    let mut stranger = Browser::new(&site);
    let refused = ask(&mut stranger, "/api/v1/people/ada/lock", r#"{"reason":"stolen"}"#).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let locked = ask(&mut auditor, "/api/v1/people/ada/lock", r#"{"reason":"stolen"}"#).await;
    assert_eq!((locked.status, locked.json()["streams"].as_u64()), (StatusCode::OK, Some(2)));

    assert!(ada.get("/sessions").await.header("location").starts_with("/login"));
    let refused = Browser::new(&site).post("/login", "user=ada&password=correct+horse").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("locked out"), "{}", refused.body);
    assert_eq!(Browser::new(&site).post(&link, "").await.status, StatusCode::FORBIDDEN);

    let unlocked = ask(&mut auditor, "/api/v1/people/ada/unlock", "").await;
    assert_eq!(unlocked.status, StatusCode::OK);
    assert_eq!(ask(&mut auditor, "/api/v1/people/ada/unlock", "").await.status, StatusCode::NOT_FOUND);
    let mut again = Browser::new(&site);
    again.post("/login", "user=ada&password=correct+horse").await;
    assert_eq!(again.get("/sessions").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_locks_themselves_out() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut auditor = Browser::logged_in(&site).await;
    let path = "/api/v1/people/auditor%40example.com/lock";
    let request = Request::builder().method(Method::POST).uri(auditor.uri(path));
    let request = request.header("origin", format!("http://{}", site.address));
    let refused = auditor.send(request.header("content-type", "application/json"), r#"{"reason":"x"}"#).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(auditor.get("/sessions").await.status, StatusCode::OK);
}

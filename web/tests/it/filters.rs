use http::StatusCode;
use recording::{Outcome, cast::SessionKind};

use crate::{
    browser::Browser,
    sample::{self, Recording, target},
    site::Site,
};

async fn site() -> Site {
    let store = sample::empty();
    let bo = Recording {
        user: "bo".to_owned(),
        outcome: Some(Outcome::Exited { exit_code: 7 }),
        target: target("prod", "payments", "ledger-0", "main"),
        ..Recording::exec("2026-11-20T10:00:00Z", &["false"])
    };
    bo.store(&store).await;
    let live = Recording { outcome: None, ..Recording::terminal("2026-11-21T10:00:00Z", &["bash"]) };
    live.types(100, "cat /etc/passwd", "root:x:0:0\n").store(&store).await;
    let forward = Recording {
        kind: SessionKind::PortForward,
        outcome: Some(Outcome::Ended),
        ..Recording::exec("2026-11-22T10:00:00Z", &[])
    };
    forward.store(&store).await;
    Recording::exec("2026-11-22T11:00:00Z", &["ls", "/srv"]).store(&store).await;
    Site::open(store, "127.0.0.1:0").await
}

async fn commands(browser: &mut Browser<'_>, query: &str) -> Vec<String> {
    let reply = browser.get(&format!("/api/v1/sessions?{query}")).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
    let rows = reply.json()["sessions"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| row["argv"].as_array().unwrap().first().map_or("-", |v| v.as_str().unwrap()).to_owned())
        .collect()
}

#[tokio::test]
async fn the_server_filters_the_list() {
    let site = site().await;
    let mut browser = Browser::logged_in(&site).await;
    let mut found = async |query: &str| commands(&mut browser, query).await;
    assert_eq!(found("").await, ["ls", "-", "bash", "false"]);
    assert_eq!(found("user=bo").await, ["false"]);
    assert_eq!(found("cluster=demo&pod=web-0&container=app").await, ["ls", "-", "bash"]);
    assert_eq!(found("namespace=payments").await, ["false"]);
    assert_eq!(found("outcome=live").await, ["bash"]);
    assert_eq!(found("outcome=failed").await, ["false"]);
    assert_eq!(found("kind=port_forward").await, ["-"]);
    assert_eq!(found("from=2026-11-21&until=2026-11-21").await, ["bash"]);
    assert_eq!(found("from=2026-11-22T10:30").await, ["ls"]);
    assert!(found("user=nobody").await.is_empty());
}

#[tokio::test]
async fn pages_follow_each_other() {
    let site = site().await;
    let mut browser = Browser::logged_in(&site).await;
    let first = browser.get("/api/v1/sessions?limit=3").await.json();
    assert_eq!((first["sessions"].as_array().unwrap().len(), &first["total"]), (3, &4.into()));
    let next = format!("limit=3&after={}", first["next"].as_str().unwrap());
    assert_eq!(commands(&mut browser, &next).await, ["false"]);
    let page = browser.get(&format!("/?{next}")).await;
    assert!(page.body.contains(">false<") && !page.body.contains("rel=\"next\""), "{}", page.body);
}

#[tokio::test]
async fn the_page_shows_the_same_and_keeps_the_form() {
    let site = site().await;
    let mut browser = Browser::logged_in(&site).await;
    let page = browser.get("/?user=bo&outcome=failed&from=2026-11-20T09:00").await.body;
    assert!(page.contains("exit 7") && page.contains("ledger-0") && !page.contains("/srv"));
    assert!(page.contains(r#"value="bo""#) && page.contains(r#"value="2026-11-20T09:00""#), "{page}");
    assert!(browser.get("/?user=nobody").await.body.contains("No session matches"));
}

#[tokio::test]
async fn what_cannot_be_understood_is_said() {
    let site = site().await;
    let mut browser = Browser::logged_in(&site).await;
    let page = browser.get("/?from=soon").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains("2026-11-22"));
    let api = browser.get("/api/v1/sessions?outcome=fine").await;
    assert_eq!((api.status, &api.json()["error"]), (StatusCode::BAD_REQUEST, &"invalid".into()));
    let unclear = browser.get("/search?q=%22open").await;
    assert_eq!(unclear.status, StatusCode::OK);
    assert!(unclear.body.contains("quotation mark is not closed"));
    assert_eq!(browser.get("/sessions/not-an-id").await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/sessions/019aab80-0000-7000-8000-000000000000").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_empty_site_says_what_to_do() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let page = Browser::logged_in(&site).await.get("/").await.body;
    assert!(page.contains("Nothing has been recorded yet") && page.contains("kubectl --kubeconfig"));
}

#[tokio::test]
async fn a_hit_leads_to_the_second_and_the_session_of_it() {
    let site = site().await;
    let mut browser = Browser::logged_in(&site).await;
    let hits = browser.get("/api/v1/search?q=/etc/passwd").await.json();
    let hit = &hits["hits"][0];
    assert_eq!((&hit["source"], &hit["text"]), (&"typed".into(), &"cat /etc/passwd".into()));
    let page = browser.get("/search?q=/etc/passwd").await.body;
    assert!(page.contains("<mark>/etc/passwd</mark>"), "{page}");
    let link = format!("/sessions/{}?t={}", hit["session"].as_str().unwrap(), hit["offset"]);
    assert!(page.contains(&format!("href=\"{link}\"")), "{link} in {page}");

    let session = browser.get(&link).await.body;
    assert!(session.contains(&format!("data-start=\"{}\"", hit["offset"])));
    assert!(session.contains("<p>No end "));
}

#[tokio::test]
async fn a_session_that_its_gateway_did_not_outlive_is_not_called_live() {
    let store = sample::empty();
    let open = |started| Recording { outcome: None, ..Recording::terminal(started, &["bash"]) };
    let lost = open("2001-01-01T10:00:00Z").prints(100, "hello").store(&store).await;
    let live = open("2999-01-01T10:00:00Z").prints(100, "hello").store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    let list = browser.get("/").await.body;
    assert_eq!((list.matches("badge live").count(), list.matches(">no end recorded<").count()), (1, 1), "{list}");
    let page = browser.get(&format!("/sessions/{lost}")).await.body;
    assert!(page.contains(">no end recorded<") && page.contains("was restarted since"), "{page}");
    assert!(!page.contains("badge live") && !page.contains("data-live"), "{page}");
    let page = browser.get(&format!("/sessions/{live}")).await.body;
    assert!(page.contains("badge live") && page.contains("data-live"), "{page}");
}

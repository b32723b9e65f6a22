use http::{Request, StatusCode};
use recording::journal::JournalEvent;
use storage::journal::JournalReader;

use crate::{
    browser::{Browser, Reply},
    sample,
    site::{Options, Site},
};

#[tokio::test]
async fn a_password_opens_the_door_and_leads_to_where_one_was() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut browser = Browser::new(&site);

    let reply = browser.get("/search?q=rm").await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/login?next=%2Fsearch%3Fq%3Drm"));
    let form = browser.get("/login?next=%2Fsearch%3Fq%3Drm").await;
    assert!(form.body.contains(r#"name="next" value="/search?q=rm""#), "{}", form.body);

    let wrong = browser.post("/login", "user=ada&password=wrong&next=/").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.body.contains("do not belong together") && !wrong.headers.contains_key("set-cookie"));
    let unknown = browser.post("/login", "user=nobody&password=wrong&next=/").await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);

    let right = browser.post("/login", "user=ada&password=correct+horse&next=%2Fsearch%3Fq%3Drm").await;
    assert_eq!((right.status, right.header("location")), (StatusCode::SEE_OTHER, "/search?q=rm"));
    let cookie = right.header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    assert_eq!(browser.get("/search?q=rm").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    for next in ["https://evil.example", "//evil.example", "/%5Cevil.example", "/%09/evil.example"] {
        let reply = Browser::new(&site).post("/login", &format!("user=ada&password=correct+horse&next={next}")).await;
        assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/"), "{next}");
    }
}

#[tokio::test]
async fn a_link_can_be_looked_at_and_used_once() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    for _preview in 0..3 {
        let seen = Browser::new(&site).get(&site.link).await;
        assert_eq!(seen.status, StatusCode::OK);
        assert!(seen.body.contains("auditor@example.com") && !seen.headers.contains_key("set-cookie"));
    }
    let mut first = Browser::logged_in(&site).await;
    assert_eq!(first.get("/").await.status, StatusCode::OK);

    let second = Browser::new(&site).post(&site.link, "").await;
    assert_eq!(second.status, StatusCode::GONE);
    assert!(!second.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn logging_out_ends_the_login_itself() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    let cookie = browser.cookie.clone();

    let reply = browser.post("/logout", "").await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/login"));
    browser.cookie = cookie;
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_post_from_another_site_changes_nothing() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;

    assert_eq!(browser.post_from("https://evil.example", "/logout", "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post_from("null", "/logout", "").await.status, StatusCode::FORBIDDEN);
    let request = Request::builder().method("POST").uri(browser.uri("/logout")).header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(request, "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn guessing_ends_after_ten_attempts() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut browser = Browser::new(&site);
    for _ in 0..10 {
        assert_eq!(browser.post("/login", "user=ada&password=guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let right = browser.post("/login", "user=ada&password=correct+horse").await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!right.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn who_is_not_logged_in_sees_nothing_and_the_api_says_so() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut browser = Browser::new(&site);
    browser.cookie = "kubetape=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    for path in ["/", "/sessions", "/sessions/x", "/sessions/x/text", "/search"] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{path}");
        assert!(reply.header("location").starts_with("/login"), "{path}");
    }
    for path in ["sessions", "sessions/x", "sessions/x/download?format=raw", "sessions/x/player/0.json", "search", "x"]
    {
        let reply = browser.get(&format!("/api/v1/{path}")).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(reply.json()["error"], "unauthenticated");
    }
}

#[tokio::test]
async fn logins_are_in_the_journal_with_how_and_never_with_the_password() {
    let store = sample::empty();
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    Browser::new(&site).post("/login", "user=ada&password=hunter2hunter2").await;
    Browser::new(&site).post("/login", "user=ada&password=correct+horse").await;
    Browser::logged_in(&site).await;
    site.close().await;

    let mut noted = Vec::new();
    let reader = JournalReader::new(store.clone());
    for object in reader.list("gateway-1", None, 100).await.unwrap() {
        noted.extend(reader.read(&object).await.unwrap());
    }
    let login = |ok, method: &str, claimed: &str| JournalEvent::Login {
        ok,
        method: method.to_owned(),
        client: "127.0.0.1".to_owned(),
        agent: String::new(),
        claimed: claimed.to_owned(),
    };
    let noted: Vec<_> = noted.into_iter().map(|entry| (entry.user, entry.what)).collect();
    assert_eq!(
        noted,
        [
            (String::new(), login(false, "password", "ada")),
            ("ada".to_owned(), login(true, "password", "")),
            ("auditor@example.com".to_owned(), login(true, "link", "")),
        ]
    );
}

/// Logs in as a proxy forwards it.
async fn forwarded(browser: &mut Browser<'_>, from: &str, form: &str) -> Reply {
    let request = Request::builder().method("POST").uri(browser.uri("/login")).header("x-forwarded-for", from);
    browser.send(request.header("content-type", "application/x-www-form-urlencoded"), form).await
}

#[tokio::test]
async fn behind_a_proxy_one_stranger_locks_out_nobody_else() {
    for trusted_proxies in [&[][..], &["127.0.0.0/8"]] {
        let options = Options { behind_tls: true, trusted_proxies, ..Options::default() };
        let site = Site::open_with(sample::empty(), "127.0.0.1:0", options).await;
        let mut browser = Browser::new(&site);
        for n in 0..61 {
            forwarded(&mut browser, "203.0.113.66", &format!("user=guess{n}&password=guess")).await;
        }
        let ada = forwarded(&mut browser, "198.51.100.7", "user=ada&password=correct+horse").await;
        assert_eq!(ada.status, StatusCode::SEE_OTHER, "{trusted_proxies:?}");
        let stranger = forwarded(&mut browser, "203.0.113.66", "user=bo&password=guess").await;
        let refused = StatusCode::TOO_MANY_REQUESTS;
        let expected = if trusted_proxies.is_empty() { StatusCode::UNAUTHORIZED } else { refused };
        assert_eq!(stranger.status, expected, "{trusted_proxies:?}");
    }
}

#[tokio::test]
async fn a_person_who_logs_in_again_and_again_is_not_locked_out() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    for n in 0..70 {
        let reply = Browser::new(&site).post("/login", "user=ada&password=correct+horse").await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{n}");
    }
}

#[tokio::test]
async fn the_journal_has_the_persons_address_and_nobody_can_make_one_up() {
    for (options, client) in [
        (Options { behind_tls: true, trusted_proxies: &["127.0.0.1"], ..Options::default() }, "198.51.100.7"),
        (Options { behind_tls: true, ..Options::default() }, ""),
        (Options::default(), "127.0.0.1"),
    ] {
        let store = sample::empty();
        let site = Site::open_with(store.clone(), "127.0.0.1:0", options).await;
        forwarded(&mut Browser::new(&site), "192.0.2.1, 198.51.100.7", "user=ada&password=correct+horse").await;
        site.close().await;
        let reader = JournalReader::new(store);
        let object = reader.list("gateway-1", None, 1).await.unwrap().remove(0);
        let login = reader.read(&object).await.unwrap().remove(0);
        let JournalEvent::Login { ok: true, client: noted, .. } = login.what else { panic!("{login:?}") };
        assert_eq!(noted, client);
    }
}

/// One who used a link for `user`.
async fn linked<'a>(site: &'a Site, user: &str) -> Browser<'a> {
    let link = site.links.create(user, std::time::Duration::from_secs(3600)).unwrap();
    let mut browser = Browser::new(site);
    assert_eq!(browser.post(&link, "").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    browser
}

#[tokio::test]
async fn a_links_login_ends_with_its_user() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let (mut ada, mut auditor) = (linked(&site, "ada").await, linked(&site, "auditor@example.com").await);
    assert!(site.users.remove("ada").unwrap());
    let reply = ada.get("/").await;
    assert_eq!((reply.status, reply.header("location")), (StatusCode::SEE_OTHER, "/login"));
    assert_eq!(auditor.get("/").await.status, StatusCode::OK, "never had a password, and nobody removed them");
}

#[tokio::test]
async fn revoking_links_ends_the_logins_that_came_of_them() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut auditor = linked(&site, "auditor@example.com").await;
    let mut other = linked(&site, "other@example.com").await;
    assert_eq!(site.links.revoke("auditor@example.com").unwrap(), 1, "the site's own link was not used");
    assert_eq!(auditor.get("/").await.header("location"), "/login");
    assert_eq!(Browser::new(&site).post(&site.link, "").await.status, StatusCode::GONE);
    assert_eq!(other.get("/").await.status, StatusCode::OK);
    linked(&site, "auditor@example.com").await;
}

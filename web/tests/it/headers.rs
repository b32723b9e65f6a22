use http::{Request, StatusCode};

use crate::{browser::Browser, sample, sample::Recording, site::Site};

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let store = sample::empty();
    let id = Recording::exec("2026-11-22T10:00:00Z", &["id"]).prints(1, "uid=0\n").store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    let session = format!("/sessions/{id}");
    for path in ["/", "/login", "/search?q=id", &session, "/missing", "/sessions/missing", "/api/v1/sessions", "/api/x"]
    {
        let reply = browser.get(path).await;
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';"),
            "{path}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{path}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(reply.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        let inline = [" style=", "<style", "<script>", " onclick=", "javascript:"];
        assert!(inline.iter().all(|what| !reply.body.contains(what)), "{path}");
    }
}

#[tokio::test]
async fn assets_are_named_by_their_digest_and_kept() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let mut browser = Browser::new(&site);
    let page = browser.get("/login").await.body;
    let start = page.find("/assets/").unwrap();
    let icon = &page[start..start + page[start..].find('"').unwrap()];

    let reply = browser.get(icon).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.header("content-type"), "image/svg+xml");
    assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable");

    let request = Request::builder().uri(browser.uri(icon)).header("if-none-match", reply.header("etag"));
    assert_eq!(browser.send(request, "").await.status, StatusCode::NOT_MODIFIED);
    for missing in ["/assets/0000000000000000/style.css", "/assets/missing/../Cargo.toml", "/assets/x/nothing"] {
        assert_eq!(browser.get(missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_not_read() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let form = format!("user=ada&password={}", "x".repeat(65 * 1024));
    assert_eq!(Browser::new(&site).post("/login", &form).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

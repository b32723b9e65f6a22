use crate::{
    browser::Browser,
    sample::{self, Recording, target},
    site::Site,
};

const ATTACK: &str = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>";

#[tokio::test]
async fn what_others_wrote_is_text_everywhere() {
    let store = sample::empty();
    let attack = |name: &str| format!("{name}{ATTACK}");
    let recording = Recording {
        user: attack("user"),
        target: target(&attack("cluster"), &attack("ns"), &attack("pod"), &attack("container")),
        anomalies: vec![attack("anomaly")],
        ..Recording::terminal("2026-11-22T10:00:00Z", &["sh", "-c", &attack("needle")])
    };
    let id = recording.types(100, &attack("typed"), ATTACK).store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    let filled: String = form_urlencoded::byte_serialize(ATTACK.as_bytes()).collect();
    let pages = [
        "/".to_owned(),
        format!("/sessions/{id}"),
        format!("/sessions/{id}/text"),
        "/search?q=needle*".to_owned(),
        format!("/search?q={filled}&user={filled}&kind={filled}"),
        format!("/?user={filled}&from={filled}&outcome={filled}"),
        format!("/sessions/{id}?t={filled}"),
        format!("/login?next={filled}"),
        format!("/{filled}"),
    ];
    for path in pages {
        let body = browser.get(&path).await.body;
        assert!(!body.contains("<img") && !body.contains("alert(2)</script>"), "{path}: {body}");
    }
    let session = browser.get(&format!("/sessions/{id}")).await.body;
    for name in ["user", "cluster", "ns", "pod", "container", "anomaly", "needle", "typed"] {
        assert!(session.contains(&format!("{name}&#60;img")), "{name} in {session}");
    }
    let form = browser.post("/login", &format!("user={filled}&password=x&next={filled}")).await.body;
    assert!(form.contains("&#60;img") && !form.contains("<img"), "{form}");
}

#[tokio::test]
async fn what_would_hide_or_reorder_is_shown() {
    let store = sample::empty();
    let argv = ["echo", "safe\u{202e}exe.sh", "\u{1b}[2K", "a\nb"];
    let id = Recording::exec("2026-11-22T10:00:00Z", &argv).store(&store).await;
    let site = Site::open(store, "127.0.0.1:0").await;
    let mut browser = Browser::logged_in(&site).await;
    for path in ["/".to_owned(), format!("/sessions/{id}")] {
        let body = browser.get(&path).await.body;
        assert!(!body.contains('\u{202e}') && !body.contains('\u{1b}'), "{path}");
        assert!(body.contains("safe⟨U+202E⟩exe.sh") && body.contains("⟨ESC⟩[2K"), "{path}: {body}");
    }
}

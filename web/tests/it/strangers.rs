//! What people may do who have not logged in, and what one person may do who has.

use std::time::Duration;

use http::StatusCode;
use recording::journal::{ApiRequest, JournalEntry, JournalEvent};
use storage::{Store, journal::JournalReader};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    browser::Browser,
    sample,
    site::{Options, Site},
};

const SOON: Duration = Duration::from_secs(20);

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(site.address).await.unwrap()
}

/// Sends bytes, and gives what comes until the connection ends.
async fn until_closed(stream: &mut TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answers = Vec::new();
    let _ = timeout(SOON, stream.read_to_end(&mut answers)).await.expect("the connection is closed");
    String::from_utf8_lossy(&answers).into_owned()
}

/// An answer's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(SOON, stream.read_u8()).await.expect("an answer").unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn journal(store: std::sync::Arc<dyn Store>) -> Vec<JournalEntry> {
    let (reader, mut entries) = (JournalReader::new(store), Vec::new());
    for object in reader.list("gateway-1", None, 1000).await.unwrap() {
        entries.extend(reader.read(&object).await.unwrap());
    }
    entries
}

#[tokio::test]
async fn a_body_with_two_lengths_is_refused_on_every_request_of_a_connection() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let good = "HEAD /login HTTP/1.1\r\nHost: x\r\n\r\n";
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
    ] {
        for before in 0..3 {
            let mut stream = connect(&site).await;
            for _ in 0..before {
                stream.write_all(good.as_bytes()).await.unwrap();
                assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
            }
            let bad = format!("POST /login HTTP/1.1\r\nHost: x\r\n{lines}\r\n0\r\n\r\n{good}");
            let answers = until_closed(&mut stream, bad.as_bytes()).await;
            assert!(answers.starts_with("HTTP/1.1 400 "), "{lines:?} behind {before}: {answers}");
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "nothing behind it is answered: {answers}");
        }
    }
}

#[tokio::test]
async fn nobody_speaks_h2_to_the_pages() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let answers =
        until_closed(&mut connect(&site).await, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(!answers.contains('\u{4}') && !answers.starts_with('\0'), "no SETTINGS come back: {answers:?}");
    let upgrade = "GET /login HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answers = until_closed(&mut connect(&site).await, upgrade.as_bytes()).await;
    assert!(answers.starts_with("HTTP/1.1 200 ") && answers.contains("connection: close"), "{answers}");
}

#[tokio::test]
async fn of_a_full_address_the_oldest_stranger_has_to_go_and_who_is_logged_in_stays() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let ada = Browser::logged_in(&site).await;
    let request = format!("HEAD / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", ada.cookie);
    let mut person = connect(&site).await;
    person.write_all(request.as_bytes()).await.unwrap();
    assert!(head(&mut person).await.starts_with("HTTP/1.1 200 "));
    let mut strangers = Vec::new();
    // One address may have 256.
    for _ in 0..257 {
        strangers.push(connect(&site).await);
    }
    let closed = timeout(SOON, strangers[0].read(&mut [0; 1])).await.expect("the oldest is closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
    for stream in [&mut person, &mut strangers[256]] {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(head(stream).await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn one_person_has_a_bounded_number_of_connections() {
    let site = Site::open(sample::empty(), "127.0.0.1:0").await;
    let ada = Browser::logged_in(&site).await;
    let request = format!("GET /api/v1/x HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", ada.cookie);
    let mut connections = Vec::new();
    for n in 0..129 {
        let mut stream = connect(&site).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let expected = if n < 128 { "HTTP/1.1 404 " } else { "HTTP/1.1 429 " };
        assert!(head(&mut stream).await.starts_with(expected), "{n}");
        connections.push(stream);
    }
}

#[tokio::test]
async fn guessed_links_fill_no_journal_and_their_address_has_to_wait() {
    let store = sample::empty();
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    let mut guesser = Browser::new(&site);
    let mut answers = Vec::new();
    for n in 0..200 {
        let guess = format!("/login/link/{n:043}");
        answers.push(if n % 2 == 0 { guesser.post(&guess, "").await } else { guesser.get(&guess).await }.status);
    }
    assert_eq!(answers[..60], [StatusCode::GONE; 60]);
    assert_eq!(answers[60..], [StatusCode::TOO_MANY_REQUESTS; 140]);
    assert_eq!(guesser.post(&site.link, "").await.status, StatusCode::TOO_MANY_REQUESTS);
    site.close().await;
    let entries = journal(store).await;
    let more = |request: &ApiRequest| request.reason.split_once(" more logins")?.0.parse::<usize>().ok();
    let summed: usize = entries
        .iter()
        .filter_map(|entry| if let JournalEvent::Refused(request) = &entry.what { more(request) } else { None })
        .sum();
    let told = |entry: &&JournalEntry| match &entry.what {
        JournalEvent::Login { ok, method, client, .. } => !ok && method == "link" && client == "127.0.0.1",
        JournalEvent::Refused(request) => {
            more(request).is_none() && request.code == 429 && request.client == "127.0.0.1"
        }
        _ => false,
    };
    // Those that were looked at only (every second of the first sixty) are no attempts to log in.
    assert_eq!(entries.iter().filter(told).count() + summed, 30 + 141, "{entries:?}");
}

#[tokio::test]
async fn a_login_that_is_not_tried_leaves_a_trace() {
    let store = sample::empty();
    let site = Site::open(store.clone(), "127.0.0.1:0").await;
    let mut guesser = Browser::new(&site);
    for n in 0..11 {
        let reply = guesser.post("/login", "user=local%3Aroot&password=guess").await;
        let expected = if n < 10 { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(reply.status, expected, "{n}");
    }
    // Ten of these may have an entry each in a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(guesser.post("/login", "user=ada&password=guess").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(guesser.post("/login", "user=local%3Aroot&password=x").await.status, StatusCode::TOO_MANY_REQUESTS);
    site.close().await;
    let entries = journal(store).await;
    let throttled = entries.iter().filter(|entry| match &entry.what {
        JournalEvent::Refused(request) => {
            request.code == 429 && request.reason.contains("by password: not tried") && request.client == "127.0.0.1"
        }
        _ => false,
    });
    assert!(throttled.count() >= 1, "{entries:?}");
    assert!(
        entries.iter().all(|entry| entry.user.is_empty() || entry.user == "ada"),
        "a name that nobody can have is none"
    );
}

#[tokio::test]
async fn a_balancer_that_hands_connections_on_says_whose_they_are() {
    let options = Options { trusted_proxies: &["127.0.0.1"], proxy_protocol: true, ..Options::default() };
    let store = sample::empty();
    let site = Site::open_with(store.clone(), "127.0.0.1:0", options).await;
    let form = "user=ada&password=correct+horse";
    let login = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    let header = "PROXY TCP4 198.51.100.7 10.0.0.1 56324 443\r\n";
    let answer = until_closed(&mut connect(&site).await, format!("{header}{login}").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert_eq!(until_closed(&mut connect(&site).await, login.as_bytes()).await, "", "one without the header is closed");
    site.close().await;
    let clients: Vec<_> = journal(store)
        .await
        .into_iter()
        .filter_map(|entry| if let JournalEvent::Login { client, .. } = entry.what { Some(client) } else { None })
        .collect();
    assert_eq!(clients, ["198.51.100.7"]);
}

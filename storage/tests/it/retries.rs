//! S3's answers to one create, as a server on a bad day gives them.

use std::collections::VecDeque;

use recording::Key;
use storage::{S3, S3Credentials, S3Settings, Store, StoreError};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const LISTED: (u16, &str) = (200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
const BROKEN: (u16, &str) = (500, "<Error><Code>InternalError</Code></Error>");
const TAKEN: (u16, &str) = (412, "<Error><Code>PreconditionFailed</Code></Error>");
const CONFLICT: (u16, &str) = (409, "<Error><Code>ConditionalRequestConflict</Code></Error>");
const DENIED: (u16, &str) = (403, "<Error><Code>AccessDenied</Code></Error>");
const DONE: (u16, &str) = (200, "");

/// Gives the answers one after the other, and in the end the requests' first words: `PUT`, `GET`.
async fn server(answers: &[(u16, &'static str)]) -> (S3, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let mut answers: VecDeque<_> = [LISTED].iter().chain(answers).copied().collect();
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some((status, body)) = answers.pop_front() {
            let (stream, _) = listener.accept().await.unwrap();
            seen.push(answer(stream, status, body).await);
        }
        seen.split_off(1)
    });
    let text = |text: &str| Some(text.to_owned());
    let credentials = S3Credentials { access_key: text("a"), secret_key: text("s"), ..S3Credentials::default() };
    let settings = S3Settings {
        bucket: "b".to_owned(),
        prefix: String::new(),
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        path_style: true,
        credentials,
    };
    (S3::connect(settings).await.unwrap(), seen)
}

async fn answer(stream: TcpStream, status: u16, body: &str) -> String {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).await.unwrap() > 0, "a request that ends in its head");
        let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await.unwrap();
    let headers = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all((headers + body).as_bytes()).await.unwrap();
    head.split(' ').next().unwrap_or_default().to_owned()
}

async fn put(answers: &[(u16, &'static str)]) -> (Result<(), StoreError>, Vec<String>) {
    let (s3, seen) = server(answers).await;
    let result = s3.put_new(&Key::new("k").unwrap(), "ours".into()).await;
    (result, seen.await.unwrap())
}

#[tokio::test]
async fn what_exists_at_the_first_attempt_is_somebody_elses() {
    let (result, seen) = put(&[TAKEN]).await;
    assert!(matches!(result, Err(StoreError::Exists(_))), "{result:?}");
    assert_eq!(seen, ["PUT"]);
}

#[tokio::test]
async fn what_exists_after_a_lost_answer_may_be_our_own() {
    let (result, seen) = put(&[BROKEN, TAKEN, (200, "ours")]).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(seen, ["PUT", "PUT", "GET"]);
    let (result, _) = put(&[BROKEN, TAKEN, (200, "theirs")]).await;
    assert!(matches!(result, Err(StoreError::Exists(_))), "{result:?}");
}

#[tokio::test]
async fn a_conflict_of_two_writers_is_tried_again() {
    let (result, seen) = put(&[CONFLICT, DONE]).await;
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(seen, ["PUT", "PUT"]);
    let (result, seen) = put(&[CONFLICT, TAKEN]).await;
    assert!(matches!(result, Err(StoreError::Exists(_))), "the other writer won: {result:?}");
    assert_eq!(seen, ["PUT", "PUT"]);
}

#[tokio::test]
async fn attempts_are_counted_and_a_refusal_is_final() {
    let (result, seen) = put(&[BROKEN; 4]).await;
    assert!(matches!(&result, Err(StoreError::Failed { key, .. }) if key == "s3://b/k"), "{result:?}");
    assert_eq!(seen.len(), 4);
    let (result, seen) = put(&[DENIED]).await;
    assert!(matches!(result, Err(StoreError::Failed { .. })), "{result:?}");
    assert_eq!(seen.len(), 1);
}

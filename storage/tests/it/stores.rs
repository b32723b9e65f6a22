use std::sync::Arc;

use proptest::prelude::*;
use recording::Key;
use storage::{Disk, Memory, S3, S3Credentials, S3Settings, Store, StoreError, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms() {
    conformance::check(Arc::new(Memory::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn disk_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance::check(Arc::new(Disk::open(dir.path()).await.unwrap())).await;
}

/// The server that the environment names: `KUBETAPE_TEST_S3_ENDPOINT`, `…_ACCESS_KEY`, `…_SECRET_KEY`, `…_BUCKET`.
fn server() -> Option<S3Settings> {
    let of = |name: &str| std::env::var(format!("KUBETAPE_TEST_S3_{name}")).ok();
    Some(S3Settings {
        bucket: of("BUCKET").unwrap_or_else(|| "kubetape".to_owned()),
        prefix: String::new(),
        endpoint: Some(of("ENDPOINT")?),
        region: "us-east-1".to_owned(),
        path_style: true,
        credentials: S3Credentials {
            access_key: of("ACCESS_KEY"),
            secret_key: of("SECRET_KEY"),
            ..S3Credentials::default()
        },
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_conforms() {
    let Some(settings) = server() else {
        eprintln!("skipped: s3_conforms (KUBETAPE_TEST_S3_ENDPOINT is not set)");
        return;
    };
    for prefix in ["", "some/where/"] {
        let settings = S3Settings { prefix: prefix.to_owned(), ..settings.clone() };
        conformance::check(Arc::new(S3::connect(settings).await.unwrap())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s3_lists_more_than_a_page() {
    let Some(settings) = server() else {
        eprintln!("skipped: s3_lists_more_than_a_page (KUBETAPE_TEST_S3_ENDPOINT is not set)");
        return;
    };
    let prefix = format!("pages/{}/", uuid::Uuid::new_v4());
    let store = Arc::new(S3::connect(S3Settings { prefix, ..settings }).await.unwrap());
    let names: Vec<String> = (0..1005).map(|number| format!("p/{number:04}")).collect();
    let mut puts = tokio::task::JoinSet::new();
    for name in names.clone() {
        let store = Arc::clone(&store);
        puts.spawn(async move { store.put_new(&Key::new(name).unwrap(), "x".into()).await.unwrap() });
        if puts.len() >= 16 {
            puts.join_next().await.unwrap().unwrap();
        }
    }
    puts.join_all().await;
    let listed = store.list("", None, 2000).await.unwrap();
    assert_eq!(listed.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(store.list("p/", Some(&listed[1].key), 1001).await.unwrap(), listed[2..1003]);
    assert_eq!(store.children("p/").await.unwrap().len(), 1005);
}

#[tokio::test]
async fn s3_says_what_is_wrong_with_its_settings() {
    let Some(settings) = server() else {
        eprintln!("skipped: s3_says_what_is_wrong_with_its_settings (KUBETAPE_TEST_S3_ENDPOINT is not set)");
        return;
    };
    let mut wrong = settings.clone();
    wrong.credentials.secret_key = Some("not-the-secret".to_owned());
    assert_failed(S3::connect(wrong).await.unwrap_err(), "cannot list s3://");
    let wrong = S3Settings { bucket: "no-such-bucket-here".to_owned(), ..settings };
    assert_failed(S3::connect(wrong).await.unwrap_err(), "cannot list s3://no-such-bucket-here/");
}

#[tokio::test]
async fn s3_that_is_away_is_a_failure_after_some_attempts() {
    // A port that was free a moment ago: nobody answers.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let credentials = S3Credentials {
        access_key: Some("a".to_owned()),
        secret_key: Some("the-secret".to_owned()),
        ..S3Credentials::default()
    };
    let settings = S3Settings {
        bucket: "b".to_owned(),
        prefix: String::new(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        region: "us-east-1".to_owned(),
        path_style: true,
        credentials,
    };
    assert!(!format!("{settings:?}").contains("the-secret"));
    assert_failed(S3::connect(settings).await.unwrap_err(), "cannot list s3://b/");
}

fn assert_failed(error: StoreError, starts: &str) {
    assert!(matches!(error, StoreError::Failed { .. }), "{error:?}");
    assert!(error.to_string().starts_with(starts), "{error}");
    assert!(!format!("{error:?}").contains("the-secret"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The walk through folders against a sorted map.
    #[test]
    fn disk_lists_what_memory_lists(
        names in prop::collection::btree_set("[ab](/?[ab0.-]){0,5}", 0..12),
        prefix in "([ab](/?[ab0.-]){0,3}/?)?",
        after in "[ab](/?[ab0.-]){0,4}",
        limit in 0_usize..8,
    ) {
        let keys: Vec<Key> = names.iter().filter_map(|name| Key::new(name).ok()).collect();
        let after = Key::new(after).ok();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let (disk, memory) = (Disk::open(dir.path()).await.unwrap(), Memory::new());
            for key in &keys {
                // A name that is a folder for another one can be no file.
                if disk.put_new(key, "x".into()).await.is_ok() {
                    memory.put_new(key, "x".into()).await.unwrap();
                }
            }
            let of_disk = disk.list(&prefix, after.as_ref(), limit).await.unwrap();
            assert_eq!(of_disk, memory.list(&prefix, after.as_ref(), limit).await.unwrap());
            if prefix.is_empty() || prefix.ends_with('/') {
                assert_eq!(disk.children(&prefix).await.unwrap(), memory.children(&prefix).await.unwrap());
            }
        });
    }
}

#[tokio::test]
async fn a_probe_does_not_believe_a_200() {
    #[derive(Debug)]
    struct Overwrites(Memory);

    #[async_trait::async_trait]
    impl Store for Overwrites {
        async fn put_new(&self, _: &recording::Key, _: bytes::Bytes) -> Result<(), StoreError> {
            Ok(())
        }
        async fn read(&self, key: &recording::Key, max: u64) -> Result<bytes::Bytes, StoreError> {
            self.0.read(key, max).await
        }
        async fn list(
            &self,
            prefix: &str,
            after: Option<&recording::Key>,
            limit: usize,
        ) -> Result<Vec<storage::ObjectMeta>, StoreError> {
            self.0.list(prefix, after, limit).await
        }
        async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
            self.0.children(prefix).await
        }
        async fn probe(&self) -> Result<storage::Capabilities, StoreError> {
            storage::probe_by_creating_twice(self).await
        }
    }

    assert!(!Overwrites(Memory::new()).probe().await.unwrap().conditional_create);
}

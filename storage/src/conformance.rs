//! What every [`Store`](crate::Store) must do. The one suite that all implementations are run against, here and by
//! the author of another one; it panics if a store does not conform.
//!
//! All names lie below a prefix of this run's own, so that a bucket can be used again; nothing is removed.

use std::sync::Arc;

use bytes::Bytes;

use crate::{ObjectMeta, Store, StoreError};
use recording::Key;

/// Runs everything.
///
/// # Panics
/// If the store does not conform; the message says in what.
pub async fn check(store: Arc<dyn Store>) {
    let suite = Suite { store, prefix: format!("conformance/{}", uuid::Uuid::new_v4()) };
    suite.what_was_put_is_read().await;
    suite.nothing_is_overwritten().await;
    suite.one_of_many_writers_wins().await;
    suite.what_was_never_put_is_not_found().await;
    suite.what_is_larger_than_the_bound_is_not_read().await;
    suite.lists_are_sorted_and_paged().await;
    suite.pages_are_complete_where_a_name_begins_another().await;
    suite.folders_list_their_children().await;
    suite.no_prefix_leaves_the_store().await;
    let capabilities = suite.store.probe().await.expect("a probe");
    assert!(capabilities.conditional_create, "the store has just refused a second create");
}

struct Suite {
    store: Arc<dyn Store>,
    prefix: String,
}

impl Suite {
    fn key(&self, name: &str) -> Key {
        Key::new(format!("{}/{name}", self.prefix)).expect("a legal name")
    }

    async fn put(&self, name: &str, bytes: impl Into<Bytes>) {
        self.store.put_new(&self.key(name), bytes.into()).await.expect("a put of a new name");
    }

    async fn read(&self, name: &str) -> Bytes {
        self.store.read(&self.key(name), u64::MAX).await.expect("a read of what was put")
    }

    async fn names(&self, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
        let after = after.map(|name| self.key(name));
        let full = format!("{}/{prefix}", self.prefix);
        let entries = self.store.list(&full, after.as_ref(), limit).await.expect("a list");
        let short = |entry: ObjectMeta| entry.key.as_str().replacen(&format!("{}/", self.prefix), "", 1);
        entries.into_iter().map(short).collect()
    }

    async fn what_was_put_is_read(&self) {
        for (name, size) in [("sizes/empty", 0), ("sizes/one", 1), ("sizes/big", 8 << 20)] {
            // A pattern that repeats only after 251 bytes shows a shifted or a doubled block.
            let bytes: Bytes = (0..size).map(|n: u32| (n % 251) as u8).collect();
            self.put(name, bytes.clone()).await;
            assert!(self.read(name).await == bytes, "{name} came back changed");
            let listed = self.store.list(self.key(name).as_str(), None, 1).await.expect("a list");
            assert_eq!(listed, [ObjectMeta { key: self.key(name), size: u64::from(size) }]);
        }
    }

    async fn nothing_is_overwritten(&self) {
        self.put("once", "first").await;
        let again = self.store.put_new(&self.key("once"), "second".into()).await;
        assert!(matches!(again, Err(StoreError::Exists(key)) if key == self.key("once")), "a second put succeeded");
        assert_eq!(self.read("once").await, "first");
    }

    async fn one_of_many_writers_wins(&self) {
        let writers: Vec<_> = (0..16)
            .map(|number| {
                let (store, key) = (Arc::clone(&self.store), self.key("race/to.it"));
                tokio::spawn(async move { store.put_new(&key, format!("writer {number}").into()).await })
            })
            .collect();
        let mut winners = Vec::new();
        for (number, writer) in writers.into_iter().enumerate() {
            match writer.await.expect("a writer that does not panic") {
                Ok(()) => winners.push(number),
                Err(StoreError::Exists(_)) => {}
                Err(other) => panic!("a writer that lost must be told that the name exists: {other:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "winners of 16 writers of one name: {winners:?}");
        assert_eq!(self.read("race/to.it").await, format!("writer {}", winners[0]));
    }

    async fn what_was_never_put_is_not_found(&self) {
        for name in ["absent", "sizes", "sizes/one/below"] {
            let read = self.store.read(&self.key(name), u64::MAX).await;
            assert!(matches!(&read, Err(StoreError::NotFound(key)) if *key == self.key(name)), "{name}: {read:?}");
        }
    }

    async fn what_is_larger_than_the_bound_is_not_read(&self) {
        for size in [1, 1000, 8 << 20] {
            let name = format!("bounds/{size}");
            self.put(&name, vec![b'x'; size]).await;
            let key = self.key(&name);
            let bound = size as u64;
            assert_eq!(self.store.read(&key, bound).await.expect("an object of just the bound").len(), size);
            for bound in [bound - 1, 0] {
                let read = self.store.read(&key, bound).await.map(|bytes| bytes.len());
                let told = matches!(&read, Err(StoreError::TooLarge { key: it, max }) if (it, *max) == (&key, bound));
                assert!(told, "{size} bytes against a bound of {bound}: {read:?}");
            }
        }
        self.put("bounds/empty", "").await;
        assert_eq!(self.store.read(&self.key("bounds/empty"), 0).await.expect("nothing within nothing"), "");
    }

    async fn lists_are_sorted_and_paged(&self) {
        let sorted = ["l/a/b", "l/a/c/d", "l/a/c/e", "l/ab", "l/b"];
        for name in ["l/a/c/e", "l/b", "l/a/b", "l/ab", "l/a/c/d"] {
            self.put(name, "x").await;
        }
        assert_eq!(self.names("l/", None, 100).await, sorted);
        assert_eq!(self.names("l/", None, 3).await, sorted[..3]);
        assert_eq!(self.names("l/", None, 0).await, [""; 0]);
        assert_eq!(self.paged("l/").await, sorted);
        assert_eq!(self.names("l/a", None, 100).await, sorted[..4]);
        assert_eq!(self.names("l/a/", Some("l/a/b"), 100).await, sorted[1..3]);
        assert_eq!(self.names("l/a/c", Some("l/a/bcd"), 1).await, sorted[1..2], "after a name that is not there");
        assert_eq!(self.names("l/a/b", Some("l/b"), 100).await, [""; 0]);
        assert_eq!(self.names("nothing/", None, 100).await, [""; 0]);
    }

    /// `-` and `.` sort before `/`. If a folder's name begins a neighbour's, the order is the store's own, but pages must
    /// follow it and leave nothing out.
    async fn pages_are_complete_where_a_name_begins_another(&self) {
        let mut names = ["n/a-b", "n/a.b/c", "n/a/b", "n/a/c", "n/a0", "n/b"];
        for name in names {
            self.put(name, "x").await;
        }
        let whole = self.names("n/", None, 100).await;
        assert_eq!(self.paged("n/").await, whole);
        let mut sorted = whole;
        sorted.sort_unstable();
        names.sort_unstable();
        assert_eq!(sorted, names);
    }

    /// The list, in pages of one.
    async fn paged(&self, prefix: &str) -> Vec<String> {
        let mut paged: Vec<String> = Vec::new();
        while let [name] = self.names(prefix, paged.last().map(String::as_str), 1).await.as_slice() {
            paged.push(name.clone());
            assert!(paged.len() < 100, "pages that do not end: {paged:?}");
        }
        paged
    }

    async fn folders_list_their_children(&self) {
        let children = async |below: &str| {
            let prefix = format!("{}/{below}", self.prefix);
            self.store.children(&prefix).await.expect("children")
        };
        assert_eq!(children("l/a/").await, ["b", "c"]);
        assert_eq!(children("n/").await, ["a", "a-b", "a.b", "a0", "b"]);
        assert_eq!(children("nothing/").await, [""; 0]);
    }

    async fn no_prefix_leaves_the_store(&self) {
        for prefix in ["../", "/", "/etc/", "a/../../", "./", "..", "a//b", "\0", "~", "incoming~/"] {
            let full = format!("{}/{prefix}", self.prefix);
            for prefix in [prefix, full.as_str()] {
                let listed = self.store.list(prefix, None, 10).await.expect("an empty list");
                assert_eq!(listed, [], "{prefix:?}");
                if prefix.ends_with('/') {
                    assert_eq!(self.store.children(prefix).await.expect("no children"), [""; 0], "{prefix:?}");
                }
            }
        }
    }
}

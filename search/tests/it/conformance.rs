//! Backends are put to the suite.

use std::sync::Arc;

use search::{Index, Masks};

#[tokio::test]
async fn the_embedded_index_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::open(&folder.path().join("index"), Masks::default()).unwrap();
    search::conformance::check(Arc::new(index)).await;
}

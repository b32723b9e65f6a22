//! The index made again from storage.

use std::{path::Path, sync::Arc, time::Duration};

use storage::Store;

use crate::{Follower, Index, Masks, Progress, Result, tantivy};

/// Builds a new index beside the one in `dir`, then puts it in its place. `progress` is called with each commit.
///
/// # Errors
/// [`crate::SearchError::Locked`] while another process writes to the index, before anything is done; the store's;
/// the index's. The old index stays as it was until the new one is complete.
pub async fn rebuild(
    store: Arc<dyn Store>,
    dir: &Path,
    masks: Masks,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Progress> {
    let held = tantivy::lock(dir)?;
    let done = build(store, &tantivy::beside(dir, ".new"), masks, progress).await?;
    tantivy::swap(dir).map_err(|source| tantivy::failed(dir, source))?;
    drop(held);
    Ok(done)
}

/// Makes an index in a folder, whatever an earlier try left there.
pub(crate) async fn build(
    store: Arc<dyn Store>,
    dir: &Path,
    masks: Masks,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Progress> {
    drop(tantivy::lock(dir)?);
    tantivy::remove(dir).map_err(|source| tantivy::failed(dir, source))?;
    let fresh = Index::open_to_fill(dir, masks)?;
    let mut follower = Follower::new(store, fresh.clone(), Duration::ZERO);
    follower.count().await?;
    let done = follower.catch_up(progress).await?;
    drop(follower);
    tokio::task::spawn_blocking(move || fresh.close()).await.map_err(|error| crate::ingest::panicked(&error))??;
    Ok(done)
}

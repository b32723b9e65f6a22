//! The embedded index rebuilt from storage, while no process has it open.

use std::{path::Path, sync::Arc, time::Duration};

use storage::Store;

use super::{Follower, OnCommit, Progress};
use crate::{Result, SearchError, backend::Backend, documents::mask::Masks, tantivy::Replacement};

/// Fills a new index beside the one in `dir`, then puts it in its place. Calls `progress` at each commit.
///
/// # Errors
/// [`crate::SearchError::Locked`] while another process writes to the index, before anything is done; the store's; the
/// index's. The old index stays as it was until the new one is complete.
///
/// # Cancel safety
/// Dropping the future leaves the old index as it is, and perhaps a folder beside it, which the next rebuild discards.
pub async fn rebuild(
    store: Arc<dyn Store>,
    dir: &Path,
    masks: Masks,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Progress> {
    let replacement = Replacement::begin(dir, masks)?;
    let done = fill(store, Arc::new(replacement.index().clone()), progress).await?;
    tokio::task::spawn_blocking(move || replacement.put_in_place()).await.map_err(SearchError::task)??;
    Ok(done)
}

/// Takes all of a store into an empty index.
pub(super) async fn fill(store: Arc<dyn Store>, index: Arc<dyn Backend>, on_commit: OnCommit<'_>) -> Result<Progress> {
    let mut follower = Follower::new(store, index, Duration::ZERO);
    follower.count_recordings().await?;
    follower.turn(super::ScanMode::Full, on_commit).await
}

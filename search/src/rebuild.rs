//! The index made again from storage.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use storage::Store;

use crate::{Follower, Index, Masks, Progress, Result, index};

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
    let held = index::lock(dir)?;
    let (new, old) = (beside(dir, ".new"), beside(dir, ".old"));
    index::lock(&new)?;
    remove(&new).map_err(|source| index::failed(&new, source))?;
    let fresh = Index::open_to_fill(&new, masks)?;
    let mut follower = Follower::new(store, fresh.clone(), Duration::ZERO);
    let done = follower.catch_up(progress).await?;
    drop(follower);
    fresh.close()?;
    swap(dir, &new, &old).map_err(|source| index::failed(dir, source))?;
    drop(held);
    Ok(done)
}

fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(dir.file_name().unwrap_or_default());
    name.push(suffix);
    dir.with_file_name(name)
}

/// There is a moment without an index between the two renames; a reader that opens it then is told so.
fn swap(dir: &Path, new: &Path, old: &Path) -> io::Result<()> {
    remove(old)?;
    if dir.exists() {
        fs::rename(dir, old)?;
    }
    fs::rename(new, dir)?;
    remove(old)
}

fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

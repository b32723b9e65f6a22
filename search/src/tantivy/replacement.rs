//! An index that is filled beside another one, in whose place it is put.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
};

use tantivy::directory::DirectoryLock;

use super::{
    Index, OpenIndex,
    folder::{beside, failed, lock, remove, swap},
    writer::WriterBudget,
};
use crate::{Result, documents::mask::Masks};

/// A replacement for an index that no process has open, such as one that cannot be opened.
pub(crate) struct Replacement {
    dir: PathBuf,
    index: Index,
    /// Keeps other processes from writing to the old index; `None` if there is none.
    _lock: Option<DirectoryLock>,
}

impl Replacement {
    /// Begins an empty index beside the one in `dir`. One that an earlier try left is discarded.
    ///
    /// # Errors
    /// [`crate::SearchError::Locked`] while another process writes to either; [`crate::SearchError::Folder`].
    pub(crate) fn begin(dir: &Path, masks: Masks) -> Result<Self> {
        let lock = lock(dir)?;
        Ok(Self { dir: dir.to_owned(), index: open_beside(dir, masks)?, _lock: lock })
    }

    /// The index to fill.
    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    /// Closes the index and puts it in the place of the old one. Blocks until its merges are done.
    ///
    /// # Errors
    /// Tantivy's, and [`crate::SearchError::Folder`].
    pub(crate) fn put_in_place(self) -> Result<()> {
        self.index.current().close()?;
        swap(&self.dir).map_err(|source| failed(&self.dir, source))
    }
}

fn open_beside(dir: &Path, masks: Masks) -> Result<Index> {
    let new = beside(dir, ".new");
    drop(lock(&new)?);
    remove(&new).map_err(|source| failed(&new, source))?;
    Index::open_to_fill(&new, masks)
}

impl Index {
    pub(super) fn open_replacement(&self) -> Result<Index> {
        open_beside(&self.dir, (*self.masks).clone())
    }

    /// Puts the replacement, which is closed, in the place of this index.
    pub(super) fn switch(&self) -> Result<()> {
        // The lock goes with the folder: no other process can write to it between. What fails with the old one is lost
        // with it.
        if let Err(error) = self.current().close() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the old index could not be closed in good order");
        }
        swap(&self.dir).map_err(|source| failed(&self.dir, source))?;
        let (open, _, stale) = OpenIndex::open(&self.dir, self.masks.fingerprint(), WriterBudget::BESIDE_RECORDING)?;
        open.blocks.warm(&open.reader.searcher())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(open);
        self.stale.store(stale, Ordering::Relaxed);
        self.suspicious.store(false, Ordering::Relaxed);
        Ok(())
    }
}

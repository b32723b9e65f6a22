//! Writing to the index: the follower's side.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLockReadGuard, RwLockWriteGuard},
};

use storage::RecordingId;
use tantivy::{IndexWriter, TantivyError};

use super::Index;
use crate::{
    Result, SearchError,
    document::{Stored, output_key, run_key, session_key},
    mask::Masks,
    run::Run,
    state::State,
};

/// How much a writer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    threads: usize,
    /// Bytes of documents that are collected before segments are written. Tantivy's least is 15 MB a thread.
    memory: usize,
}

impl Effort {
    /// Beside sessions that are recorded.
    pub(super) const BESIDE: Self = Self { threads: 1, memory: 20_000_000 };

    /// For an index that is made anew: all cores, and larger segments, which are merged less.
    pub(super) fn full() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        Self { threads, memory: threads * 128_000_000 }
    }
}

/// The one writer of an index, which holds its lock.
pub(super) fn writer(index: &tantivy::Index, dir: &Path, effort: Effort) -> Result<IndexWriter> {
    match index.writer_with_num_threads(effort.threads, effort.memory) {
        Err(TantivyError::LockFailure(..)) => Err(SearchError::Locked(dir.to_owned())),
        other => Ok(other?),
    }
}

impl Index {
    /// For adding and deleting, which several may do at once.
    fn writer(&self) -> Result<RwLockReadGuard<'_, IndexWriter>> {
        let writer = self.inner.writer.as_ref().ok_or(SearchError::ReadOnly)?;
        Ok(writer.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// For committing.
    fn writer_alone(&self) -> Result<RwLockWriteGuard<'_, IndexWriter>> {
        let writer = self.inner.writer.as_ref().ok_or(SearchError::ReadOnly)?;
        Ok(writer.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is masked in it.
    pub(crate) fn masks(&self) -> Arc<Masks> {
        Arc::clone(&self.inner.masks)
    }

    /// Adds documents.
    pub(crate) fn add(&self, documents: &[Stored]) -> Result<()> {
        let writer = self.writer()?;
        for document in documents {
            writer.add_document(document.document(&self.inner.fields)?)?;
        }
        Ok(())
    }

    /// Puts documents in the place of everything that is there of a session.
    pub(crate) fn replace_session(&self, id: RecordingId, documents: &[Stored]) -> Result<()> {
        self.writer()?.delete_term(session_key(&self.inner.fields, id));
        self.add(documents)
    }

    /// Removes the output of a session, as it was read while it was live or at its end.
    pub(crate) fn delete_output(&self, id: RecordingId, live: bool) -> Result<()> {
        self.writer()?.delete_term(output_key(&self.inner.fields, id, live));
        Ok(())
    }

    /// Puts a run in the place of what was known of it.
    pub(crate) fn replace_run(&self, run: Run) -> Result<()> {
        let key = Run::key(&run.user, &run.cluster, &run.id);
        self.writer()?.delete_term(run_key(&self.inner.fields, &key));
        self.add(&[Stored::Run(run)])
    }

    /// Makes what was added durable and visible, together with the state.
    pub(crate) fn commit(&self, state: &State) -> Result<()> {
        {
            let mut writer = self.writer_alone()?;
            let mut prepared = writer.prepare_commit()?;
            prepared.set_payload(&state.payload());
            prepared.commit()?;
        }
        self.inner.reader.reload()?;
        self.inner.blocks.prepare(&self.searcher())
    }

    /// Forgets what was added since the last commit, and starts a writer that failed anew.
    pub(crate) fn rollback(&self) -> Result<()> {
        self.writer_alone()?.rollback()?;
        Ok(())
    }

    /// The state of the last commit; the first one where there was none.
    pub(crate) fn state(&self) -> Result<State> {
        if self.inner.writer.is_none() {
            return Err(SearchError::ReadOnly);
        }
        Ok(State::parse(self.inner.index.load_metas()?.payload.as_deref()))
    }

    /// Waits for merges and gives the lock back. Other clones can no longer write.
    pub(crate) fn close(self) -> Result<()> {
        if let Ok(inner) = std::sync::Arc::try_unwrap(self.inner)
            && let Some(writer) = inner.writer
        {
            writer.into_inner().unwrap_or_else(PoisonError::into_inner).wait_merging_threads()?;
        }
        Ok(())
    }
}

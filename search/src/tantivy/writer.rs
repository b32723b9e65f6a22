//! Writing to the index: the follower's side.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
};

use recording::RecordingId;
use tantivy::{IndexWriter, ReloadPolicy, TantivyError, Term};

use super::{
    Index, Inner, failed,
    folder::{self, beside, swap},
    time_ordered::KnownBlocks,
};
use crate::{
    Result, SearchError,
    documents::kubectl_run::KubectlRun,
    documents::mask::Masks,
    documents::output::OutputLine,
    documents::{Stage, Stored, output_key, run_key, session_key},
    ingest::checkpoint::State,
    tantivy::schema::Fields,
};

/// How much a writer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriterBudget {
    threads: usize,
    /// Bytes of documents that are collected before segments are written. Tantivy's least is 15 MB a thread.
    memory: usize,
}

impl WriterBudget {
    /// Beside sessions that are recorded.
    pub(super) const BESIDE: Self = Self { threads: 1, memory: 20_000_000 };

    /// For an index that is made anew: all cores, and larger segments, which are merged less.
    pub(super) fn full() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        Self { threads, memory: threads * 128_000_000 }
    }
}

/// The one writer of an index, which holds its lock.
pub(super) fn writer(index: &tantivy::Index, dir: &Path, effort: WriterBudget) -> Result<IndexWriter> {
    match index.writer_with_num_threads(effort.threads, effort.memory) {
        Err(TantivyError::LockFailure(..)) => Err(SearchError::Locked(dir.to_owned())),
        other => Ok(other?),
    }
}

impl Inner {
    /// Opens an index for writing. Says whether it must be made anew.
    pub(super) fn open(dir: &Path, masks: u64, effort: WriterBudget) -> Result<(Self, Fields, bool)> {
        let (index, fields, stale) = folder::open_for_writing(dir, masks)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let writer = RwLock::new(Some(writer(&index, dir, effort)?));
        Ok((Self { blocks: KnownBlocks::default(), reader, index, writer }, fields, stale))
    }

    /// Waits for merges and gives the lock back.
    fn close(&self) -> Result<()> {
        match self.writer.write().unwrap_or_else(PoisonError::into_inner).take() {
            Some(writer) => Ok(writer.wait_merging_threads()?),
            None => Ok(()),
        }
    }
}

impl Index {
    /// For adding and deleting, which several may do at once.
    fn write<T>(&self, work: impl FnOnce(&IndexWriter) -> Result<T>) -> Result<T> {
        let inner = self.inner();
        let writer = inner.writer.read().unwrap_or_else(PoisonError::into_inner);
        work(writer.as_ref().ok_or(SearchError::ReadOnly)?)
    }

    /// For committing.
    fn write_alone<T>(&self, work: impl FnOnce(&mut IndexWriter) -> Result<T>) -> Result<T> {
        let inner = self.inner();
        let mut writer = inner.writer.write().unwrap_or_else(PoisonError::into_inner);
        work(writer.as_mut().ok_or(SearchError::ReadOnly)?)
    }

    /// What is masked in it.
    pub(crate) fn masks(&self) -> Arc<Masks> {
        Arc::clone(&self.masks)
    }

    /// Adds documents.
    pub(crate) fn add(&self, documents: &[Stored]) -> Result<()> {
        self.write(|writer| {
            for document in documents {
                writer.add_document(document.document(&self.fields)?)?;
            }
            Ok(())
        })
    }

    fn delete(&self, term: Term) -> Result<()> {
        self.write(|writer| {
            writer.delete_term(term);
            Ok(())
        })
    }

    /// Puts documents in the place of everything that is there of a session.
    pub(crate) fn replace_session(&self, id: RecordingId, documents: &[Stored]) -> Result<()> {
        self.delete(session_key(&self.fields, id))?;
        self.add(documents)
    }

    /// Removes the output of a session, as it was read at one stage.
    pub(crate) fn delete_output(&self, id: RecordingId, stage: Stage) -> Result<()> {
        self.delete(output_key(&self.fields, id, stage))
    }

    /// Removes the output of a session, as it was read while it was live.
    pub(crate) fn delete_live_output(&self, id: RecordingId) -> Result<()> {
        self.delete_output(id, Stage::Live)?;
        self.delete_output(id, Stage::Growing)
    }

    /// Adds output of a session that goes on; its last passage takes the place of the one that was the last before.
    pub(crate) fn add_shown(&self, id: RecordingId, shown: &OutputLine) -> Result<()> {
        self.add(&shown.whole)?;
        let Some(growing) = &shown.growing else { return Ok(()) };
        self.delete_output(id, Stage::Growing)?;
        self.add(growing.as_slice())
    }

    /// Puts a run in the place of what was known of it.
    pub(crate) fn replace_run(&self, run: KubectlRun) -> Result<()> {
        self.delete(run_key(&self.fields, &KubectlRun::key(&run.user, &run.cluster, &run.id)))?;
        self.add(&[Stored::Run(run)])
    }

    /// Makes what was added durable and visible, together with the state.
    pub(crate) fn commit(&self, state: &State) -> Result<()> {
        self.write_alone(|writer| {
            let mut prepared = writer.prepare_commit()?;
            prepared.set_payload(&state.payload());
            prepared.commit()?;
            Ok(())
        })?;
        let inner = self.inner();
        inner.reader.reload()?;
        inner.blocks.prepare(&inner.reader.searcher())
    }

    /// Forgets what was added since the last commit, and starts a writer that failed anew.
    pub(crate) fn rollback(&self) -> Result<()> {
        self.write_alone(|writer| Ok(writer.rollback().map(|_| ())?))
    }

    /// The state of the last commit; the first one where there was none.
    pub(crate) fn state(&self) -> Result<State> {
        self.write(|_| Ok(()))?;
        Ok(State::parse(self.inner().index.load_metas()?.payload.as_deref()))
    }

    /// Waits for merges and gives the lock back. Clones can no longer write.
    pub(crate) fn close(self) -> Result<()> {
        self.inner().close()
    }

    /// Whether the index must be made anew: it is of an earlier version, was made with other masks, or [`Self::examine`] found damage.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }

    /// Remembers where a step failed as it does with a damaged index. Gives back what the step gave.
    pub(crate) fn watched<T>(&self, done: Result<T>) -> Result<T> {
        if matches!(done, Err(SearchError::Index(_) | SearchError::Document(_))) {
            self.doubted.store(true, Ordering::Relaxed);
        }
        done
    }

    /// Whether such a step failed since this was asked last.
    pub(crate) fn was_doubted(&self) -> bool {
        self.doubted.swap(false, Ordering::Relaxed)
    }

    /// Reads all of the index and compares it with its checksums. Takes as long as reading it.
    pub(crate) fn examine(&self) {
        let why: Box<dyn std::error::Error> = match self.inner().index.validate_checksum() {
            Ok(damaged) if damaged.is_empty() => return,
            Ok(damaged) => format!("{} of its files are not as they were written", damaged.len()).into(),
            Err(error) => error.into(),
        };
        tracing::warn!(dir = %self.dir.display(), error = &*why, "the index is damaged: it is made anew from storage");
        self.stale.store(true, Ordering::Relaxed);
    }

    /// Where another one is made, beside it.
    pub(crate) fn beside(&self) -> PathBuf {
        beside(&self.dir, ".new")
    }

    /// Puts the index that was made beside it, and closed, in its place. Searches go on with the old one until then.
    pub(crate) fn switch(&self) -> Result<()> {
        // The lock goes with the folder: nobody else may write to it between. What fails with the old one is lost with it.
        if let Err(error) = self.inner().close() {
            tracing::warn!(error = &error as &dyn std::error::Error, "the old index could not be closed in good order");
        }
        swap(&self.dir).map_err(|source| failed(&self.dir, source))?;
        let (inner, _, stale) = Inner::open(&self.dir, self.masks.fingerprint(), WriterBudget::BESIDE)?;
        inner.blocks.prepare(&inner.reader.searcher())?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(inner);
        self.stale.store(stale, Ordering::Relaxed);
        self.doubted.store(false, Ordering::Relaxed);
        Ok(())
    }
}

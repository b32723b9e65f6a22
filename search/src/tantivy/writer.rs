//! Writing to the index.

use std::{
    path::Path,
    sync::{PoisonError, RwLock, atomic::Ordering},
};

use tantivy::{IndexWriter, ReloadPolicy, TantivyError};

use super::{Index, OpenIndex, encoder, folder, schema::Fields, time_ordered::BlockCache};
use crate::{
    Result, SearchError,
    backend::{Batch, Operation},
};

/// How much of the machine a writer may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriterBudget {
    threads: usize,
    /// Bytes of documents that are collected before segments are written. Tantivy's minimum is 15 MB a thread.
    memory: usize,
}

impl WriterBudget {
    /// For an index that is kept up while sessions are recorded.
    pub(super) const BESIDE_RECORDING: Self = Self { threads: 1, memory: 20_000_000 };

    /// For an index that is filled: all cores, and larger segments, which are merged less often.
    pub(super) fn whole_machine() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        Self { threads, memory: threads * 128_000_000 }
    }
}

/// The index's one writer, which holds its lock.
fn writer(index: &tantivy::Index, dir: &Path, budget: WriterBudget) -> Result<IndexWriter> {
    match index.writer_with_num_threads(budget.threads, budget.memory) {
        Err(TantivyError::LockFailure(..)) => Err(SearchError::Locked(dir.to_owned())),
        other => Ok(other?),
    }
}

impl OpenIndex {
    /// Opens an index for writing. Also returns whether it is stale.
    pub(super) fn open(dir: &Path, masks: u64, budget: WriterBudget) -> Result<(Self, Fields, bool)> {
        let (index, fields, stale) = folder::open_for_writing(dir, masks)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let writer = RwLock::new(Some(writer(&index, dir, budget)?));
        Ok((Self { blocks: BlockCache::default(), reader, index, writer }, fields, stale))
    }

    /// Waits for merges and gives the lock back.
    pub(super) fn close(&self) -> Result<()> {
        match self.writer.write().unwrap_or_else(PoisonError::into_inner).take() {
            Some(writer) => Ok(writer.wait_merging_threads()?),
            None => Ok(()),
        }
    }
}

impl Index {
    /// For adding and deleting, which several threads may do at once.
    fn write<T>(&self, work: impl FnOnce(&IndexWriter) -> Result<T>) -> Result<T> {
        let current = self.current();
        let writer = current.writer.read().unwrap_or_else(PoisonError::into_inner);
        work(writer.as_ref().ok_or(SearchError::ReadOnly)?)
    }

    /// For committing and rolling back.
    fn write_alone<T>(&self, work: impl FnOnce(&mut IndexWriter) -> Result<T>) -> Result<T> {
        let current = self.current();
        let mut writer = current.writer.write().unwrap_or_else(PoisonError::into_inner);
        work(writer.as_mut().ok_or(SearchError::ReadOnly)?)
    }

    /// The epoch in which a batch is applied.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Applies a batch, unless the index was rolled back since `epoch`: then the caller dropped the future and began again.
    pub(super) fn apply_batch(&self, batch: Batch, epoch: u64) -> Result<()> {
        self.write(|writer| {
            if self.epoch() != epoch {
                return Ok(());
            }
            for operation in batch.into_operations() {
                match operation {
                    Operation::Delete(group) => _ = writer.delete_term(encoder::group_term(&self.fields, &group)),
                    Operation::Add(document) => {
                        writer.add_document(encoder::encode(&self.fields, &document)?)?;
                    }
                }
            }
            Ok(())
        })
    }

    pub(super) fn commit_with(&self, checkpoint: &str) -> Result<()> {
        self.write_alone(|writer| {
            let mut prepared = writer.prepare_commit()?;
            prepared.set_payload(checkpoint);
            prepared.commit()?;
            Ok(())
        })?;
        let current = self.current();
        current.reader.reload()?;
        current.blocks.warm(&current.reader.searcher())
    }

    pub(super) fn roll_back(&self) -> Result<()> {
        self.write_alone(|writer| {
            // While no batch is being applied, as each holds the lock for reading.
            self.epoch.fetch_add(1, Ordering::AcqRel);
            Ok(writer.rollback().map(|_| ())?)
        })
    }

    pub(super) fn last_checkpoint(&self) -> Result<Option<String>> {
        self.write(|_| Ok(()))?;
        Ok(self.current().index.load_metas()?.payload)
    }

    /// Compares all files with their checksums.
    pub(super) fn verify_files(&self) {
        let error: Box<dyn std::error::Error> = match self.current().index.validate_checksum() {
            Ok(damaged) if damaged.is_empty() => return,
            Ok(damaged) => format!("{} of its files are not as they were written", damaged.len()).into(),
            Err(error) => error.into(),
        };
        tracing::warn!(dir = %self.dir.display(), error = &*error, "the index is damaged: it is rebuilt from storage");
        self.stale.store(true, Ordering::Relaxed);
    }
}

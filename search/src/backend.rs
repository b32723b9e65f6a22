//! What a search engine must do for the pages and for the ingest.
//!
//! ```text
//! pages, API, program ─▶ search, sessions, session, values
//!                        Backend                             the embedded index today; a server such as OpenSearch likewise
//! Follower ───────────▶  apply, apply, …, commit(checkpoint)
//! ```
//!
//! The trait is async, as its callers are, and as a server is waited for on the network: that must hold no thread. The
//! embedded index, which computes and reads files, moves its work to the blocking pool itself and bounds how much of the
//! pool it takes.
//!
//! [`crate::conformance`] has the suite that every implementation must pass.

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use recording::RecordingId;

use crate::{
    Result,
    documents::{
        Document, DocumentGroup,
        hit::Hits,
        kubectl_run::KubectlRun,
        mask::Masks,
        output::OutputUpdate,
        passage::OutputStage,
        session::{SessionPage, SessionRow, Values},
    },
    query::{Query, filter::SessionFilter},
};

/// A search engine that holds the documents of one store.
///
/// **Reading.** Every method sees the last commit, and may see a part of what was applied since. Totals and facets are
/// exact up to the 10,000 hits to which they are counted, totals of sessions always. Pages by cursor go on beyond 10,000
/// and do not move while documents are added.
///
/// **Writing** is done by one follower. It applies batches, then commits them together with a checkpoint, which it reads
/// back when it starts. What was not committed may be lost, or stay: the follower applies it again from the checkpoint.
/// Document ids ([`DocumentGroup`] and [`Document::number_in_group`]) and deletions by group make that come to the same.
///
/// **Rebuilding.** An index that [`Backend::is_stale`] goes on serving and is written to, while a replacement is filled
/// from storage beside it.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync {
    /// A page of hits.
    ///
    /// # Errors
    /// [`crate::SearchError::Query`] says what is wrong with the text or the page; others are the engine's.
    async fn search(&self, query: &Query) -> Result<Hits>;

    /// A page of sessions, newest first by id.
    ///
    /// # Errors
    /// The engine's.
    async fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage>;

    /// One session; `None` if the index does not have it (yet).
    ///
    /// # Errors
    /// The engine's.
    async fn session(&self, id: RecordingId) -> Result<Option<SessionRow>>;

    /// The people, clusters and namespaces that occur, sorted, at most 1,000 of each. Some may occur in requests only.
    ///
    /// # Errors
    /// The engine's.
    async fn values(&self) -> Result<Values>;

    /// The rules with which documents must be masked before they are applied.
    fn masks(&self) -> Arc<Masks>;

    /// Those of `ids` whose session is indexed as over.
    ///
    /// # Errors
    /// The engine's.
    async fn finished_sessions(&self, ids: &[RecordingId]) -> Result<HashSet<RecordingId>>;

    /// The kubectl run with this key, as of the last commit or later; `None` if there is none. The follower adds requests
    /// to it and replaces it.
    ///
    /// # Errors
    /// The engine's.
    async fn kubectl_run(&self, key: &str) -> Result<Option<KubectlRun>>;

    /// Carries out the operations in order. A batch has no size limit of its own: the follower keeps it to the documents
    /// of a chunk or of a journal object.
    ///
    /// # Errors
    /// The engine's; then the follower rolls back.
    ///
    /// # Cancel safety
    /// A batch whose future is dropped may be applied in part or whole, at any time until the next [`Self::rollback`] or
    /// restart.
    async fn apply(&self, batch: Batch) -> Result<()>;

    /// Makes all that was applied durable and visible, and stores the checkpoint with it: both or neither. A checkpoint is
    /// opaque here.
    ///
    /// # Errors
    /// The engine's; then the follower rolls back.
    ///
    /// # Cancel safety
    /// A commit whose future is dropped is carried out or not, and [`Self::checkpoint`] says which.
    async fn commit(&self, checkpoint: &str) -> Result<()>;

    /// The checkpoint of the last commit; `None` if there was none.
    ///
    /// # Errors
    /// The engine's.
    async fn checkpoint(&self) -> Result<Option<String>>;

    /// Gives up what was applied since the last commit, as far as the engine can, and recovers a writer that failed. No
    /// batch from before takes effect any more.
    ///
    /// # Errors
    /// The engine's.
    async fn rollback(&self) -> Result<()>;

    /// Ends background work and gives locks back. Later writes fail with [`crate::SearchError::ReadOnly`].
    ///
    /// # Errors
    /// The engine's.
    async fn close(&self) -> Result<()>;

    /// Whether the index must be rebuilt: an earlier version wrote it, its documents were masked with other rules, or
    /// [`Self::verify_integrity`] found damage.
    fn is_stale(&self) -> bool;

    /// Whether an operation failed in a way that damage explains since this was asked last.
    fn take_suspicion(&self) -> bool;

    /// Looks for damage, and makes the index stale if there is any. May take as long as reading the whole index.
    async fn verify_integrity(&self);

    /// An empty index beside this one, for the same documents. A replacement that an earlier try left is discarded.
    ///
    /// # Errors
    /// The engine's.
    async fn begin_replacement(&self) -> Result<Arc<dyn Backend>>;

    /// Puts the replacement, filled and closed, in the place of this index. Reads go on with the old one until then; what
    /// was applied to the old one is lost.
    ///
    /// # Errors
    /// The engine's. The old index stays in use.
    async fn switch_to_replacement(&self) -> Result<()>;
}

/// Operations that are applied in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    operations: Vec<Operation>,
}

/// A change to the index.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Delete all documents of a group, also those that were applied before and not committed.
    Delete(DocumentGroup),
    /// Add a document; it replaces one with the same id, which can only be the same document.
    Add(Box<Document>),
}

impl Batch {
    /// The operations, in order.
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many documents the batch adds.
    pub fn added(&self) -> usize {
        self.operations.iter().filter(|operation| matches!(operation, Operation::Add(_))).count()
    }

    pub(crate) fn add(&mut self, documents: impl IntoIterator<Item = Document>) {
        self.operations.extend(documents.into_iter().map(|document| Operation::Add(Box::new(document))));
    }

    pub(crate) fn delete(&mut self, group: DocumentGroup) {
        self.operations.push(Operation::Delete(group));
    }

    /// Replaces a session and its commands, or the argv of one that is live.
    pub(crate) fn replace_session(&mut self, id: RecordingId, documents: impl IntoIterator<Item = Document>) {
        self.delete(DocumentGroup::Session(id));
        self.add(documents);
    }

    /// Replaces a kubectl run.
    pub(crate) fn replace_run(&mut self, run: KubectlRun) {
        self.delete(DocumentGroup::Run(run.key()));
        self.add([Document::Run(run)]);
    }

    /// Deletes the output that was read while the session was live.
    pub(crate) fn delete_live_output(&mut self, id: RecordingId) {
        self.delete(DocumentGroup::Output(id, OutputStage::Live));
        self.delete(DocumentGroup::Output(id, OutputStage::Growing));
    }

    /// Adds new output of a live session; the growing passage replaces the one before.
    pub(crate) fn add_output(&mut self, id: RecordingId, update: OutputUpdate) {
        self.add(update.complete);
        if let Some(growing) = update.growing {
            self.delete(DocumentGroup::Output(id, OutputStage::Growing));
            self.add(growing);
        }
    }
}

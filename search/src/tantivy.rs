//! The embedded index: Tantivy in a folder. The only door to Tantivy.
//!
//! ```text
//! Document ─▶ encoder ─▶ schema, tokenizer ─▶ writer                    folder: version, lock, swap
//! Query ───▶ plan ─▶ pattern_query, excluded ─▶ time_ordered, facets ─▶ encoder ─▶ Document ─▶ Hit
//! ```

mod backend;
mod encoder;
mod excluded;
mod facets;
mod folder;
mod lists;
mod pattern_query;
mod plan;
mod replacement;
mod schema;
mod time_ordered;
mod tokenizer;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ::tantivy::{
    DocAddress, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError, collector::TopDocs,
    query::TermQuery, schema::IndexRecordOption,
};
use recording::{RecordingId, UnixMicros};
use tokio::sync::Semaphore;

use crate::{
    Result, SearchError,
    documents::{Document, DocumentGroup, hit::Hits, kubectl_run::KubectlRun, mask::Masks, session::SessionRow},
    query::{Order, Query, cursor::HitCursor, parse},
};
use plan::QueryPlan;
pub(crate) use replacement::Replacement;
use schema::Fields;
use time_ordered::{BlockCache, CollectedHits, CollectorOptions, collect};
use writer::WriterBudget;

/// Searches and lists that run at the same time, each on a thread of the blocking pool; more wait.
const CONCURRENT_READS: usize = 8;

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        Self::Index(Box::new(error))
    }
}

/// The embedded index. Cheap to clone; clones are the same index.
///
/// Through [`crate::Backend`] its work is done on the blocking pool. The methods here block: they are for programs that do
/// one thing, and for measurements.
#[derive(Clone)]
pub struct Index {
    dir: PathBuf,
    fields: Fields,
    masks: Arc<Masks>,
    /// Replaced when a rebuilt index takes this one's place.
    current: Arc<RwLock<Arc<OpenIndex>>>,
    /// Whether the index must be rebuilt: see [`crate::Backend::is_stale`].
    stale: Arc<AtomicBool>,
    /// Whether an operation failed in a way that damage explains.
    suspicious: Arc<AtomicBool>,
    /// Counts rollbacks: a batch of an earlier epoch must not be applied.
    epoch: Arc<AtomicU64>,
    reads: Arc<Semaphore>,
}

/// What Tantivy has open.
struct OpenIndex {
    blocks: BlockCache,
    reader: IndexReader,
    index: ::tantivy::Index,
    /// `None` if the index was opened for reading only, or closed.
    writer: RwLock<Option<IndexWriter>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in `dir` for writing, and creates it if there is none. An index that an earlier version wrote, or
    /// whose documents were masked with other rules, serves until a [`crate::Follower`] has rebuilt it. One that cannot be
    /// read is emptied, and a follower fills it again.
    ///
    /// # Errors
    /// [`SearchError::Locked`] while another process writes to it; [`SearchError::Folder`] if the folder cannot be
    /// written, or holds something else.
    pub fn open(dir: &Path, masks: Masks) -> Result<Self> {
        Self::open_with(dir, masks, WriterBudget::BESIDE_RECORDING)
    }

    /// [`Self::open`], with as much of the machine as filling the index takes.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_fill(dir: &Path, masks: Masks) -> Result<Self> {
        Self::open_with(dir, masks, WriterBudget::whole_machine())
    }

    fn open_with(dir: &Path, masks: Masks, budget: WriterBudget) -> Result<Self> {
        let (open, fields, stale) = OpenIndex::open(dir, masks.fingerprint(), budget)?;
        Ok(Self::new(dir, fields, masks, open, stale))
    }

    /// Opens the index in `dir` for searching, whether or not another process writes to it. What that process commits is
    /// seen a moment later.
    ///
    /// # Errors
    /// [`SearchError::Missing`], [`SearchError::Version`].
    pub fn open_read_only(dir: &Path) -> Result<Self> {
        let (index, fields) = folder::open_for_reading(dir)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::OnCommitWithDelay).try_into()?;
        let open = OpenIndex { blocks: BlockCache::default(), reader, index, writer: RwLock::new(None) };
        Ok(Self::new(dir, fields, Masks::default(), open, false))
    }

    fn new(dir: &Path, fields: Fields, masks: Masks, open: OpenIndex, stale: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            fields,
            masks: Arc::new(masks),
            current: Arc::new(RwLock::new(Arc::new(open))),
            stale: Arc::new(AtomicBool::new(stale)),
            suspicious: Arc::default(),
            epoch: Arc::default(),
            reads: Arc::new(Semaphore::new(CONCURRENT_READS)),
        }
    }

    fn current(&self) -> Arc<OpenIndex> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A page of hits. Blocks.
    ///
    /// # Errors
    /// As [`crate::Backend::search`].
    pub fn search(&self, query: &Query) -> Result<Hits> {
        self.noting_failure(self.find(query))
    }

    fn find(&self, query: &Query) -> Result<Hits> {
        let expression = parse(&query.text, &query.now())?;
        let (limit, offset) = query.page()?;
        let current = self.current();
        let searcher = current.reader.searcher();
        let plan = QueryPlan::new(&self.fields, query, &expression);
        let collected = if query.order == Order::Relevance {
            self.most_relevant(&current, &searcher, query, &plan, offset + limit)?
        } else {
            let options = CollectorOptions {
                window: plan.window,
                order: query.order,
                after: query.after,
                limit: offset + limit,
                facets: query.facets.then(|| query.now().time_zone().clone()),
            };
            collect(&searcher, &current.blocks, &*plan.query, &options)?
        };
        plan.check_patterns()?;
        let clauses = expression.highlighted();
        let page = collected.hits.get(offset..).unwrap_or_default();
        let hits = page.iter().map(|(_, address)| Ok(self.read(&searcher, *address)?.into_hit(&clauses)));
        let full = page.len() == limit && query.order != Order::Relevance;
        Ok(Hits {
            hits: hits.collect::<Result<_>>()?,
            total: collected.total,
            more: collected.more,
            next: page.last().filter(|_| full).map(|(cursor, _)| *cursor),
            facets: collected.facets,
        })
    }

    /// The hits with the highest scores, with totals and facets of all.
    fn most_relevant(
        &self,
        current: &OpenIndex,
        searcher: &Searcher,
        query: &Query,
        plan: &QueryPlan,
        limit: usize,
    ) -> Result<CollectedHits> {
        let facets = query.facets.then(|| query.now().time_zone().clone());
        let counting = CollectorOptions { window: plan.window, order: Order::Newest, after: None, limit: 0, facets };
        let counted = collect(searcher, &current.blocks, &*plan.query, &counting)?;
        let best = searcher.search(&plan.windowed_query(&self.fields), &TopDocs::with_limit(limit).order_by_score())?;
        let hits = best
            .into_iter()
            .map(|(_, address)| (HitCursor { at: UnixMicros::EPOCH, tie_breaker: 0 }, address))
            .collect();
        Ok(CollectedHits { hits, ..counted })
    }

    /// One session; `None` if the index does not have it (yet). Blocks.
    ///
    /// # Errors
    /// Tantivy's.
    pub fn session(&self, id: RecordingId) -> Result<Option<SessionRow>> {
        self.noting_failure(self.find_session(id))
    }

    fn find_session(&self, id: RecordingId) -> Result<Option<SessionRow>> {
        let searcher = self.searcher();
        let term = encoder::group_term(&self.fields, &DocumentGroup::Session(id));
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        // A session has `high`, its commands have not: it comes first.
        let first = TopDocs::with_limit(1).order_by_fast_field::<u64>("high", ::tantivy::Order::Desc);
        for (_, address) in searcher.search(&query, &first)? {
            if let Document::Session { row } = self.read(&searcher, address)? {
                return Ok(Some(row.into()));
            }
        }
        Ok(None)
    }

    fn find_run(&self, key: &str) -> Result<Option<KubectlRun>> {
        let searcher = self.searcher();
        let term = encoder::group_term(&self.fields, &DocumentGroup::Run(key.to_owned()));
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        for (_, address) in searcher.search(&query, &TopDocs::with_limit(1).order_by_score())? {
            if let Document::Run(run) = self.read(&searcher, address)? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// How many documents the index has.
    pub fn documents(&self) -> u64 {
        self.searcher().num_docs()
    }

    fn searcher(&self) -> Searcher {
        self.current().reader.searcher()
    }

    fn read(&self, searcher: &Searcher, address: DocAddress) -> Result<Document> {
        encoder::decode(&self.fields, &searcher.doc::<TantivyDocument>(address)?)
    }

    /// Returns `done`. If it is an error that damage explains, the index becomes suspicious.
    fn noting_failure<T>(&self, done: Result<T>) -> Result<T> {
        if matches!(done, Err(SearchError::Index(_) | SearchError::Document(_))) {
            self.suspicious.store(true, Ordering::Relaxed);
        }
        done
    }
}

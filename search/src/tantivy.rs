//! The index in its folder.

mod days;
mod excluded;
mod folder;
mod lists;
mod pattern_query;
mod plan;
pub(crate) mod schema;
mod time_ordered;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, atomic::AtomicBool},
};

pub(crate) use folder::{beside, failed, lock, remove, swap};
pub(crate) use plan::session_kind;
use plan::{Plan, page};
use recording::RecordingId;
use tantivy::{
    DocAddress, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, collector::TopDocs,
    query::TermQuery, schema::IndexRecordOption,
};
use time_ordered::{Found, KnownBlocks, Wanted, ordered};
use writer::WriterBudget;

use crate::{
    HitCursor, Hits, Order, Query, Result, SearchError, SessionRow,
    documents::kubectl_run::KubectlRun,
    documents::mask::Masks,
    documents::{Stored, run_key, session_key},
    query::parse,
    tantivy::schema::Fields,
};

/// The index. Cheap to clone; clones see the same.
#[derive(Clone)]
pub struct Index {
    dir: PathBuf,
    fields: Fields,
    masks: Arc<Masks>,
    /// Changed when the index was made anew: see [`Index::switch`].
    current: Arc<RwLock<Arc<Inner>>>,
    /// Whether it must be made anew: it is damaged, of an earlier version, or made with other masks.
    stale: Arc<AtomicBool>,
    /// Whether reading or writing it failed since it was examined.
    doubted: Arc<AtomicBool>,
}

struct Inner {
    blocks: KnownBlocks,
    reader: IndexReader,
    index: tantivy::Index,
    /// None in an index that was opened for reading only, or that was closed.
    writer: RwLock<Option<IndexWriter>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in `dir` for writing, creating it where there is none. One of an earlier version, or one that was
    /// made with other masks, is served until a [`crate::Follower`] has made another beside it. One that cannot be
    /// read, or is of a version that cannot, is emptied: a follower fills it again.
    ///
    /// # Errors
    /// [`SearchError::Locked`] while another process writes to it; [`SearchError::Folder`] for a folder that cannot
    /// be written or holds something else.
    pub fn open(dir: &Path, masks: Masks) -> Result<Self> {
        Self::open_with(dir, masks, WriterBudget::BESIDE)
    }

    /// Like [`Self::open`], to put much into it at once.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_to_fill(dir: &Path, masks: Masks) -> Result<Self> {
        Self::open_with(dir, masks, WriterBudget::full())
    }

    fn open_with(dir: &Path, masks: Masks, effort: WriterBudget) -> Result<Self> {
        let (inner, fields, stale) = Inner::open(dir, masks.fingerprint(), effort)?;
        Ok(Self::of(dir, fields, masks, inner, stale))
    }

    /// Opens the index in `dir` for searching, whether or not another process writes to it; what that one commits
    /// is seen a moment later.
    ///
    /// # Errors
    /// [`SearchError::Missing`], [`SearchError::Version`].
    pub fn open_read_only(dir: &Path) -> Result<Self> {
        let (index, fields) = folder::open_for_reading(dir)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::OnCommitWithDelay).try_into()?;
        let inner = Inner { blocks: KnownBlocks::default(), reader, index, writer: RwLock::new(None) };
        Ok(Self::of(dir, fields, Masks::default(), inner, false))
    }

    fn of(dir: &Path, fields: Fields, masks: Masks, inner: Inner, stale: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            fields,
            masks: Arc::new(masks),
            current: Arc::new(RwLock::new(Arc::new(inner))),
            stale: Arc::new(AtomicBool::new(stale)),
            doubted: Arc::default(),
        }
    }

    fn inner(&self) -> Arc<Inner> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Finds hits.
    ///
    /// # Errors
    /// [`SearchError::Query`] says what is wrong with the text or the page.
    pub fn search(&self, query: &Query) -> Result<Hits> {
        self.watched(self.find(query))
    }

    fn find(&self, query: &Query) -> Result<Hits> {
        let expression = parse(&query.text, &query.now())?;
        let (limit, offset) = page(query)?;
        let inner = self.inner();
        let searcher = inner.reader.searcher();
        let plan = Plan::new(&self.fields, query, &expression);
        let found = if query.order == Order::Relevance {
            self.relevant(&inner, &searcher, query, &plan, offset + limit)?
        } else {
            let wanted = Wanted {
                span: plan.span,
                order: query.order,
                after: query.after,
                limit: offset + limit,
                facets: query.facets.then(|| query.now().time_zone().clone()),
            };
            ordered(&searcher, &inner.blocks, &*plan.query, &wanted)?
        };
        plan.check()?;
        let needles = expression.needles();
        let page = found.hits.get(offset..).unwrap_or_default();
        let hits = page.iter().map(|(_, address)| Ok(self.stored(&searcher, *address)?.into_hit(&needles)));
        let full = page.len() == limit && query.order != Order::Relevance;
        Ok(Hits {
            hits: hits.collect::<Result<_>>()?,
            total: found.total,
            more: found.more,
            next: page.last().filter(|_| full).map(|(cursor, _)| *cursor),
            facets: found.facets,
        })
    }

    /// The best hits, and how many there are.
    fn relevant(&self, inner: &Inner, searcher: &Searcher, query: &Query, plan: &Plan, limit: usize) -> Result<Found> {
        let facets = query.facets.then(|| query.now().time_zone().clone());
        let wanted = Wanted { span: plan.span, order: Order::Newest, after: None, limit: 0, facets };
        let counted = ordered(searcher, &inner.blocks, &*plan.query, &wanted)?;
        let best = searcher.search(&plan.within(&self.fields), &TopDocs::with_limit(limit).order_by_score())?;
        let hits = best.into_iter().map(|(_, address)| (HitCursor { at: 0, tie: 0 }, address)).collect();
        Ok(Found { hits, ..counted })
    }

    /// One session; none where the index has not heard of it (yet).
    ///
    /// # Errors
    /// The index's.
    pub fn session(&self, id: RecordingId) -> Result<Option<SessionRow>> {
        self.watched(self.find_session(id))
    }

    fn find_session(&self, id: RecordingId) -> Result<Option<SessionRow>> {
        let searcher = self.searcher();
        let query = TermQuery::new(session_key(&self.fields, id), IndexRecordOption::Basic);
        // A session's own document has `high`, its commands have not: it comes first.
        let first = TopDocs::with_limit(1).order_by_fast_field::<u64>("high", tantivy::Order::Desc);
        for (_, address) in searcher.search(&query, &first)? {
            if let Stored::Session { row } = self.stored(&searcher, address)? {
                return Ok(Some(row.into()));
            }
        }
        Ok(None)
    }

    /// The run that was indexed under `key`.
    pub(crate) fn run(&self, key: &str) -> Result<Option<KubectlRun>> {
        let searcher = self.searcher();
        let query = TermQuery::new(run_key(&self.fields, key), IndexRecordOption::Basic);
        for (_, address) in searcher.search(&query, &TopDocs::with_limit(1).order_by_score())? {
            if let Stored::Run(run) = self.stored(&searcher, address)? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// How many documents there are.
    pub fn documents(&self) -> u64 {
        self.searcher().num_docs()
    }

    fn searcher(&self) -> Searcher {
        self.inner().reader.searcher()
    }

    fn stored(&self, searcher: &Searcher, address: DocAddress) -> Result<Stored, SearchError> {
        Stored::of(&self.fields, &searcher.doc::<TantivyDocument>(address)?)
    }
}

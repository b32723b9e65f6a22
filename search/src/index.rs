//! The index in its folder.

mod folder;
mod lists;
mod writing;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

pub(crate) use folder::{failed, lock};
use storage::RecordingId;
use tantivy::{
    DocAddress, IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument,
    collector::{Count, TopDocs},
    query::TermQuery,
    schema::IndexRecordOption,
};

use crate::{
    Hits, Query, Result, SearchError, SessionRow,
    document::{Stored, run_key, session_key},
    query::{Needle, matching, page, parse},
    run::Run,
    schema::Fields,
};

/// The index. Cheap to clone; clones see the same.
#[derive(Clone)]
pub struct Index {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    fields: Fields,
    reader: IndexReader,
    index: tantivy::Index,
    /// None in an index that was opened for reading only.
    writer: Option<Mutex<IndexWriter>>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("dir", &self.inner.dir).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens the index in `dir` for writing, creating it where there is none. One of another version, or one that
    /// cannot be read, is emptied: a [`crate::Follower`] fills it again.
    ///
    /// # Errors
    /// [`SearchError::Locked`] while another process writes to it; [`SearchError::Folder`] for a folder that cannot
    /// be written or holds something else.
    pub fn open(dir: &Path) -> Result<Self> {
        let (index, fields) = folder::open_for_writing(dir)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let writer = Some(Mutex::new(writing::writer(&index, dir)?));
        Ok(Self { inner: Arc::new(Inner { dir: dir.to_owned(), fields, reader, index, writer }) })
    }

    /// Opens the index in `dir` for searching, whether or not another process writes to it; what that one commits
    /// is seen a moment later.
    ///
    /// # Errors
    /// [`SearchError::Missing`], [`SearchError::Version`].
    pub fn open_read_only(dir: &Path) -> Result<Self> {
        let (index, fields) = folder::open_for_reading(dir)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::OnCommitWithDelay).try_into()?;
        Ok(Self { inner: Arc::new(Inner { dir: dir.to_owned(), fields, reader, index, writer: None }) })
    }

    /// Finds hits, newest first.
    ///
    /// # Errors
    /// [`SearchError::Query`] says what is wrong with the text or the page.
    pub fn search(&self, query: &Query) -> Result<Hits> {
        let parsed = parse(&query.text)?;
        let (limit, offset) = page(query)?;
        let fields = &self.inner.fields;
        let searcher = self.searcher();
        let newest =
            TopDocs::with_limit(limit).and_offset(offset).order_by_fast_field::<i64>("at", tantivy::Order::Desc);
        let (total, found) = searcher.search(&*matching(fields, query, &parsed), &(Count, newest))?;
        let wanted = parsed.needles.into_iter().filter(|clause| !clause.excluded);
        let needles: Vec<Needle> = wanted.map(|clause| clause.what).collect();
        let hits = found.into_iter().map(|(_, address)| Ok(self.stored(&searcher, address)?.into_hit(&needles)));
        Ok(Hits { hits: hits.collect::<Result<_>>()?, total })
    }

    /// One session; none where the index has not heard of it (yet).
    ///
    /// # Errors
    /// The index's.
    pub fn session(&self, id: RecordingId) -> Result<Option<SessionRow>> {
        let searcher = self.searcher();
        let query = TermQuery::new(session_key(&self.inner.fields, id), IndexRecordOption::Basic);
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
    pub(crate) fn run(&self, key: &str) -> Result<Option<Run>> {
        let searcher = self.searcher();
        let query = TermQuery::new(run_key(&self.inner.fields, key), IndexRecordOption::Basic);
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
        self.inner.reader.searcher()
    }

    fn stored(&self, searcher: &Searcher, address: DocAddress) -> Result<Stored, SearchError> {
        Stored::of(&self.inner.fields, &searcher.doc::<TantivyDocument>(address)?)
    }
}

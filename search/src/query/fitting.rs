//! Documents with a term that fits a pattern.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tantivy::{
    BitSet, DocId, Score, SegmentReader, Term,
    index::SegmentId,
    postings::TermInfo,
    query::{BitSetDocSet, ConstScorer, EmptyScorer, EnableScoring, Explanation, Query, Scorer, Weight},
    schema::{Field, IndexRecordOption},
};

use super::{pattern::Pattern, plan::following};

/// Terms of a segment that are tried.
const MOST_TRIED: usize = 4_000_000;
/// Terms of a segment that may fit.
const MOST_FITTING: usize = 500_000;

/// A query for a pattern. What fits is found once for each segment, however often it is asked.
#[derive(Clone, Debug)]
pub(super) struct Fitting {
    field: Field,
    pattern: Pattern,
    found: Found,
    too_broad: Arc<AtomicBool>,
}

type Found = Arc<Mutex<HashMap<SegmentId, Arc<BitSet>>>>;

impl Fitting {
    /// `too_broad` is set when more terms fit than are read: then what is found is not all.
    pub(super) fn new(field: Field, pattern: Pattern, too_broad: Arc<AtomicBool>) -> Self {
        Self { field, pattern, found: Arc::default(), too_broad }
    }

    fn documents(&self, reader: &SegmentReader) -> tantivy::Result<Arc<BitSet>> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&reader.segment_id()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let documents = Arc::new(self.find(reader)?);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(reader.segment_id(), Arc::clone(&documents));
        Ok(documents)
    }

    fn find(&self, reader: &SegmentReader) -> tantivy::Result<BitSet> {
        let mut documents = BitSet::with_max_value(reader.max_doc());
        let index = reader.inverted_index(self.field)?;
        for info in self.terms(reader)? {
            let mut postings = index.read_block_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for &document in postings.docs() {
                    documents.insert(document);
                }
                postings.advance();
            }
        }
        Ok(documents)
    }

    fn terms(&self, reader: &SegmentReader) -> tantivy::Result<Vec<TermInfo>> {
        let index = reader.inverted_index(self.field)?;
        let prefix = self.pattern.prefix();
        let mut range = index.terms().range().ge(prefix);
        if let Some(end) = following(prefix) {
            range = range.lt(end);
        }
        let mut terms = range.into_stream()?;
        let mut fitting = Vec::new();
        let mut tried = 0;
        while terms.advance() {
            tried += 1;
            if tried > MOST_TRIED || fitting.len() == MOST_FITTING {
                self.too_broad.store(true, Ordering::Relaxed);
                break;
            }
            if std::str::from_utf8(terms.key()).is_ok_and(|term| self.pattern.fits(term)) {
                fitting.push(terms.value().clone());
            }
        }
        Ok(fitting)
    }
}

impl Query for Fitting {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }

    fn query_terms<'a>(&'a self, _visitor: &mut dyn FnMut(&'a Term, bool)) {}
}

impl Weight for Fitting {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let documents = self.documents(reader)?;
        if documents.len() == 0 {
            return Ok(Box::new(EmptyScorer));
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(BitSet::clone(&documents)), boost)))
    }

    fn explain(&self, _reader: &SegmentReader, _document: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("fits the pattern", 1.0))
    }
}

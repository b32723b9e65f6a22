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
    query::{
        BitSetDocSet, BooleanQuery, ConstScorer, EnableScoring, Explanation, Occur, Query, Scorer, TermQuery, Weight,
    },
    schema::{Field, IndexRecordOption},
};

use super::plan::following;
use crate::query::pattern::Pattern;

/// Terms of a segment that are tried.
const MOST_TRIED: usize = 4_000_000;
/// Terms that are not read through.
const FEW: usize = 8;
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

type Found = Arc<Mutex<HashMap<SegmentId, Documents>>>;

/// What fits in a segment.
#[derive(Clone, Debug)]
enum Documents {
    /// Few terms, which are asked as any term is: a page does not cost all documents of a person.
    Of(Vec<Term>),
    /// The documents of many.
    These(Arc<BitSet>),
}

impl Fitting {
    /// `too_broad` is set when more terms fit than are read: then what is found is not all.
    pub(super) fn new(field: Field, pattern: Pattern, too_broad: Arc<AtomicBool>) -> Self {
        Self { field, pattern, found: Arc::default(), too_broad }
    }

    fn documents(&self, reader: &SegmentReader) -> tantivy::Result<Documents> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&reader.segment_id()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let documents = self.find(reader)?;
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(reader.segment_id(), documents.clone());
        Ok(documents)
    }

    fn find(&self, reader: &SegmentReader) -> tantivy::Result<Documents> {
        let (first, terms) = self.terms(reader)?;
        if terms.len() <= FEW {
            return Ok(Documents::Of(first));
        }
        let mut documents = BitSet::with_max_value(reader.max_doc());
        let index = reader.inverted_index(self.field)?;
        for info in terms {
            let mut postings = index.read_block_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
            while !postings.docs().is_empty() {
                for &document in postings.docs() {
                    documents.insert(document);
                }
                postings.advance();
            }
        }
        Ok(Documents::These(Arc::new(documents)))
    }

    /// The first [`FEW`] terms that fit, and where all of them are.
    fn terms(&self, reader: &SegmentReader) -> tantivy::Result<(Vec<Term>, Vec<TermInfo>)> {
        let index = reader.inverted_index(self.field)?;
        let prefix = self.pattern.prefix();
        let mut range = index.terms().range().ge(prefix);
        if let Some(end) = following(prefix) {
            range = range.lt(end);
        }
        let mut terms = range.into_stream()?;
        let (mut first, mut fitting) = (Vec::new(), Vec::new());
        let mut tried = 0;
        while terms.advance() {
            tried += 1;
            if tried > MOST_TRIED || fitting.len() == MOST_FITTING {
                self.too_broad.store(true, Ordering::Relaxed);
                break;
            }
            if let Some(term) = std::str::from_utf8(terms.key()).ok().filter(|term| self.pattern.fits(term)) {
                if first.len() < FEW {
                    first.push(Term::from_field_text(self.field, term));
                }
                fitting.push(terms.value().clone());
            }
        }
        Ok((first, fitting))
    }
}

fn one_of(terms: Vec<Term>) -> BooleanQuery {
    let query = |term| (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Query>);
    BooleanQuery::new(terms.into_iter().map(query).collect())
}

impl Query for Fitting {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }

    fn query_terms<'a>(&'a self, _visitor: &mut dyn FnMut(&'a Term, bool)) {}
}

impl Weight for Fitting {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        match self.documents(reader)? {
            Documents::Of(terms) => {
                let weight = one_of(terms).weight(EnableScoring::disabled_from_schema(reader.schema()))?;
                Ok(Box::new(ConstScorer::new(weight.scorer(reader, boost)?, boost)))
            }
            Documents::These(documents) => {
                Ok(Box::new(ConstScorer::new(BitSetDocSet::from(BitSet::clone(&documents)), boost)))
            }
        }
    }

    fn explain(&self, _reader: &SegmentReader, _document: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("fits the pattern", 1.0))
    }
}

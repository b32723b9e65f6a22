//! Queries for terms that match a pattern.

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

use crate::query::pattern::Pattern;

/// Most terms of a segment that are tried.
const MAX_TRIED: usize = 4_000_000;
/// Up to this many terms are asked for as terms, instead of reading all their postings.
const FEW: usize = 8;
/// Most terms of a segment that may match.
const MAX_MATCHING: usize = 500_000;

/// A query for documents with a term that matches a pattern. The terms are looked up once in each segment, however often
/// the query is asked for a scorer.
#[derive(Clone, Debug)]
pub(super) struct PatternQuery {
    field: Field,
    pattern: Pattern,
    cache: SegmentCache,
    too_broad: Arc<AtomicBool>,
}

type SegmentCache = Arc<Mutex<HashMap<SegmentId, MatchingDocuments>>>;

/// The documents of a segment that have a matching term.
#[derive(Clone, Debug)]
enum MatchingDocuments {
    /// Few terms, asked for as any other: a page does not cost reading all documents of a person.
    Terms(Vec<Term>),
    /// The documents of many terms.
    Set(Arc<BitSet>),
}

impl PatternQuery {
    /// Sets `too_broad` if more terms match than are read: then the documents are not all.
    pub(super) fn new(field: Field, pattern: Pattern, too_broad: Arc<AtomicBool>) -> Self {
        Self { field, pattern, cache: Arc::default(), too_broad }
    }

    fn documents(&self, reader: &SegmentReader) -> tantivy::Result<MatchingDocuments> {
        let known = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&reader.segment_id()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let documents = self.look_up(reader)?;
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(reader.segment_id(), documents.clone());
        Ok(documents)
    }

    fn look_up(&self, reader: &SegmentReader) -> tantivy::Result<MatchingDocuments> {
        let (first, terms) = self.terms(reader)?;
        if terms.len() <= FEW {
            return Ok(MatchingDocuments::Terms(first));
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
        Ok(MatchingDocuments::Set(Arc::new(documents)))
    }

    /// The first [`FEW`] matching terms, and the postings of all of them.
    fn terms(&self, reader: &SegmentReader) -> tantivy::Result<(Vec<Term>, Vec<TermInfo>)> {
        let index = reader.inverted_index(self.field)?;
        let prefix = self.pattern.prefix();
        let mut range = index.terms().range().ge(prefix);
        if let Some(end) = following(prefix) {
            range = range.lt(end);
        }
        let mut terms = range.into_stream()?;
        let (mut first, mut matching) = (Vec::new(), Vec::new());
        let mut tried = 0;
        while terms.advance() {
            tried += 1;
            if tried > MAX_TRIED || matching.len() == MAX_MATCHING {
                self.too_broad.store(true, Ordering::Relaxed);
                break;
            }
            if let Some(term) = std::str::from_utf8(terms.key()).ok().filter(|term| self.pattern.matches(term)) {
                if first.len() < FEW {
                    first.push(Term::from_field_text(self.field, term));
                }
                matching.push(terms.value().clone());
            }
        }
        Ok((first, matching))
    }
}

fn one_of(terms: Vec<Term>) -> BooleanQuery {
    let query = |term| (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::Basic)) as Box<dyn Query>);
    BooleanQuery::new(terms.into_iter().map(query).collect())
}

impl Query for PatternQuery {
    fn weight(&self, _scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }

    fn query_terms<'a>(&'a self, _visitor: &mut dyn FnMut(&'a Term, bool)) {}
}

impl Weight for PatternQuery {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        match self.documents(reader)? {
            MatchingDocuments::Terms(terms) => {
                let weight = one_of(terms).weight(EnableScoring::disabled_from_schema(reader.schema()))?;
                Ok(Box::new(ConstScorer::new(weight.scorer(reader, boost)?, boost)))
            }
            MatchingDocuments::Set(documents) => {
                Ok(Box::new(ConstScorer::new(BitSetDocSet::from(BitSet::clone(&documents)), boost)))
            }
        }
    }

    fn explain(&self, _reader: &SegmentReader, _document: DocId) -> tantivy::Result<Explanation> {
        Ok(Explanation::new("matches the pattern", 1.0))
    }
}

/// The first text, in the order of bytes, after all those that begin with `prefix`; `None` if there is none.
fn following(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // The surrogates' gap is stepped over; nothing follows the last code point.
        let next = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32);
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

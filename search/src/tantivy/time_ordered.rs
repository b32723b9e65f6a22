//! Collects hits in order of time without reading all of them.
//!
//! Documents are added roughly in order of time, so a block of neighbouring documents spans a short time. For each block
//! the times of its first and last document are cached. Blocks are read newest first, a few at once and then ever more.
//! When the page is full, the hits are counted as far as they are, and no other block can hold a newer hit, the rest is
//! skipped. So a query that matches millions costs what its page costs. One that matches few reads all blocks, which then
//! is cheap: a scorer steps over those without a match.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::tz::TimeZone;
use recording::UnixMicros;
use tantivy::{
    DocAddress, DocSet, Score, Searcher, SegmentReader,
    columnar::ColumnValues,
    index::SegmentId,
    query::{EnableScoring, Query, Weight},
};

use super::facets::FacetCounter;
use crate::{
    Result,
    documents::hit::Facets,
    query::{Order, cursor::HitCursor, expression::TimeWindow},
};

/// Documents of a block.
const BLOCK: u32 = 8192;
/// Blocks of the first batch; each later batch has twice as many as the one before.
const FIRST_BATCH: usize = 8;
/// Hits are counted to this number.
const MAX_COUNT: usize = 10_000;

/// What to collect.
pub(super) struct CollectorOptions {
    pub(super) window: TimeWindow,
    pub(super) order: Order,
    pub(super) after: Option<HitCursor>,
    /// Hits to collect; with 0 they are only counted.
    pub(super) limit: usize,
    /// If `Some`, count hits by value, and by day in this time zone.
    pub(super) facets: Option<TimeZone>,
}

/// The collected hits.
#[derive(Default)]
pub(super) struct CollectedHits {
    /// In order.
    pub(super) hits: Vec<(HitCursor, DocAddress)>,
    /// Hits of the window, those before the cursor too; at most [`MAX_COUNT`].
    pub(super) total: usize,
    /// Whether there are more than `total`.
    pub(super) more: bool,
    pub(super) facets: Facets,
}

/// Times of the first and last document of each block of a segment.
#[derive(Debug)]
struct SegmentBlocks(Vec<(i64, i64)>);

/// The blocks of all segments. A segment never changes.
#[derive(Debug, Default)]
pub(super) struct BlockCache(Mutex<HashMap<SegmentId, Arc<SegmentBlocks>>>);

impl BlockCache {
    fn blocks(&self, reader: &SegmentReader) -> Result<Arc<SegmentBlocks>> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&reader.segment_id()).cloned();
        if let Some(cached) = cached {
            return Ok(cached);
        }
        let blocks = Arc::new(SegmentBlocks::of(reader)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(reader.segment_id(), Arc::clone(&blocks));
        Ok(blocks)
    }

    /// Reads the blocks of new segments, so that no search has to, and drops those of segments that are gone.
    pub(super) fn warm(&self, searcher: &Searcher) -> Result<()> {
        let readers = searcher.segment_readers();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| readers.iter().any(|reader| reader.segment_id() == *id));
        readers.iter().try_for_each(|reader| self.blocks(reader).map(|_| ()))
    }
}

impl SegmentBlocks {
    fn of(reader: &SegmentReader) -> Result<Self> {
        let times = times(reader)?;
        let mut values = vec![0; BLOCK as usize];
        let blocks = (0..reader.max_doc()).step_by(BLOCK as usize).map(|start| {
            let length = BLOCK.min(reader.max_doc() - start) as usize;
            times.get_range(u64::from(start), &mut values[..length]);
            let block = &values[..length];
            (block.iter().copied().min().unwrap_or_default(), block.iter().copied().max().unwrap_or_default())
        });
        Ok(Self(blocks.collect()))
    }
}

fn times(reader: &SegmentReader) -> Result<Arc<dyn ColumnValues<i64>>> {
    Ok(reader.fast_fields().column_first_or_default::<i64>("at")?)
}

/// A block to read. Ordered by the best hit that it can hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    best: i64,
    worst: i64,
    segment: usize,
    block: u32,
}

/// Collects the hits of a query.
pub(super) fn collect(
    searcher: &Searcher,
    cache: &BlockCache,
    query: &dyn Query,
    options: &CollectorOptions,
) -> Result<CollectedHits> {
    let mut collector = TimeOrderedCollector::new(searcher, options);
    let mut candidates = collector.candidates(cache)?;
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let (mut rest, mut batch_size) = (candidates.as_slice(), FIRST_BATCH);
    while let Some(next) = rest.first() {
        if collector.is_done(next.best) {
            collector.more = true;
            break;
        }
        let (batch, after) = rest.split_at(batch_size.min(rest.len()));
        rest = after;
        batch_size *= 2;
        let mut batch: Vec<Candidate> = batch.iter().copied().filter(|block| collector.needs(block)).collect();
        batch.sort_unstable_by_key(|candidate| (candidate.segment, candidate.block));
        for of_segment in batch.chunk_by(|a, b| a.segment == b.segment) {
            collector.read(&*weight, of_segment)?;
        }
    }
    collector.finish()
}

/// Time and tie breaker of a hit, in the order of the query: greater comes first.
type SortKey = (i64, u64);

struct TimeOrderedCollector<'a> {
    searcher: &'a Searcher,
    options: &'a CollectorOptions,
    /// Bounds of the window, the upper one excluded.
    from: i64,
    until: i64,
    /// The cursor: hits must be below it.
    below: Option<SortKey>,
    /// The best hits so far, the worst of them on top.
    best: BinaryHeap<Reverse<(SortKey, DocAddress)>>,
    count: usize,
    more: bool,
    facets: Option<FacetCounter<'a>>,
}

impl<'a> TimeOrderedCollector<'a> {
    fn new(searcher: &'a Searcher, options: &'a CollectorOptions) -> Self {
        let mut collector = Self {
            searcher,
            options,
            from: options.window.from.map_or(i64::MIN, |at| at.as_microsecond()),
            until: options.window.until.map_or(i64::MAX, |at| at.as_microsecond()),
            below: None,
            best: BinaryHeap::new(),
            count: 0,
            more: false,
            facets: options.facets.clone().map(|zone| FacetCounter::new(searcher, zone)),
        };
        collector.below = options.after.map(|cursor| collector.sort_key(cursor.at.get(), cursor.tie_breaker));
        collector
    }

    /// Also turns a sort key back into time and tie breaker.
    fn sort_key(&self, at: i64, tie_breaker: u64) -> SortKey {
        if self.options.order == Order::Oldest { (!at, !tie_breaker) } else { (at, tie_breaker) }
    }

    fn candidates(&self, cache: &BlockCache) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for (segment, reader) in self.searcher.segment_readers().iter().enumerate() {
            let blocks = cache.blocks(reader)?;
            for (block, &(first, last)) in (0u32..).zip(&blocks.0) {
                if last < self.from || first >= self.until {
                    continue;
                }
                let (a, b) = (self.sort_key(first, 0).0, self.sort_key(last, 0).0);
                candidates.push(Candidate { best: a.max(b), worst: a.min(b), segment, block });
            }
        }
        Ok(candidates)
    }

    fn is_counted(&self) -> bool {
        self.count > MAX_COUNT
    }

    /// Whether hits that are not better than `best` can change nothing.
    fn is_done(&self, best: i64) -> bool {
        let full = self.best.len() >= self.options.limit;
        let worst = self.best.peek().map(|Reverse((key, _))| key.0);
        self.is_counted() && full && worst.is_none_or(|worst| best < worst)
    }

    /// Whether a block must be counted, or can hold a hit behind the cursor.
    fn needs(&self, candidate: &Candidate) -> bool {
        !self.is_counted() || self.below.is_none_or(|below| candidate.worst <= below.0)
    }

    /// Reads blocks of one segment, in order.
    fn read(&mut self, weight: &dyn Weight, blocks: &[Candidate]) -> Result<()> {
        let Some(segment) = blocks.first().map(|candidate| candidate.segment) else { return Ok(()) };
        let reader = self.searcher.segment_reader(segment as u32);
        let times = times(reader)?;
        let tie_breakers = reader.fast_fields().column_first_or_default::<u64>("tie")?;
        let alive = reader.alive_bitset();
        let mut scorer = weight.scorer(reader, Score::default())?;
        for candidate in blocks {
            let start = candidate.block * BLOCK;
            let end = start.saturating_add(BLOCK).min(reader.max_doc());
            let mut document = scorer.doc();
            if document < start {
                document = scorer.seek(start);
            }
            while document < end {
                let at = times.get_val(document);
                if at >= self.from && at < self.until && alive.is_none_or(|alive| alive.is_alive(document)) {
                    self.count(segment, document, at)?;
                    self.offer(at, || tie_breakers.get_val(document), DocAddress::new(segment as u32, document));
                }
                document = scorer.advance();
            }
        }
        Ok(())
    }

    fn count(&mut self, segment: usize, document: u32, at: i64) -> Result<()> {
        self.count += 1;
        match &mut self.facets {
            Some(facets) if self.count <= MAX_COUNT => facets.count(segment, document, at),
            _ => Ok(()),
        }
    }

    fn offer(&mut self, at: i64, tie_breaker: impl FnOnce() -> u64, address: DocAddress) {
        if self.options.limit == 0 {
            return;
        }
        let full = self.best.len() == self.options.limit;
        let worst = self.best.peek().map(|Reverse((key, _))| *key);
        if full && worst.is_some_and(|worst| self.sort_key(at, 0).0 < worst.0) {
            return;
        }
        let key = self.sort_key(at, tie_breaker());
        if self.below.is_some_and(|below| key >= below) {
            return;
        }
        if full {
            if worst.is_some_and(|worst| key <= worst) {
                return;
            }
            self.best.pop();
        }
        self.best.push(Reverse((key, address)));
    }

    fn finish(mut self) -> Result<CollectedHits> {
        let mut best = std::mem::take(&mut self.best).into_vec();
        best.sort_unstable();
        let hits = best.into_iter().map(|Reverse((key, address))| {
            let (at, tie_breaker) = self.sort_key(key.0, key.1);
            (HitCursor { at: UnixMicros::new(at), tie_breaker }, address)
        });
        let hits = hits.collect();
        let facets = self.facets.take().map(FacetCounter::finish).transpose()?.unwrap_or_default();
        Ok(CollectedHits { hits, total: self.count.min(MAX_COUNT), more: self.more || self.is_counted(), facets })
    }
}

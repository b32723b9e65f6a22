//! Hits in order of time, without reading all of them.
//!
//! Documents come in about the order of time, so a block of documents that stand next to each other is of a short
//! time. Of each block the index keeps when it begins and ends. Blocks are read newest first, a few and then ever
//! more at once; when the page is full, the count is as far as it is told, and no block can hold a newer hit, the
//! rest is left. A query that finds millions so costs what its page costs, and one that finds few reads all blocks,
//! which then is cheap: a scorer steps over those that hold nothing.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::tz::TimeZone;
use tantivy::{
    DocAddress, DocSet, Score, Searcher, SegmentReader,
    columnar::{ColumnValues, StrColumn},
    index::SegmentId,
    query::{EnableScoring, Query},
};

use super::days::Days;
use crate::{Facet, Facets, HitCursor, Order, Result, query::Span};

/// Documents of a block.
const BLOCK: u32 = 8192;
/// Blocks that are read first; each time after, twice as many.
const FIRST: usize = 8;
/// Hits that are counted; where there are more, the count says so.
pub(crate) const COUNTED: usize = 10_000;
/// Values of a facet.
pub(super) const VALUES: usize = 20;
/// Fields that hits are counted by.
const FIELDS: usize = Facets::FIELDS.len();

/// What is asked for.
pub(crate) struct Wanted {
    pub(crate) span: Span,
    pub(crate) order: Order,
    pub(crate) after: Option<HitCursor>,
    pub(crate) limit: usize,
    /// Whether hits are counted by values, and the time zone whose days they are counted by.
    pub(crate) facets: Option<TimeZone>,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    /// In order.
    pub(crate) hits: Vec<(HitCursor, DocAddress)>,
    /// Hits of the span, before the cursor too; [`COUNTED`] where there are more.
    pub(crate) total: usize,
    pub(crate) more: bool,
    pub(crate) facets: Facets,
}

/// From when to when the documents of each block are.
#[derive(Debug)]
pub(crate) struct Blocks(Vec<(i64, i64)>);

/// The blocks of segments, which never change.
#[derive(Debug, Default)]
pub(crate) struct KnownBlocks(Mutex<HashMap<SegmentId, Arc<Blocks>>>);

impl KnownBlocks {
    fn of(&self, reader: &SegmentReader) -> Result<Arc<Blocks>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&reader.segment_id()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let blocks = Arc::new(Blocks::of(reader)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(reader.segment_id(), Arc::clone(&blocks));
        Ok(blocks)
    }

    /// Looks at segments that are new, before somebody searches, and forgets those that are gone.
    pub(crate) fn prepare(&self, searcher: &Searcher) -> Result<()> {
        let readers = searcher.segment_readers();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| readers.iter().any(|reader| reader.segment_id() == *id));
        readers.iter().try_for_each(|reader| self.of(reader).map(|_| ()))
    }
}

impl Blocks {
    fn of(reader: &SegmentReader) -> Result<Self> {
        let times = times(reader)?;
        let mut values = vec![0; BLOCK as usize];
        let blocks = (0..reader.max_doc()).step_by(BLOCK as usize).map(|start| {
            let length = BLOCK.min(reader.max_doc() - start) as usize;
            times.get_range(u64::from(start), &mut values[..length]);
            let of = &values[..length];
            (of.iter().copied().min().unwrap_or_default(), of.iter().copied().max().unwrap_or_default())
        });
        Ok(Self(blocks.collect()))
    }
}

/// The columns that hits are counted by; none where the index is of a version that did not count by it.
fn counted(reader: &SegmentReader) -> Result<[Option<StrColumn>; FIELDS]> {
    let mut columns = [const { None }; FIELDS];
    for (column, name) in columns.iter_mut().zip(Facets::FIELDS) {
        if reader.schema().get_field(name).is_ok_and(|field| reader.schema().get_field_entry(field).is_fast()) {
            *column = reader.fast_fields().str(name)?;
        }
    }
    Ok(columns)
}

fn times(reader: &SegmentReader) -> Result<Arc<dyn ColumnValues<i64>>> {
    Ok(reader.fast_fields().column_first_or_default::<i64>("at")?)
}

/// A block to read. Ordered by what it can hold at best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    best: i64,
    worst: i64,
    segment: usize,
    block: u32,
}

/// Finds hits. A `limit` of 0 counts only.
pub(crate) fn ordered(searcher: &Searcher, known: &KnownBlocks, query: &dyn Query, wanted: &Wanted) -> Result<Found> {
    let mut search = Search::new(searcher, wanted)?;
    let mut candidates = search.candidates(known)?;
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let (mut rest, mut many) = (candidates.as_slice(), FIRST);
    while let Some(next) = rest.first() {
        if search.is_done(next.best) {
            search.more = true;
            break;
        }
        let (batch, after) = rest.split_at(many.min(rest.len()));
        rest = after;
        many *= 2;
        let mut batch: Vec<Candidate> = batch.iter().copied().filter(|candidate| search.is_of_use(candidate)).collect();
        batch.sort_unstable_by_key(|candidate| (candidate.segment, candidate.block));
        for of_segment in batch.chunk_by(|a, b| a.segment == b.segment) {
            search.read(&*weight, of_segment)?;
        }
    }
    search.finish()
}

struct Search<'a> {
    searcher: &'a Searcher,
    wanted: &'a Wanted,
    /// Bounds of the span, the upper one excluded.
    from: i64,
    until: i64,
    /// The cursor as a sort key: hits must be below it.
    below: Option<(i64, u64)>,
    /// The best so far, the worst of them on top.
    best: BinaryHeap<Reverse<((i64, u64), DocAddress)>>,
    counted: usize,
    more: bool,
    columns: HashMap<usize, [Option<StrColumn>; FIELDS]>,
    facets: HashMap<(usize, usize, u64), u64>,
    /// A document's values, while it is counted.
    values: Vec<u64>,
    days: Days,
}

impl<'a> Search<'a> {
    fn new(searcher: &'a Searcher, wanted: &'a Wanted) -> Result<Self> {
        let mut search = Self {
            searcher,
            wanted,
            from: wanted.span.from.map_or(i64::MIN, |at| at.as_microsecond()),
            until: wanted.span.until.map_or(i64::MAX, |at| at.as_microsecond()),
            below: None,
            best: BinaryHeap::new(),
            counted: 0,
            more: false,
            columns: HashMap::new(),
            facets: HashMap::new(),
            values: Vec::new(),
            days: Days::default(),
        };
        search.below = wanted.after.map(|cursor| search.key(cursor.at, cursor.tie));
        Ok(search)
    }

    /// What sorts: greater comes first.
    fn key(&self, at: i64, tie: u64) -> (i64, u64) {
        if self.wanted.order == Order::Oldest { (!at, !tie) } else { (at, tie) }
    }

    fn candidates(&self, known: &KnownBlocks) -> Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for (segment, reader) in self.searcher.segment_readers().iter().enumerate() {
            let blocks = known.of(reader)?;
            for (block, &(first, last)) in (0u32..).zip(&blocks.0) {
                if last < self.from || first >= self.until {
                    continue;
                }
                let (a, b) = (self.key(first, 0).0, self.key(last, 0).0);
                candidates.push(Candidate { best: a.max(b), worst: a.min(b), segment, block });
            }
        }
        Ok(candidates)
    }

    fn is_counted(&self) -> bool {
        self.counted > COUNTED
    }

    /// Whether nothing that is not better than `best` can change what was found.
    fn is_done(&self, best: i64) -> bool {
        let full = self.best.len() >= self.wanted.limit;
        let worst = self.best.peek().map(|Reverse((key, _))| key.0);
        self.is_counted() && full && worst.is_none_or(|worst| best < worst)
    }

    /// Whether a block can hold a hit, or must be counted.
    fn is_of_use(&self, candidate: &Candidate) -> bool {
        !self.is_counted() || self.below.is_none_or(|below| candidate.worst <= below.0)
    }

    fn read(&mut self, weight: &dyn tantivy::query::Weight, blocks: &[Candidate]) -> Result<()> {
        let Some(segment) = blocks.first().map(|candidate| candidate.segment) else { return Ok(()) };
        let reader = self.searcher.segment_reader(segment as u32);
        let times = times(reader)?;
        let ties = reader.fast_fields().column_first_or_default::<u64>("tie")?;
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
                    self.offer(at, || ties.get_val(document), DocAddress::new(segment as u32, document));
                }
                document = scorer.advance();
            }
        }
        Ok(())
    }

    fn offer(&mut self, at: i64, tie: impl FnOnce() -> u64, address: DocAddress) {
        if self.wanted.limit == 0 {
            return;
        }
        let full = self.best.len() == self.wanted.limit;
        let worst = self.best.peek().map(|Reverse((key, _))| *key);
        if full && worst.is_some_and(|worst| self.key(at, 0).0 < worst.0) {
            return;
        }
        let key = self.key(at, tie());
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

    fn count(&mut self, segment: usize, document: u32, at: i64) -> Result<()> {
        self.counted += 1;
        let Some(zone) = self.wanted.facets.as_ref().filter(|_| self.counted <= COUNTED) else { return Ok(()) };
        self.days.count(at, zone);
        if let std::collections::hash_map::Entry::Vacant(free) = self.columns.entry(segment) {
            free.insert(counted(self.searcher.segment_reader(segment as u32))?);
        }
        for (at, column) in self.columns[&segment].iter().enumerate() {
            // Of several requests in one entry each may have named the same pod.
            self.values.clear();
            self.values.extend(column.iter().flat_map(|column| column.ords().values_for_doc(document)));
            self.values.sort_unstable();
            self.values.dedup();
            for &value in &self.values {
                *self.facets.entry((segment, at, value)).or_default() += 1;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Found> {
        let mut best = std::mem::take(&mut self.best).into_vec();
        best.sort_unstable();
        let hits = best.into_iter().map(|Reverse((key, address))| {
            let (at, tie) = self.key(key.0, key.1);
            (HitCursor { at, tie }, address)
        });
        let hits = hits.collect();
        let more = self.more || self.counted > COUNTED;
        Ok(Found { hits, total: self.counted.min(COUNTED), more, facets: self.named()? })
    }

    /// The counts by the values' names, the most frequent first.
    fn named(&self) -> Result<Facets> {
        let mut named: [HashMap<String, u64>; FIELDS] = Default::default();
        for (&(segment, at, value), count) in &self.facets {
            let mut name = String::new();
            if let Some(column) = &self.columns[&segment][at]
                && column.ord_to_str(value, &mut name).map_err(tantivy::TantivyError::from)?
            {
                *named[at].entry(name).or_default() += count;
            }
        }
        let [users, clusters, namespaces, pods, images, kinds] = named.map(|counts| {
            let mut facet: Vec<Facet> = counts.into_iter().map(|(value, count)| Facet { value, count }).collect();
            facet.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
            facet.truncate(VALUES);
            facet
        });
        Ok(Facets { users, clusters, namespaces, pods, images, kinds, days: self.days.named() })
    }
}

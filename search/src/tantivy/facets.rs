//! Counts of hits by the values of their fields, and by day.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use tantivy::{Searcher, SegmentReader, columnar::StrColumn};

use crate::{
    Result,
    documents::hit::{Facet, Facets},
};

/// Most values of a facet.
const MAX_VALUES: usize = 20;
/// The fields by whose values hits are counted, in the order of [`Facets`].
const FIELDS: [&str; 6] = ["user", "cluster", "namespace", "pod", "image", "kind"];

/// Columns of a segment; `None` for a field that has none in an index of an earlier version.
type Columns = [Option<StrColumn>; FIELDS.len()];

/// Counts hits.
pub(super) struct FacetCounter<'a> {
    searcher: &'a Searcher,
    /// Time zone of the days.
    zone: TimeZone,
    /// By number of the segment.
    columns: HashMap<usize, Columns>,
    /// By segment, field and ordinal of the value in the segment.
    counts: HashMap<(usize, usize, u64), u64>,
    days: DayCounter,
    /// Ordinals of a document's values: kept for its memory.
    ordinals: Vec<u64>,
}

impl<'a> FacetCounter<'a> {
    pub(super) fn new(searcher: &'a Searcher, zone: TimeZone) -> Self {
        Self {
            searcher,
            zone,
            columns: HashMap::new(),
            counts: HashMap::new(),
            days: DayCounter::default(),
            ordinals: Vec::new(),
        }
    }

    /// Counts a document of a segment, which happened `at` microseconds since 1970.
    pub(super) fn count(&mut self, segment: usize, document: u32, at: i64) -> Result<()> {
        self.days.count(at, &self.zone);
        if let std::collections::hash_map::Entry::Vacant(free) = self.columns.entry(segment) {
            free.insert(columns(self.searcher.segment_reader(segment as u32))?);
        }
        for (field, column) in self.columns[&segment].iter().enumerate() {
            // Each of a run's requests may name the same pod.
            self.ordinals.clear();
            self.ordinals.extend(column.iter().flat_map(|column| column.ords().values_for_doc(document)));
            self.ordinals.sort_unstable();
            self.ordinals.dedup();
            for &ordinal in &self.ordinals {
                *self.counts.entry((segment, field, ordinal)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// The counts by value, most frequent first.
    pub(super) fn finish(self) -> Result<Facets> {
        let mut by_value: [HashMap<String, u64>; FIELDS.len()] = Default::default();
        for (&(segment, field, ordinal), count) in &self.counts {
            let mut value = String::new();
            if let Some(column) = &self.columns[&segment][field]
                && column.ord_to_str(ordinal, &mut value).map_err(tantivy::TantivyError::from)?
            {
                *by_value[field].entry(value).or_default() += count;
            }
        }
        let [users, clusters, namespaces, pods, images, kinds] = by_value.map(|counts| {
            let mut facet: Vec<Facet> = counts.into_iter().map(|(value, count)| Facet { value, count }).collect();
            facet.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
            facet.truncate(MAX_VALUES);
            facet
        });
        Ok(Facets { users, clusters, namespaces, pods, images, kinds, days: self.days.latest() })
    }
}

fn columns(reader: &SegmentReader) -> Result<Columns> {
    let mut columns = [const { None }; FIELDS.len()];
    for (column, name) in columns.iter_mut().zip(FIELDS) {
        if reader.schema().get_field(name).is_ok_and(|field| reader.schema().get_field_entry(field).is_fast()) {
            *column = reader.fast_fields().str(name)?;
        }
    }
    Ok(columns)
}

/// Counts hits by day.
#[derive(Debug, Default)]
struct DayCounter {
    counts: BTreeMap<Date, u64>,
    /// The day of the last hit, in microseconds since 1970: the next hit mostly is of the same day.
    last: Option<(Range<i64>, Date)>,
}

impl DayCounter {
    fn count(&mut self, at: i64, zone: &TimeZone) {
        let last = self.last.as_ref().filter(|(range, _)| range.contains(&at)).map(|(_, day)| *day);
        let Some(day) = last.or_else(|| self.day_of(at, zone)) else { return };
        *self.counts.entry(day).or_default() += 1;
    }

    fn day_of(&mut self, at: i64, zone: &TimeZone) -> Option<Date> {
        let day = Timestamp::from_microsecond(at).ok()?.to_zoned(zone.clone()).date();
        let start = |day: Date| day.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_microsecond());
        let range = start(day).zip(day.checked_add(1.day()).ok().and_then(start));
        self.last = range.map(|(start, end)| (start..end, day));
        Some(day)
    }

    /// The latest days, the last one first.
    fn latest(&self) -> Vec<Facet> {
        let latest = self.counts.iter().rev().take(MAX_VALUES);
        latest.map(|(day, &count)| Facet { value: day.to_string(), count }).collect()
    }
}

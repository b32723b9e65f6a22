//! Hits counted by the day they are of.

use std::{collections::BTreeMap, ops::Range};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use super::time_ordered::VALUES;
use crate::Facet;

/// How many hits each day has.
#[derive(Debug, Default)]
pub(super) struct Days {
    counts: BTreeMap<Date, u64>,
    /// The day of the last hit, in microseconds since 1970: the next one mostly is of the same.
    last: Option<(Range<i64>, Date)>,
}

impl Days {
    /// Counts a hit at `at`, microseconds since 1970.
    pub(super) fn count(&mut self, at: i64, zone: &TimeZone) {
        let known = self.last.as_ref().filter(|(range, _)| range.contains(&at)).map(|(_, day)| *day);
        let Some(day) = known.or_else(|| self.find(at, zone)) else { return };
        *self.counts.entry(day).or_default() += 1;
    }

    fn find(&mut self, at: i64, zone: &TimeZone) -> Option<Date> {
        let day = Timestamp::from_microsecond(at).ok()?.to_zoned(zone.clone()).date();
        let start = |day: Date| day.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_microsecond());
        let range = start(day).zip(day.checked_add(1.day()).ok().and_then(start));
        self.last = range.map(|(start, end)| (start..end, day));
        Some(day)
    }

    /// The latest days, the last one first.
    pub(super) fn named(&self) -> Vec<Facet> {
        let latest = self.counts.iter().rev().take(VALUES);
        latest.map(|(day, &count)| Facet { value: day.to_string(), count }).collect()
    }
}

//! Times as recordings have them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Microseconds from 1970 UTC to `at`; 0 for what was before.
pub(crate) fn unix_micros(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Microseconds from `start` to now: the time of an event.
pub(crate) fn micros_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

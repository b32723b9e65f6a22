//! Times as recordings have them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use recording::{Micros, UnixMicros};

/// The moment `at` of the calendar; 1970 for what was before.
pub(crate) fn unix_time(at: SystemTime) -> UnixMicros {
    UnixMicros::EPOCH + at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The present time of a recording that began at `start`: the time of an event.
pub(crate) fn time_since(start: Instant) -> Micros {
    start.elapsed().into()
}

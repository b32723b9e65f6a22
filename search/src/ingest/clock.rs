//! Where the ingest takes the time from. Tests bring their own clock.

use std::time::Instant;

use jiff::Timestamp;

/// A clock.
pub trait Clock: Send + Sync {
    /// The time of day, to compare with the times of recordings.
    fn now(&self) -> Timestamp;

    /// The monotonic time, to measure intervals.
    fn instant(&self) -> Instant;
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

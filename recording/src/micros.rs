use std::{
    ops::{Add, Sub},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const MICROS_PER_SEC: u64 = 1_000_000;

/// A moment of a recording: microseconds since its start.
///
/// Every format at rest counts in microseconds and stores the bare number. A span between two moments is a [`Duration`].
/// Sums and differences saturate at 0 and at `u64::MAX` microseconds: a damaged file may hold any number.
///
/// ```
/// use std::time::Duration;
/// use recording::Micros;
///
/// let entered = Micros::from_millis(1_500);
/// assert_eq!(entered + Duration::from_secs(1), Micros::new(2_500_000));
/// assert_eq!(entered.since(Micros::from_secs(1)), Duration::from_millis(500));
/// assert_eq!(Micros::ZERO.since(entered), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(u64);

impl Micros {
    /// The recording's start.
    pub const ZERO: Self = Self(0);

    /// Later than every event.
    pub const MAX: Self = Self(u64::MAX);

    /// Takes a number of microseconds.
    #[must_use]
    pub const fn new(micros: u64) -> Self {
        Self(micros)
    }

    /// Takes whole seconds; what is beyond [`Self::MAX`] becomes that.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(MICROS_PER_SEC))
    }

    /// Takes whole milliseconds; what is beyond [`Self::MAX`] becomes that.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Takes the microsecond that is nearest to a number of seconds: [`Self::ZERO`] for what is below it or no number,
    /// [`Self::MAX`] for what is beyond it.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e6).round() as u64)
    }

    /// The number of microseconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / MICROS_PER_SEC
    }

    /// The double that is nearest to the quotient of the number and a million: equal moments give equal doubles.
    #[must_use]
    pub const fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The span since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The span since the recording's start.
    #[must_use]
    pub const fn to_duration(self) -> Duration {
        Duration::from_micros(self.0)
    }
}

/// The moment that lies `span` after the start: whole microseconds, rounded down; [`Micros::MAX`] if the span is longer.
impl From<Duration> for Micros {
    fn from(span: Duration) -> Self {
        Self(whole_micros(span))
    }
}

/// Saturates at [`Micros::MAX`].
impl Add<Duration> for Micros {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_micros(span)))
    }
}

/// Saturates at [`Micros::ZERO`].
impl Sub<Duration> for Micros {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_micros(span)))
    }
}

/// A moment of the calendar: microseconds since 1970 UTC.
///
/// A file may hold any `i64` here, also one that no calendar has: so [`Self::timestamp`] may have no answer. Sums and
/// differences saturate at both ends of `i64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(i64);

impl UnixMicros {
    /// The start of 1970 UTC.
    pub const EPOCH: Self = Self(0);

    /// Later than every moment of the calendar.
    pub const MAX: Self = Self(i64::MAX);

    /// Takes a number of microseconds.
    #[must_use]
    pub const fn new(micros: i64) -> Self {
        Self(micros)
    }

    /// The number of microseconds.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 UTC, rounded down, before 1970 too.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SEC as i64)
    }

    /// The moment in the calendar; `None` if it is before the year -9999 or after 9999.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.0).ok()
    }

    /// The span since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        if self.0 > earlier.0 { Duration::from_micros(self.0.abs_diff(earlier.0)) } else { Duration::ZERO }
    }
}

/// Whole microseconds.
impl From<Timestamp> for UnixMicros {
    fn from(at: Timestamp) -> Self {
        Self(at.as_microsecond())
    }
}

/// When a moment of a recording was, if the recording started at `self`; saturates at [`UnixMicros::MAX`].
impl Add<Micros> for UnixMicros {
    type Output = Self;

    fn add(self, time: Micros) -> Self {
        Self(self.0.saturating_add_unsigned(time.0))
    }
}

/// Saturates at [`UnixMicros::MAX`].
impl Add<Duration> for UnixMicros {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(whole_micros(span)))
    }
}

/// Saturates at the smallest `i64`.
impl Sub<Duration> for UnixMicros {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(whole_micros(span)))
    }
}

/// Microseconds of a span, rounded down; `u64::MAX` if there are more.
fn whole_micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_beyond_the_range_saturate() {
        assert_eq!(Micros::from(Duration::MAX), Micros::MAX);
        assert_eq!(Micros::from_secs(u64::MAX), Micros::MAX);
        assert_eq!(Micros::from_millis(u64::MAX), Micros::MAX);
        assert_eq!(Micros::new(1) + Duration::MAX, Micros::MAX);
        assert_eq!(Micros::new(1) - Duration::MAX, Micros::ZERO);
        assert_eq!(UnixMicros::new(1) + Micros::MAX, UnixMicros::MAX);
        assert_eq!(UnixMicros::new(1) + Duration::MAX, UnixMicros::MAX);
        assert_eq!(UnixMicros::new(-1) - Duration::MAX, UnixMicros::new(i64::MIN));
    }

    #[test]
    fn parts_of_a_microsecond_are_dropped() {
        assert_eq!(Micros::from(Duration::from_nanos(1_999)), Micros::new(1));
        assert_eq!(Micros::ZERO + Duration::from_nanos(999), Micros::ZERO);
    }

    #[test]
    fn seconds_that_no_recording_has_saturate() {
        assert_eq!([-1.0, f64::NAN, f64::NEG_INFINITY].map(Micros::from_secs_f64), [Micros::ZERO; 3]);
        assert_eq!([1e300, f64::INFINITY].map(Micros::from_secs_f64), [Micros::MAX; 2]);
    }

    #[test]
    fn whole_seconds_are_rounded_down_before_1970_too() {
        assert_eq!((Micros::new(999_999).as_secs(), Micros::new(1_000_000).as_secs()), (0, 1));
        assert_eq!((UnixMicros::new(-1).as_secs(), UnixMicros::new(1_999_999).as_secs()), (-1, 1));
    }

    #[test]
    fn a_moment_that_no_calendar_has_is_no_timestamp() {
        assert_eq!(UnixMicros::EPOCH.timestamp(), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(UnixMicros::MAX.timestamp(), None);
        assert_eq!(UnixMicros::new(i64::MIN).timestamp(), None);
    }

    proptest! {
        #[test]
        fn a_number_comes_back(number: u64, unix: i64) {
            let (time, at) = (Micros::new(number), UnixMicros::new(unix));
            prop_assert_eq!((time.get(), at.get()), (number, unix));
            prop_assert_eq!(Micros::from(time.to_duration()), time);
            prop_assert_eq!(serde_json::to_string(&(time, at)).unwrap(), format!("[{number},{unix}]"));
            prop_assert_eq!(serde_json::from_str::<(Micros, UnixMicros)>(&format!("[{number},{unix}]")).unwrap(), (time, at));
            if let Some(timestamp) = at.timestamp() {
                prop_assert_eq!(UnixMicros::from(timestamp), at);
            }
        }

        /// 2^50 microseconds are 35 years. From 2^52 on the two roundings together may be off by one.
        #[test]
        fn a_double_of_seconds_comes_back(number in 0..1_u64 << 50) {
            let time = Micros::new(number);
            prop_assert_eq!(Micros::from_secs_f64(time.as_secs_f64()), time);
        }

        #[test]
        fn sums_and_differences_are_those_of_the_numbers(a: u64, b: u64) {
            let span = Duration::from_micros(b);
            prop_assert_eq!((Micros::new(a) + span).get(), a.saturating_add(b));
            prop_assert_eq!((Micros::new(a) - span).get(), a.saturating_sub(b));
            prop_assert_eq!(Micros::new(a).since(Micros::new(b)), Duration::from_micros(a.saturating_sub(b)));
        }

        #[test]
        fn sums_and_differences_since_1970_are_those_of_the_numbers(a: i64, b: i64, c: u64) {
            let at = UnixMicros::new(a);
            prop_assert_eq!((at + Micros::new(c)).get(), a.saturating_add_unsigned(c));
            prop_assert_eq!((at + Duration::from_micros(c)).get(), a.saturating_add_unsigned(c));
            prop_assert_eq!((at - Duration::from_micros(c)).get(), a.saturating_sub_unsigned(c));
            let span = u64::try_from(i128::from(a) - i128::from(b)).unwrap_or(0);
            prop_assert_eq!(at.since(UnixMicros::new(b)), Duration::from_micros(span));
        }
    }
}

//! Which of a live session's output is indexed at once: what a person could read. The rest is indexed at the session's end.

use std::time::Duration;

use recording::{
    Micros,
    cast::{Code, Event},
};

/// Bytes of output that a live session may show at once.
const BURST: u64 = 4 << 20;
/// Bytes a second that it may go on with: more than a person reads.
const RATE: u64 = 32 << 10;
/// Time without output after which output is accepted again.
const QUIET: Duration = Duration::from_secs(10);

/// A token bucket over the recording's own clock, which stays closed until the session was quiet for [`QUIET`].
#[derive(Debug, Default)]
pub(crate) struct OutputRateLimiter {
    /// Bytes beyond the rate, as of `last`.
    level: u64,
    last: Micros,
    limited: bool,
}

/// What to do with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateDecision {
    Accept,
    /// The first event beyond the limit.
    LimitReached,
    /// A later event beyond the limit.
    Skip,
    /// The first event after the limit.
    Resume,
}

impl OutputRateLimiter {
    pub(crate) fn decide(&mut self, event: &Event) -> RateDecision {
        if !matches!(event.code, Code::Output | Code::Stderr | Code::Bytes) {
            return if self.limited { RateDecision::Skip } else { RateDecision::Accept };
        }
        let since = event.time.since(self.last);
        self.last = event.time;
        let drained = u64::try_from(since.as_micros() * u128::from(RATE) / 1_000_000).unwrap_or(u64::MAX);
        self.level = self.level.saturating_sub(drained);
        let before = self.limited;
        if before && since >= QUIET {
            (self.level, self.limited) = (0, false);
        }
        self.level = (self.level + event.data.len() as u64).min(2 * BURST);
        self.limited |= self.level > BURST;
        match (before, self.limited) {
            (false, false) => RateDecision::Accept,
            (false, true) => RateDecision::LimitReached,
            (true, true) => RateDecision::Skip,
            (true, false) => RateDecision::Resume,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(limiter: &mut OutputRateLimiter, time: Micros, bytes: u64) -> RateDecision {
        let data = "x".repeat(usize::try_from(bytes).unwrap());
        limiter.decide(&Event { time, code: Code::Output, data })
    }

    #[test]
    fn a_page_a_second_is_read_for_hours_and_so_is_a_file_now_and_then() {
        let mut limiter = OutputRateLimiter::default();
        for second in 0..3_600 {
            let bytes = if second % 300 == 0 { 3 << 20 } else { 8_000 };
            assert_eq!(shown(&mut limiter, Micros::from_secs(second), bytes), RateDecision::Accept, "{second} s");
        }
    }

    #[test]
    fn the_limit_lasts_until_the_session_was_quiet_for_a_while() {
        let mut limiter = OutputRateLimiter::default();
        assert_eq!(shown(&mut limiter, Micros::ZERO, BURST), RateDecision::Accept);
        assert_eq!(shown(&mut limiter, Micros::from_millis(1), 1_000), RateDecision::LimitReached);
        for second in 1..=60 {
            assert_eq!(
                shown(&mut limiter, Micros::from_secs(second * 9), 1),
                RateDecision::Skip,
                "never quiet for ten seconds"
            );
        }
        assert_eq!(shown(&mut limiter, Micros::from_secs(551), 1), RateDecision::Resume);
        assert_eq!(shown(&mut limiter, Micros::new(551_000_001), 1), RateDecision::Accept);
    }

    #[test]
    fn what_is_no_output_does_not_count() {
        let mut limiter = OutputRateLimiter::default();
        let typed = Event { time: Micros::new(1), code: Code::Marker, data: "x".repeat(5 << 20) };
        assert_eq!(limiter.decide(&typed), RateDecision::Accept);
    }
}

//! What people without a good credential can write into the journal: some refusals a second, and of the rest how many.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::StatusCode;
use recording::journal::{ApiRequest, JournalEvent};

/// Refusals that are told one by one, in a second.
const A_SECOND: u32 = 50;

/// Counts refusals whose sender is not known.
#[derive(Debug, Default)]
pub(crate) struct UnauthenticatedLimiter {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    second: Option<Instant>,
    told: u32,
    /// Since they were last summed up.
    untold: u64,
}

impl UnauthenticatedLimiter {
    /// Whether the journal takes one more by itself. One that it does not take is counted.
    pub(crate) fn allow(&self, now: Instant) -> bool {
        let mut counts = self.lock();
        if counts.second.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            (counts.second, counts.told) = (Some(now), 0);
        }
        let allowed = counts.told < A_SECOND;
        if allowed {
            counts.told += 1
        } else {
            counts.untold += 1
        }
        allowed
    }

    /// One entry for all that were not taken since the last one; none where there were none.
    pub(crate) fn sum(&self) -> Option<JournalEvent> {
        let untold = std::mem::take(&mut self.lock().untold);
        (untold > 0).then(|| {
            JournalEvent::Refused(ApiRequest {
                code: StatusCode::UNAUTHORIZED.as_u16(),
                reason: format!("{untold} more without a good credential, beyond {A_SECOND} in a second"),
                ..ApiRequest::default()
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(sum: Option<JournalEvent>) -> Option<String> {
        sum.map(|what| if let JournalEvent::Refused(request) = what { request.reason } else { String::new() })
    }

    #[test]
    fn each_second_has_its_fifty_and_the_rest_is_summed_up_once() {
        let (strangers, start) = (UnauthenticatedLimiter::default(), Instant::now());
        let knock = |times, at| (0..times).filter(|_| strangers.allow(start + Duration::from_millis(at))).count();
        assert_eq!((knock(60, 0), knock(3, 999)), (50, 0));
        assert_eq!(reason(strangers.sum()).unwrap(), "13 more without a good credential, beyond 50 in a second");
        assert_eq!((knock(40, 1000), strangers.sum()), (40, None));
    }
}

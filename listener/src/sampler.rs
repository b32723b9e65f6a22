use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Lets some of what strangers cause be told by itself, each second, and counts the rest: so that nobody fills the journal
/// by guessing.
#[derive(Debug)]
pub struct Sampler {
    per_second: u32,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    second: Option<Instant>,
    /// Told in this second.
    told: u32,
    /// Not told, since they were last taken.
    untold: u64,
}

impl Sampler {
    /// Lets so many through in a second.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, counts: Mutex::default() }
    }

    /// Whether one more is told by itself. If not, it is counted.
    pub fn allow(&self, now: Instant) -> bool {
        let mut counts = self.lock();
        if counts.second.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            (counts.second, counts.told) = (Some(now), 0);
        }
        let allowed = counts.told < self.per_second;
        if allowed {
            counts.told += 1;
        } else {
            counts.untold += 1;
        }
        allowed
    }

    /// How many were not told since this was last asked; `None` if there were none.
    pub fn take(&self) -> Option<u64> {
        let untold = std::mem::take(&mut self.lock().untold);
        (untold > 0).then_some(untold)
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_fifty_and_the_rest_is_summed_up_once() {
        let (sampler, start) = (Sampler::new(50), Instant::now());
        let told = |times, at| (0..times).filter(|_| sampler.allow(start + Duration::from_millis(at))).count();
        assert_eq!((told(60, 0), told(3, 999)), (50, 0));
        assert_eq!((sampler.take(), sampler.take()), (Some(13), None));
        assert_eq!((told(40, 1000), sampler.take()), (40, None));
    }
}

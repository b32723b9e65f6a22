use std::time::Duration;

/// Pauses between attempts: each twice as long as the one before, up to a longest one.
///
/// A pause is half of that to all of it, at random: many that failed at once do not come again at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Pauses from `first` up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// The pause before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next.min(self.longest);
        self.next = (pause * 2).min(self.longest);
        let random = uuid::Uuid::new_v4().as_bytes()[0];
        pause / 2 + pause / 2 * u32::from(random) / 255
    }

    /// Something worked: the next pause is the first again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(500));
        for longest in [100, 200, 400, 500, 500] {
            let longest = Duration::from_millis(longest);
            let pause = backoff.pause();
            assert!((longest / 2..=longest).contains(&pause), "{pause:?} of {longest:?}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }
}

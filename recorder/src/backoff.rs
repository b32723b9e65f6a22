use std::time::Duration;

/// First pause after a failure. Each further one is twice as long, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(15);

/// Pauses between attempts at one thing.
#[derive(Debug)]
pub(crate) struct Backoff {
    pause: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { pause: FIRST }
    }
}

impl Backoff {
    /// One whose first pause is this.
    #[cfg(test)]
    pub(crate) fn starting_at(pause: Duration) -> Self {
        Self { pause }
    }

    /// The next pause, jittered: those who failed together do not try again together.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = jittered(self.pause);
        self.pause = (self.pause * 2).min(LONGEST);
        pause
    }
}

/// Half of the pause to all of it.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::new_v4().as_bytes()[0];
    pause / 2 + pause / 2 * u32::from(random) / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut most = FIRST;
        for _ in 0..20 {
            let pause = backoff.next_pause();
            assert!((most / 2..=most).contains(&pause), "{pause:?} of {most:?}");
            most = (most * 2).min(LONGEST);
        }
    }
}

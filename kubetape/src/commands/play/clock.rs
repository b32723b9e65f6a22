use std::time::Duration;

/// Longest pause when skipping of idle time is switched on without a limit of its own.
const IDLE: Duration = Duration::from_secs(2);
/// The slowest and the fastest speed that keys set.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.0625..=64.0;

/// The recording's time and the viewer's.
#[derive(Debug)]
pub struct Clock {
    speed: f64,
    limit: Duration,
    skips: bool,
}

impl Clock {
    /// `limit`: the longest pause of the recording that is played.
    pub fn new(speed: f64, limit: Option<Duration>) -> Self {
        Self { speed, limit: limit.unwrap_or(IDLE), skips: limit.is_some() }
    }

    /// How long a viewer waits between two moments of the recording.
    pub fn pause(&self, from: u64, to: u64) -> Duration {
        let pause = Duration::from_micros(to.saturating_sub(from));
        let pause = if self.skips { pause.min(self.limit) } else { pause };
        pause.div_f64(self.speed)
    }

    /// How far the recording goes while the viewer waits, in microseconds.
    pub fn progress(&self, waited: Duration) -> u64 {
        u64::try_from(waited.mul_f64(self.speed).as_micros()).unwrap_or(u64::MAX)
    }

    /// The speed, for the progress line.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// Whether idle time is skipped.
    pub fn skips(&self) -> bool {
        self.skips
    }

    /// Multiplies the speed.
    pub fn change_speed(&mut self, factor: f64) {
        self.speed = (self.speed * factor).clamp(*SPEEDS.start(), *SPEEDS.end());
    }

    /// Switches skipping of idle time.
    pub fn toggle_idle(&mut self) {
        self.skips = !self.skips;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_cut_and_sped_up() {
        let mut clock = Clock::new(2.0, Some(Duration::from_secs(1)));
        assert_eq!(clock.pause(0, 10_000_000), Duration::from_millis(500));
        clock.toggle_idle();
        assert_eq!(clock.pause(0, 10_000_000), Duration::from_secs(5));
        clock.change_speed(2.0);
        assert_eq!(clock.progress(Duration::from_secs(1)), 4_000_000);
        assert_eq!(clock.pause(5, 4), Duration::ZERO);
    }
}

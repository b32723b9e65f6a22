use std::time::Duration;

use recording::Micros;

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
    pub fn pause(&self, from: Micros, to: Micros) -> Duration {
        let pause = to.since(from);
        let pause = if self.skips { pause.min(self.limit) } else { pause };
        pause.div_f64(self.speed)
    }

    /// How far the recording goes while the viewer waits.
    pub fn progress(&self, waited: Duration) -> Duration {
        waited.mul_f64(self.speed)
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
        assert_eq!(clock.pause(Micros::ZERO, Micros::from_secs(10)), Duration::from_millis(500));
        clock.toggle_idle();
        assert_eq!(clock.pause(Micros::ZERO, Micros::from_secs(10)), Duration::from_secs(5));
        clock.change_speed(2.0);
        assert_eq!(clock.progress(Duration::from_secs(1)), Duration::from_secs(4));
        assert_eq!(clock.pause(Micros::new(5), Micros::new(4)), Duration::ZERO);
    }
}

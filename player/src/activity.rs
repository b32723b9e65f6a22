use recording::Micros;
use serde::{Deserialize, Serialize};

/// Most bars; beyond it each becomes twice as wide.
const MAX_BARS: usize = 512;

/// Width of a bar at first, in microseconds.
const FIRST_WIDTH: u64 = 100_000;

/// Most pauses; beyond it only the longer ones are kept.
const MAX_PAUSES: usize = 4096;

/// The shortest silence that is a pause, in microseconds.
const MIN_PAUSE: u64 = 2_000_000;

/// How much was printed when, and when nothing was. Bounded, however long the recording is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// Microseconds that a bar covers.
    pub(crate) width: u64,
    /// Bytes printed in each.
    pub(crate) bars: Vec<u64>,
    /// Start and end of each pause.
    pub(crate) pauses: Vec<(Micros, Micros)>,
    /// Shorter silences are not kept any more. Microseconds.
    min_pause: u64,
    covered_until: Micros,
}

impl Default for Activity {
    fn default() -> Self {
        let (bars, pauses) = (Vec::new(), Vec::new());
        Self { width: FIRST_WIDTH, bars, pauses, min_pause: MIN_PAUSE, covered_until: Micros::ZERO }
    }
}

impl Activity {
    /// Bytes were printed at `time`. Times never decrease.
    pub(crate) fn add(&mut self, time: Micros, bytes: usize) {
        self.silence(time);
        while time.get() / self.width >= MAX_BARS as u64 {
            self.width *= 2;
            self.bars = self.bars.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        let bar = (time.get() / self.width) as usize;
        if self.bars.len() <= bar {
            self.bars.resize(bar + 1, 0);
        }
        self.bars[bar] += bytes as u64;
    }

    /// Nothing was printed since the last event, up to `until`.
    pub(crate) fn silence(&mut self, until: Micros) {
        if length(&(self.covered_until, until)) >= self.min_pause {
            self.pauses.push((self.covered_until, until));
        }
        self.covered_until = self.covered_until.max(until);
        if self.pauses.len() > MAX_PAUSES {
            self.keep_longest();
        }
    }

    /// Keeps the longer half; if all are equally long, the first ones.
    fn keep_longest(&mut self) {
        let mut lengths: Vec<u64> = self.pauses.iter().map(length).collect();
        let (_, median, _) = lengths.select_nth_unstable(MAX_PAUSES / 2);
        self.min_pause = median.saturating_add(1);
        let kept = self.pauses.iter().filter(|pause| length(pause) >= self.min_pause).count();
        if kept == 0 {
            self.pauses.truncate(MAX_PAUSES);
        } else {
            self.pauses.retain(|pause| length(pause) >= self.min_pause);
        }
    }
}

/// Microseconds of a pause.
fn length((from, to): &(Micros, Micros)) -> u64 {
    to.get().saturating_sub(from.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_widen_and_nothing_is_lost() {
        let mut activity = Activity::default();
        (0..100_000).for_each(|second| activity.add(Micros::from_secs(second), 3));
        assert_eq!(activity.bars.iter().sum::<u64>(), 300_000);
        assert!(activity.bars.len() <= MAX_BARS && activity.bars.len() > MAX_BARS / 2 - 1, "{}", activity.bars.len());
        assert_eq!(activity.pauses, []);
    }

    #[test]
    fn pauses_are_kept_the_longest_first() {
        let mut activity = Activity::default();
        activity.add(Micros::from_millis(500), 1);
        activity.add(Micros::from_secs(3), 1);
        activity.silence(Micros::from_secs(9));
        assert_eq!(
            activity.pauses,
            [(Micros::from_millis(500), Micros::from_secs(3)), (Micros::from_secs(3), Micros::from_secs(9))]
        );
        let mut activity = Activity::default();
        (1..10_000_u64).for_each(|n| activity.add(Micros::from_secs(n * n * 3), 1));
        assert!(activity.pauses.len() <= MAX_PAUSES);
        assert_eq!(
            activity.pauses.last(),
            Some(&(Micros::from_secs(9998 * 9998 * 3), Micros::from_secs(9999 * 9999 * 3)))
        );
    }
}

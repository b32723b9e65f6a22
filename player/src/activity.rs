use serde::{Deserialize, Serialize};

/// Bars at most; beyond it they become twice as wide.
const BARS: usize = 512;

/// Width of a bar at first, in microseconds.
const NARROWEST: u64 = 100_000;

/// Pauses at most; beyond it only longer ones are kept.
const PAUSES: usize = 4096;

/// A silence from this length on is a pause, in microseconds.
const PAUSE: u64 = 2_000_000;

/// When how much was printed, and when nothing was: bounded, however long a recording is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activity {
    /// Microseconds that a bar stands for.
    pub(crate) width: u64,
    /// Bytes printed in each.
    pub(crate) bars: Vec<u64>,
    /// From when to when nothing was printed, in microseconds.
    pub(crate) pauses: Vec<(u64, u64)>,
    shortest: u64,
    last: u64,
}

impl Default for Activity {
    fn default() -> Self {
        Self { width: NARROWEST, bars: Vec::new(), pauses: Vec::new(), shortest: PAUSE, last: 0 }
    }
}

impl Activity {
    /// Something was printed; moments never go back.
    pub(crate) fn add(&mut self, micros: u64, bytes: usize) {
        self.silence(micros);
        while micros / self.width >= BARS as u64 {
            self.width *= 2;
            self.bars = self.bars.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        let bar = (micros / self.width) as usize;
        if self.bars.len() <= bar {
            self.bars.resize(bar + 1, 0);
        }
        self.bars[bar] += bytes as u64;
    }

    /// Nothing was printed up to this moment.
    pub(crate) fn silence(&mut self, until: u64) {
        if until.saturating_sub(self.last) >= self.shortest {
            self.pauses.push((self.last, until));
        }
        self.last = self.last.max(until);
        if self.pauses.len() > PAUSES {
            self.keep_longest();
        }
    }

    /// The longer half; where all are equally long, the first ones.
    fn keep_longest(&mut self) {
        let mut lengths: Vec<u64> = self.pauses.iter().map(|(from, to)| to - from).collect();
        let (_, median, _) = lengths.select_nth_unstable(PAUSES / 2);
        self.shortest = *median + 1;
        let kept = self.pauses.iter().filter(|(from, to)| to - from >= self.shortest).count();
        if kept == 0 {
            self.pauses.truncate(PAUSES);
        } else {
            self.pauses.retain(|(from, to)| to - from >= self.shortest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_widen_and_nothing_is_lost() {
        let mut activity = Activity::default();
        (0..100_000).for_each(|second| activity.add(second * 1_000_000, 3));
        assert_eq!(activity.bars.iter().sum::<u64>(), 300_000);
        assert!(activity.bars.len() <= BARS && activity.bars.len() > BARS / 2 - 1, "{}", activity.bars.len());
        assert_eq!(activity.pauses, []);
    }

    #[test]
    fn pauses_are_kept_the_longest_first() {
        let mut activity = Activity::default();
        activity.add(500_000, 1);
        activity.add(3_000_000, 1);
        activity.silence(9_000_000);
        assert_eq!(activity.pauses, [(500_000, 3_000_000), (3_000_000, 9_000_000)]);
        let mut activity = Activity::default();
        (1..10_000_u64).for_each(|n| activity.add(n * n * 3_000_000, 1));
        assert!(activity.pauses.len() <= PAUSES);
        assert_eq!(activity.pauses.last(), Some(&(9998 * 9998 * 3_000_000, 9999 * 9999 * 3_000_000)));
    }
}

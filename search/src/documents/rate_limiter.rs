use recording::cast::{Code, Event};

/// Bytes of output that a live session may show at once.
const BURST: u64 = 4 << 20;
/// Bytes a second that it may go on with: more than a person reads.
const RATE: u64 = 32 << 10;
/// After this time without output, in microseconds, what comes is no longer the same flood.
const QUIET: u64 = 10_000_000;

/// Tells a flood from what a person may read, by the recording's own clock.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes beyond the rate, as of `micros`.
    level: u64,
    micros: u64,
    flooded: bool,
}

/// What an event is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    Within,
    /// The first of a flood.
    Floods,
    Flood,
    /// The first behind a flood.
    Calm,
}

impl Flow {
    pub(crate) fn event(&mut self, event: &Event) -> Course {
        if !matches!(event.code, Code::Output | Code::Stderr | Code::Bytes) {
            return if self.flooded { Course::Flood } else { Course::Within };
        }
        let since = event.micros.saturating_sub(self.micros);
        self.micros = event.micros;
        let drained = u64::try_from(u128::from(since) * u128::from(RATE) / 1_000_000).unwrap_or(u64::MAX);
        self.level = self.level.saturating_sub(drained);
        let before = self.flooded;
        if before && since >= QUIET {
            (self.level, self.flooded) = (0, false);
        }
        self.level = (self.level + event.data.len() as u64).min(2 * BURST);
        self.flooded |= self.level > BURST;
        match (before, self.flooded) {
            (false, false) => Course::Within,
            (false, true) => Course::Floods,
            (true, true) => Course::Flood,
            (true, false) => Course::Calm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(flow: &mut Flow, micros: u64, bytes: u64) -> Course {
        let data = "x".repeat(usize::try_from(bytes).unwrap());
        flow.event(&Event { micros, code: Code::Output, data })
    }

    #[test]
    fn a_page_a_second_is_read_for_hours_and_so_is_a_file_now_and_then() {
        let mut flow = Flow::default();
        for second in 0..3_600 {
            let bytes = if second % 300 == 0 { 3 << 20 } else { 8_000 };
            assert_eq!(shown(&mut flow, second * 1_000_000, bytes), Course::Within, "{second} s");
        }
    }

    #[test]
    fn a_flood_lasts_until_it_was_quiet_for_a_while() {
        let mut flow = Flow::default();
        assert_eq!(shown(&mut flow, 0, BURST), Course::Within);
        assert_eq!(shown(&mut flow, 1_000, 1_000), Course::Floods);
        for second in 1..=60 {
            assert_eq!(shown(&mut flow, second * 9_000_000, 1), Course::Flood, "never quiet for ten seconds");
        }
        assert_eq!(shown(&mut flow, 551_000_000, 1), Course::Calm);
        assert_eq!(shown(&mut flow, 551_000_001, 1), Course::Within);
    }

    #[test]
    fn what_nobody_saw_is_of_no_flood() {
        let mut flow = Flow::default();
        let typed = Event { micros: 1, code: Code::Marker, data: "x".repeat(5 << 20) };
        assert_eq!(flow.event(&typed), Course::Within);
    }
}

use std::time::Duration;

use recording::Micros;

/// A terminal's size: columns, rows.
pub(crate) type Size = (u16, u16);

/// How long attach's first size waits for the second.
const WAIT: Duration = Duration::from_secs(1);

/// Passes on the sizes that a client announces, but for the one that only makes the program redraw: `kubectl attach` sends columns
/// and rows plus one, then at once the real size. Attach's first size waits therefore. It was fake if the next one is smaller
/// by one both ways, and real if the next one is another, or does not come within a second.
#[derive(Debug)]
pub(crate) struct ResizeFilter {
    /// Attach's first size, and when it came.
    held: Option<(Micros, Size)>,
    may_hold: bool,
    /// The first real size that playback can start with.
    pub(crate) first: Option<Size>,
}

impl ResizeFilter {
    pub(crate) fn new(attach: bool) -> Self {
        Self { held: None, may_hold: attach, first: None }
    }

    /// Takes a size. `real` gets those that are known to be real now.
    pub(crate) fn announced(&mut self, time: Micros, size: Size, real: &mut dyn FnMut(Size)) {
        if self.may_hold {
            self.may_hold = false;
            self.held = Some((time, size));
            return;
        }
        if let Some((_, (width, height))) = self.held.take()
            && size != (width.saturating_sub(1), height.saturating_sub(1))
        {
            self.found((width, height), real);
        }
        self.found(size, real);
    }

    /// Notes that time has passed: until `time`, or [`Micros::MAX`] at the end. `real` gets a size that has waited enough.
    pub(crate) fn passed(&mut self, time: Micros, real: &mut dyn FnMut(Size)) {
        if let Some((since, size)) = self.held
            && time.since(since) >= WAIT
        {
            self.held = None;
            self.found(size, real);
        }
    }

    /// Whether a size waits to be real.
    pub(crate) fn is_waiting(&self) -> bool {
        self.held.is_some()
    }

    fn found(&mut self, size: Size, real: &mut dyn FnMut(Size)) {
        if self.first.is_none() && size.0 > 0 && size.1 > 0 {
            self.first = Some(size);
        }
        real(size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn real(attach: bool, announced: &[(u64, Size)]) -> (Vec<Size>, Option<Size>) {
        let mut sizes = ResizeFilter::new(attach);
        let mut found = Vec::new();
        for (time, size) in announced {
            sizes.passed(Micros::new(*time), &mut |size| found.push(size));
            sizes.announced(Micros::new(*time), *size, &mut |size| found.push(size));
        }
        sizes.passed(Micros::MAX, &mut |size| found.push(size));
        (found, sizes.first)
    }

    #[test]
    fn attachs_fake_size_is_not_shown() {
        assert_eq!(real(true, &[(0, (81, 25)), (0, (80, 24))]), (vec![(80, 24)], Some((80, 24))));
        assert_eq!(real(false, &[(0, (81, 25)), (0, (80, 24))]).0, [(81, 25), (80, 24)]);
    }

    #[test]
    fn a_single_size_of_attach_is_real() {
        assert_eq!(real(true, &[(0, (100, 30))]), (vec![(100, 30)], Some((100, 30))));
        assert_eq!(real(true, &[(0, (100, 30)), (9, (90, 30))]).0, [(100, 30), (90, 30)]);
        // A drag of the window a while later is no second half of the trick.
        assert_eq!(real(true, &[(0, (81, 25)), (1_000_000, (80, 24))]).0, [(81, 25), (80, 24)]);
    }

    #[test]
    fn playback_never_starts_at_0() {
        assert_eq!(real(false, &[(0, (0, 0)), (5, (80, 24))]).1, Some((80, 24)));
    }
}

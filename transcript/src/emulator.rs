//! The terminal emulator, made safe for what strangers print.

use std::panic::{AssertUnwindSafe, catch_unwind};

use avt::{Observer, Terminal};

/// Largest screen that is emulated; a terminal may claim 65535x65535. A larger one wraps and scrolls earlier here.
const LARGEST: (usize, usize) = (1000, 300);

/// A terminal of a sane size that survives its own failures.
pub(crate) struct Emulator {
    terminal: Box<Terminal>,
    scrollback: usize,
    /// Asleep: what makes a terminal of this size with the same screen.
    asleep: Option<(usize, usize, String)>,
}

impl Emulator {
    /// `scrollback`: rows kept above the screen.
    pub(crate) fn new(columns: u16, rows: u16, scrollback: usize) -> Self {
        let (columns, rows) = clamped(columns, rows);
        Self { terminal: blank(columns, rows, scrollback), scrollback, asleep: None }
    }

    pub(crate) fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// An empty screen of the same size; `alternate`: the alternate one.
    pub(crate) fn clear(&mut self, alternate: bool) {
        self.wake();
        let (columns, rows) = self.terminal.size();
        self.terminal = blank(columns, rows, self.scrollback);
        if alternate {
            self.terminal.feed("\x1b[?1049h");
        }
    }

    /// Becomes a dump of 1 to 2 KiB until [`Self::wake`]; says how many rows of scrollback are gone.
    pub(crate) fn sleep(&mut self) -> usize {
        if self.asleep.is_some() {
            return 0;
        }
        let (columns, rows) = self.terminal.size();
        let screen = self.terminal.primary_screen();
        let above = screen.all_lines().count().saturating_sub(screen.visible_lines().len());
        self.asleep = Some((columns, rows, self.terminal.dump()));
        self.terminal = blank(1, 1, 0);
        above
    }

    pub(crate) fn wake(&mut self) {
        if let Some((columns, rows, dump)) = self.asleep.take() {
            self.terminal = blank(columns, rows, self.scrollback);
            let _ = self.feed(&dump, ());
        }
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.asleep.is_none()
    }

    /// Shows text. Should the emulator panic over it, an empty screen of the same size goes on, and this says `None`.
    pub(crate) fn feed<O: Observer>(&mut self, text: &str, observer: O) -> Option<O::Output> {
        self.guarded(|terminal| terminal.feed_with(text, observer))
    }

    pub(crate) fn resize<O: Observer>(&mut self, columns: u16, rows: u16, observer: O) -> Option<O::Output> {
        let (columns, rows) = clamped(columns, rows);
        self.guarded(|terminal| terminal.resize_with(columns, rows, observer))
    }

    fn guarded<T>(&mut self, run: impl FnOnce(&mut Terminal) -> T) -> Option<T> {
        let (columns, rows) = self.terminal.size();
        let done = catch_unwind(AssertUnwindSafe(|| run(&mut self.terminal)));
        if done.is_err() {
            self.terminal = blank(columns, rows, self.scrollback);
        }
        done.ok()
    }
}

fn blank(columns: usize, rows: usize, scrollback: usize) -> Box<Terminal> {
    Box::new(Terminal::with_scrollback(columns, rows, Some(scrollback)).expect("a size that is not 0"))
}

/// 0 is taken as 80 columns, 24 rows.
fn clamped(columns: u16, rows: u16) -> (usize, usize) {
    let or = |size: u16, default: usize, most: usize| if size == 0 { default } else { usize::from(size).min(most) };
    (or(columns, 80, LARGEST.0), or(rows, 24, LARGEST.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_clamped() {
        assert_eq!(Emulator::new(0, 0, 0).terminal().size(), (80, 24));
        assert_eq!(Emulator::new(u16::MAX, u16::MAX, 0).terminal().size(), LARGEST);
        let mut emulator = Emulator::new(1, 1, 0);
        emulator.resize(u16::MAX, 1, ());
        assert_eq!(emulator.terminal().size(), (LARGEST.0, 1));
    }
}

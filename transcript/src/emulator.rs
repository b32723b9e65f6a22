//! The terminal emulator, made safe for hostile output.

use std::panic::{AssertUnwindSafe, catch_unwind};

use avt::{Observer, Terminal};

/// Largest screen that is emulated, in columns and rows; a recording may claim 65535x65535. On a larger one, lines wrap
/// and scroll earlier here than they did.
const LARGEST: (usize, usize) = (1000, 300);

/// A terminal of a bounded size that survives panics of the emulator.
pub(crate) struct Emulator {
    terminal: Box<Terminal>,
    scrollback: usize,
    /// While asleep: columns, rows, and the text that draws the screen.
    asleep: Option<(usize, usize, String)>,
}

impl Emulator {
    /// `scrollback`: how many rows are kept above the screen.
    pub(crate) fn new(columns: u16, rows: u16, scrollback: usize) -> Self {
        let (columns, rows) = clamped(columns, rows);
        Self { terminal: blank(columns, rows, scrollback), scrollback, asleep: None }
    }

    pub(crate) fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Replaces the screen by an empty one of the same size. `alternate`: switches to the alternate screen.
    pub(crate) fn clear(&mut self, alternate: bool) {
        self.wake();
        let (columns, rows) = self.terminal.size();
        self.terminal = blank(columns, rows, self.scrollback);
        if alternate {
            self.terminal.feed("\x1b[?1049h");
        }
    }

    /// Shrinks to a dump of 1 to 2 KiB until [`Self::wake`]. Returns how many rows of scrollback are lost by it.
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

    /// Prints `text`. Returns `None` if the emulator panicked over it; the screen is then empty.
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

/// Clamps a size; 0 becomes 80 columns or 24 rows.
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

//! What a person could have read, line by line.

mod line_limiter;
mod plain_output;
mod terminal_lines;
#[cfg(test)]
mod tests;

use line_limiter::Gate;
use plain_output::Plain;
use recording::cast::{Code, Event};
use terminal_lines::Screen;

/// Where a line was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output; everything on a terminal's ordinary screen.
    Stdout,
    /// Standard error, where there was no terminal.
    Stderr,
    /// The alternate screen of a full-screen program, such as `vim` or `less`.
    FullScreen,
    /// An annotation: how many lines were left out, and because of which bound.
    LeftOut,
}

/// One line that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Microseconds since the recording's start at which it stood there as it is here.
    pub micros: u64,
    /// Where.
    pub stream: Stream,
    /// Without escape sequences, line end and blanks at the end; lines that a terminal wrapped are one. Never empty.
    pub text: String,
}

/// How much is made of a flood. What is beyond a bound is left out, and a [`Stream::LeftOut`] line says how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of a line; a longer one is several lines.
    pub line_bytes: usize,
    /// Most lines in one second of the recording.
    pub per_second: u64,
    /// Most lines of the recording.
    pub lines: u64,
}

impl Bounds {
    /// All lines; long ones in pieces of 16 KiB.
    pub const NONE: Self = Self { line_bytes: 16 << 10, per_second: u64::MAX, lines: u64::MAX };
}

/// The lines of a recording: events in, lines out, in about the order in which they came to stand there.
///
/// On a terminal a line is told when it scrolled away, when it stood for a second above the cursor, or when it is
/// overwritten by something else after a person could have read it (0.1 s); so a progress bar is told once or twice and
/// not a thousand times, and what a full-screen program showed is told as it goes. Without a terminal it is told at its
/// line end.
pub struct Lines {
    gate: Gate,
    page: Page,
}

enum Page {
    Screen(Box<Screen>),
    Plain(Box<[Plain; 2]>),
}

impl Lines {
    /// `tty`: whether there was a terminal. It is 80x24 until an `r` event says otherwise.
    pub fn new(tty: bool, bounds: Bounds) -> Self {
        let page = if tty {
            Page::Screen(Box::new(Screen::new(80, 24, bounds.line_bytes)))
        } else {
            Page::Plain(Box::new([Stream::Stdout, Stream::Stderr].map(|stream| Plain::new(stream, bounds.line_bytes))))
        };
        Self { gate: Gate::new(bounds), page }
    }

    /// Takes an event; `found` gets each line that it completed. Input, markers and what else nobody saw are passed over.
    pub fn event(&mut self, event: &Event, found: &mut dyn FnMut(Line)) {
        match event.code {
            Code::Output | Code::Stderr | Code::Bytes => {
                let Some((stream, bytes)) = event.bytes() else { return };
                match stream {
                    Code::Output => self.printed(event.micros, Stream::Stdout, &bytes, found),
                    Code::Stderr => self.printed(event.micros, Stream::Stderr, &bytes, found),
                    _ => {}
                }
            }
            Code::Resize => {
                if let Some((columns, rows)) = event.size() {
                    self.resized(event.micros, columns, rows, found);
                }
            }
            Code::Input | Code::Marker | Code::Exit | Code::Port | Code::Gap => {}
        }
    }

    /// The terminal's new size.
    pub fn resized(&mut self, micros: u64, columns: u16, rows: u16, found: &mut dyn FnMut(Line)) {
        if let Page::Screen(screen) = &mut self.page {
            screen.resized(micros, columns, rows, &mut self.gate.on(found));
        }
    }

    /// Bytes of a stream.
    pub fn printed(&mut self, micros: u64, stream: Stream, bytes: &[u8], found: &mut dyn FnMut(Line)) {
        let found = &mut self.gate.on(found);
        match &mut self.page {
            Page::Screen(screen) => screen.printed(micros, bytes, found),
            Page::Plain(pages) => pages[usize::from(stream == Stream::Stderr)].printed(micros, bytes, found),
        }
    }

    /// It is `micros` now and nothing came since the last event: tells what stood long enough. For live recordings.
    pub fn passed(&mut self, micros: u64, found: &mut dyn FnMut(Line)) {
        if let Page::Screen(screen) = &mut self.page {
            screen.passed(micros, &mut self.gate.on(found));
        }
    }

    /// The recording is over: tells what still stands there.
    pub fn finish(mut self, found: &mut dyn FnMut(Line)) {
        match self.page {
            Page::Screen(mut screen) => screen.finish(&mut self.gate.on(found)),
            Page::Plain(mut pages) => pages.iter_mut().for_each(|page| page.finish(&mut self.gate.on(found))),
        }
        self.gate.finish(found);
    }
}

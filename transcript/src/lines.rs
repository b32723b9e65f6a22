//! The lines a person could have read.

mod line_limiter;
mod plain_output;
mod terminal_lines;
#[cfg(test)]
mod tests;

use line_limiter::LineLimiter;
use plain_output::PlainOutput;
use recording::{
    Micros,
    cast::{Code, Event},
};
use terminal_lines::TerminalLines;

/// Where a line was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output; with a terminal, everything on its ordinary screen.
    Stdout,
    /// Standard error of a session without a terminal.
    Stderr,
    /// The alternate screen of a full-screen program, such as `vim` or `less`.
    FullScreen,
    /// What was piped into a session without a terminal, where it was recorded. Nobody saw it; see [`Lines::showing_input`].
    Stdin,
    /// Not a line of the session: says how many lines were left out, and which bound they exceeded.
    LeftOut,
}

/// One line that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When the line last changed.
    pub time: Micros,
    /// Where it was shown.
    pub stream: Stream,
    /// The text without escape sequences, line end and trailing blanks. Rows that a terminal wrapped are one line.
    /// Never empty.
    pub text: String,
}

/// How many lines are read. Lines beyond a bound are left out, and a [`Stream::LeftOut`] line says how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of a line; a longer one is split.
    pub line_bytes: usize,
    /// Most lines in one second of the recording.
    pub per_second: u64,
    /// Most lines of the recording.
    pub lines: u64,
}

impl Bounds {
    /// No bound on the number of lines; long lines are split at 16 KiB.
    pub const NONE: Self = Self { line_bytes: 16 << 10, per_second: u64::MAX, lines: u64::MAX };
}

/// Reads a recording's lines: events in, lines out, roughly in the order in which they were completed.
///
/// With a terminal, a line is emitted when it scrolls off, when it has stood above the cursor for a second, or when it
/// is overwritten after a person could have read it (0.1 s). So a progress bar gives one or two lines rather than a
/// thousand, and a full-screen program's rows are emitted as it goes. Without a terminal, a line is emitted at its line
/// end.
pub struct Lines {
    limiter: LineLimiter,
    source: LineSource,
    /// `None` where input is not read.
    input: Option<Box<PlainOutput>>,
}

enum LineSource {
    Terminal(Box<TerminalLines>),
    Plain(Box<[PlainOutput; 2]>),
}

impl Lines {
    /// `tty`: whether the session had a terminal. The terminal is 80x24 until an `r` event says otherwise.
    pub fn new(tty: bool, bounds: Bounds) -> Self {
        let source = if tty {
            LineSource::Terminal(Box::new(TerminalLines::new(80, 24, bounds.line_bytes)))
        } else {
            LineSource::Plain(Box::new(
                [Stream::Stdout, Stream::Stderr].map(|stream| PlainOutput::new(stream, bounds.line_bytes)),
            ))
        };
        Self { limiter: LineLimiter::new(bounds), source, input: None }
    }

    /// Reads what was piped in, too, as lines of [`Stream::Stdin`]. With a terminal nothing changes: there the screen shows what
    /// was typed, but for what it was not meant to show.
    #[must_use]
    pub fn showing_input(mut self, bounds: Bounds) -> Self {
        let is_plain = matches!(self.source, LineSource::Plain(_));
        self.input = is_plain.then(|| Box::new(PlainOutput::new(Stream::Stdin, bounds.line_bytes)));
        self
    }

    /// Reads an event and calls `emit` for each line that it completes. Events that show nothing, such as markers, are ignored; so
    /// is input, unless it was asked for.
    pub fn event(&mut self, event: &Event, emit: &mut dyn FnMut(Line)) {
        match event.code {
            Code::Output | Code::Stderr | Code::Input | Code::Bytes => {
                let Some((stream, bytes)) = event.bytes() else { return };
                match stream {
                    Code::Input => {
                        if let Some(input) = &mut self.input {
                            input.printed(event.time, &bytes, &mut self.limiter.on(emit));
                        }
                    }
                    Code::Output => self.printed(event.time, Stream::Stdout, &bytes, emit),
                    Code::Stderr => self.printed(event.time, Stream::Stderr, &bytes, emit),
                    _ => {}
                }
            }
            Code::Resize => {
                if let Some((columns, rows)) = event.size() {
                    self.resized(event.time, columns, rows, emit);
                }
            }
            Code::Marker | Code::Exit | Code::Port | Code::Gap => {}
        }
    }

    /// The terminal was resized. Ignored without a terminal.
    pub fn resized(&mut self, time: Micros, columns: u16, rows: u16, emit: &mut dyn FnMut(Line)) {
        if let LineSource::Terminal(screen) = &mut self.source {
            screen.resized(time, columns, rows, &mut self.limiter.on(emit));
        }
    }

    /// Bytes of a stream were printed.
    pub fn printed(&mut self, time: Micros, stream: Stream, bytes: &[u8], emit: &mut dyn FnMut(Line)) {
        let emit = &mut self.limiter.on(emit);
        match &mut self.source {
            LineSource::Terminal(screen) => screen.printed(time, bytes, emit),
            LineSource::Plain(outputs) => outputs[usize::from(stream == Stream::Stderr)].printed(time, bytes, emit),
        }
    }

    /// `now` is the present time, and nothing was printed since the last event: emits the lines that have stood long
    /// enough. For live recordings.
    pub fn passed(&mut self, now: Micros, emit: &mut dyn FnMut(Line)) {
        if let LineSource::Terminal(screen) = &mut self.source {
            screen.passed(now, &mut self.limiter.on(emit));
        }
    }

    /// The recording is over: emits the lines that still stand on the screen.
    pub fn finish(mut self, emit: &mut dyn FnMut(Line)) {
        if let Some(mut input) = self.input {
            input.finish(&mut self.limiter.on(emit));
        }
        match self.source {
            LineSource::Terminal(mut screen) => screen.finish(&mut self.limiter.on(emit)),
            LineSource::Plain(mut outputs) => {
                outputs.iter_mut().for_each(|source| source.finish(&mut self.limiter.on(emit)))
            }
        }
        self.limiter.finish(emit);
    }
}

use std::io::{self, IsTerminal, Write};

use super::{
    cursor::{ScreenChange, ScreenEvent},
    sanitizer::TerminalSanitizer,
};
use crate::output;

/// Errors are told from output by their colour where the session had no terminal to mix them, as in the browser: light
/// red, and back.
const ERRORS: &str = "\x1b[91m";
const ERRORS_OVER: &str = "\x1b[39m";

/// The terminal that is played on, or whatever stdout is.
pub struct Screen {
    /// Each stream has its own: a sequence that one leaves open takes nothing of the other.
    output: TerminalSanitizer,
    errors: TerminalSanitizer,
    /// Whether lines end as in a terminal's output.
    raw: bool,
    /// Whether the session had a terminal: then there is nothing to tell apart.
    tty: bool,
    colours: bool,
    last: char,
}

impl Screen {
    /// For a session with a terminal, or one without.
    pub fn of(tty: bool) -> Self {
        Self::new(tty, io::stdout().is_terminal(), output::colours())
    }

    fn new(tty: bool, terminal: bool, colours: bool) -> Self {
        let (output, errors) = (TerminalSanitizer::default(), TerminalSanitizer::default());
        Self { output, errors, raw: tty || !terminal, tty, colours, last: ' ' }
    }

    /// Writes an event to stdout.
    pub fn show(&mut self, event: &ScreenEvent) -> io::Result<()> {
        write(&self.text(&event.change))
    }

    /// Draws a screen of the player's, which tells errors from output itself.
    pub fn draw(&self, init: &str) -> io::Result<()> {
        let mut safe = String::with_capacity(init.len());
        // It is a terminal's output: its lines end in both.
        TerminalSanitizer::default().filter(init, &mut safe);
        write(&if self.tty || self.colours { safe } else { safe.replace(ERRORS, "") })
    }

    fn text(&mut self, change: &ScreenChange) -> String {
        match change {
            ScreenChange::Output(bytes) => {
                let safe = safe(&mut self.output, bytes);
                self.with_returns(safe)
            }
            ScreenChange::Errors(bytes) => {
                let safe = safe(&mut self.errors, bytes);
                let text = self.with_returns(safe);
                self.as_errors(text)
            }
            ScreenChange::Size(..) => String::new(),
            ScreenChange::Note(text) => format!("\r\n[{}]\r\n", output::plain(text)),
        }
    }

    /// The filter lets whole sequences through and nothing of one that is still open, so the colour is set and taken back
    /// whatever stands between.
    fn as_errors(&self, text: String) -> String {
        if self.tty || !self.colours || text.is_empty() {
            return text;
        }
        format!("{ERRORS}{text}{ERRORS_OVER}")
    }

    /// Without a terminal a process writes `\n` alone.
    fn with_returns(&mut self, text: String) -> String {
        if self.raw {
            return text;
        }
        let mut lines = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            if c == '\n' && self.last != '\r' {
                lines.push('\r');
            }
            lines.push(c);
            self.last = c;
        }
        lines
    }
}

fn safe(filter: &mut TerminalSanitizer, bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut safe = String::with_capacity(text.len());
    filter.filter(&text, &mut safe);
    safe
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_text(screen: &mut Screen, errors: bool, text: &str) -> String {
        let bytes = text.as_bytes().to_vec();
        screen.text(&if errors { ScreenChange::Errors(bytes) } else { ScreenChange::Output(bytes) })
    }

    #[test]
    fn errors_are_red_where_there_was_no_terminal() {
        let mut screen = Screen::new(false, true, true);
        assert_eq!(shown_text(&mut screen, false, "fine\n"), "fine\r\n");
        assert_eq!(shown_text(&mut screen, true, "bad\n"), "\x1b[91mbad\r\n\x1b[39m");
        assert_eq!(shown_text(&mut Screen::new(true, true, true), true, "bad\n"), "bad\n");
    }

    #[test]
    fn without_colours_and_into_a_file_they_are_as_they_were() {
        assert_eq!(shown_text(&mut Screen::new(false, true, false), true, "bad\n"), "bad\r\n");
        assert_eq!(shown_text(&mut Screen::new(false, false, false), true, "bad\n"), "bad\n");
    }

    #[test]
    fn a_sequence_left_open_takes_neither_the_colour_nor_the_other_stream() {
        let mut screen = Screen::new(false, true, true);
        assert_eq!(shown_text(&mut screen, false, "a\x1b["), "a");
        assert_eq!(shown_text(&mut screen, true, "31mbad\x1b]52;c;"), "\x1b[91m31mbad\x1b[39m");
        assert_eq!(shown_text(&mut screen, false, "32mb"), "\x1b[32mb");
        assert_eq!(shown_text(&mut screen, true, "cm0gLXJm"), "");
        assert_eq!(shown_text(&mut screen, true, "\x07!"), "\x1b[91m!\x1b[39m");
    }
}

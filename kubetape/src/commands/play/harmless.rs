/// Takes out of a terminal's output what would do more than show: questions that the terminal answers as if they were
/// typed, the clipboard, titles, notifications, mouse reports. What was recorded is played on another person's terminal.
#[derive(Debug, Default)]
pub struct Harmless {
    state: State,
    /// The control sequence so far, from after its introducer.
    sequence: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate, such as the `(` of ESC ( B.
    Intermediate,
    /// After ESC [.
    Csi,
    /// Within OSC, DCS, APC, PM or SOS: left out to its end.
    Text,
    /// The same, after an ESC that may begin its end.
    TextEscape,
}

/// Bytes of a control sequence that are kept; longer ones are left out.
const LONGEST: usize = 256;

/// Private modes that make a terminal send: focus, mouse, paste brackets, size and theme reports.
const SENDING_MODES: [&str; 13] =
    ["9", "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1015", "1016", "2004", "2031", "2048"];

impl Harmless {
    /// Appends what may be shown of `text` to `out`. Sequences may be cut anywhere between calls.
    pub fn filter(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            self.state = self.next(c, out);
        }
    }

    fn next(&mut self, c: char, out: &mut String) -> State {
        match (self.state, c) {
            (State::Text, '\x1b') => State::TextEscape,
            (State::Text, '\x07' | '\u{9c}' | '\x18' | '\x1a') | (State::TextEscape, '\\') => State::Ground,
            (State::Text, _) => State::Text,
            // ESC ends a string in any case; what follows it is a sequence of its own.
            (State::TextEscape, _) => self.escape(c, out),
            (_, '\x1b') => State::Escape,
            (_, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => State::Text,
            (_, '\u{9b}') => self.begin(),
            (_, '\u{9a}' | '\x05') => State::Ground,
            (State::Ground, _) => {
                out.push(c);
                State::Ground
            }
            (State::Escape, _) => self.escape(c, out),
            (State::Intermediate, _) => self.intermediate(c, out),
            (State::Csi, _) => self.csi(c, out),
        }
    }

    fn begin(&mut self) -> State {
        self.sequence.clear();
        State::Csi
    }

    fn escape(&mut self, c: char, out: &mut String) -> State {
        match c {
            '[' => self.begin(),
            'P' | 'X' | ']' | '^' | '_' => State::Text,
            // DECID asks what the terminal is.
            'Z' | '\\' => State::Ground,
            ' '..='/' => {
                self.sequence.clear();
                self.sequence.push(c);
                State::Intermediate
            }
            _ => {
                out.extend(['\x1b', c]);
                State::Ground
            }
        }
    }

    fn intermediate(&mut self, c: char, out: &mut String) -> State {
        self.sequence.push(c);
        if matches!(c, ' '..='/') && self.sequence.len() < LONGEST {
            return State::Intermediate;
        }
        out.push('\x1b');
        out.push_str(&self.sequence);
        State::Ground
    }

    fn csi(&mut self, c: char, out: &mut String) -> State {
        match c {
            '\x18' | '\x1a' => return State::Ground,
            // Controls act within a sequence.
            '\0'..='\x1f' => {
                out.push(c);
                return State::Csi;
            }
            _ if self.sequence.len() < LONGEST => self.sequence.push(c),
            _ => {}
        }
        if !matches!(c, '@'..='~') {
            return State::Csi;
        }
        if self.sequence.len() < LONGEST && shows(&self.sequence) {
            out.push_str("\x1b[");
            out.push_str(&self.sequence);
        }
        State::Ground
    }
}

/// Whether a control sequence (without its introducer) only changes what is seen.
fn shows(sequence: &str) -> bool {
    let Some(last) = sequence.chars().next_back() else { return false };
    let parameters = &sequence[..sequence.len() - last.len_utf8()];
    let mut modes = parameters.trim_start_matches('?').split(';');
    match last {
        // Device status and attributes, terminal parameters, window operations.
        'n' | 'c' | 'x' | 't' => false,
        // Keyboard protocols and queries; without a mark it restores the cursor.
        'u' => parameters.is_empty(),
        // Version (`>q`); with a space it is the cursor's shape.
        'q' => parameters.ends_with(' '),
        // Requests of modes, checksums and the like: soft reset is `!p`.
        'p' => parameters == "!",
        'y' | 'w' | '|' | 'z' | '{' => false,
        'h' => !modes.any(|mode| SENDING_MODES.contains(&mode)),
        // Key modifier options (`>4;1m`).
        'm' => !parameters.starts_with(['>', '?']),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(text: &str) -> String {
        let mut whole = String::new();
        Harmless::default().filter(text, &mut whole);
        let mut filter = Harmless::default();
        let mut bit_by_bit = String::new();
        for c in text.chars() {
            filter.filter(c.encode_utf8(&mut [0; 4]), &mut bit_by_bit);
        }
        assert_eq!(whole, bit_by_bit);
        whole
    }

    #[test]
    fn what_shows_is_kept() {
        for text in [
            "plain\r\n",
            "\x1b[1;31mred\x1b[0m",
            "\x1b[?1049h\x1b[2J\x1b[H\x1b[?25l",
            "\x1b(0lqk\x1b(B",
            "\x1b7\x1b8\x1bM",
            "\x1b[2 q",
            "\x1b[!p",
            "grüße 🦀",
        ] {
            assert_eq!(filtered(text), text);
        }
    }

    #[test]
    fn what_asks_or_sends_is_not() {
        for text in [
            "\x1b[6n",
            "\x1b[c",
            "\x1b[>0c",
            "\x1bZ",
            "\x05",
            "\x1b[21t",
            "\x1b]52;c;cm0gLXJm\x07",
            "\x1b]0;title\x1b\\",
            "\x1bP$qm\x1b\\",
            "\u{9b}6n",
            "\u{9d}52;c;x\u{9c}",
            "\x1b[?1000h",
            "\x1b[?25;1006h",
            "\x1b[?2026$p",
            "\x1b[>q",
            "\x1b[?u",
        ] {
            assert_eq!(filtered(&format!("a{text}b")), "ab", "{text:?}");
        }
    }

    #[test]
    fn an_endless_sequence_is_left_out_and_ends() {
        let text = format!("a\x1b[{}mb", "1;".repeat(500));
        assert_eq!(filtered(&text), "ab");
    }
}

/// Takes out of a terminal's output what would do more than show: questions that the terminal answers as if they were
/// typed, the clipboard, titles, notifications, mouse reports. What was recorded is played on another person's terminal.
#[derive(Debug, Default)]
pub struct TerminalSanitizer {
    state: SanitizerState,
    /// The control sequence so far, from after its introducer.
    sequence: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SanitizerState {
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
    /// Within such a string, after an ESC that may begin its end.
    TextEscape,
}

/// Bytes of a control sequence that are kept; longer ones are left out.
const LONGEST: usize = 256;

/// Private modes that only change what is seen: origin, wrapping, the cursor, the other screen, margins. All others
/// are left out: many make a terminal send (mouse, focus, paste brackets), or do it in a manner of their own.
const SEEN_MODES: [u32; 10] = [6, 7, 12, 25, 45, 47, 69, 1047, 1048, 1049];
/// Inserting instead of writing over.
const INSERT: u32 = 4;
/// Digits of a parameter; a larger number only keeps a terminal busy.
const DIGITS: usize = 5;

impl TerminalSanitizer {
    /// Appends what may be shown of `text` to `out`. Sequences may be cut anywhere between calls.
    pub fn filter(&mut self, text: &str, out: &mut String) {
        for c in text.chars() {
            self.state = self.next(c, out);
        }
    }

    fn next(&mut self, c: char, out: &mut String) -> SanitizerState {
        match (self.state, c) {
            (SanitizerState::Text, '\x1b') => SanitizerState::TextEscape,
            (SanitizerState::Text, '\x07' | '\u{9c}' | '\x18' | '\x1a') | (SanitizerState::TextEscape, '\\') => {
                SanitizerState::Ground
            }
            (SanitizerState::Text, _) => SanitizerState::Text,
            // ESC ends a string in any case; what follows it is a sequence of its own.
            (SanitizerState::TextEscape, _) => self.escape(c, out),
            (_, '\x1b') => SanitizerState::Escape,
            (_, '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}') => SanitizerState::Text,
            (_, '\u{9b}') => self.begin(),
            (_, '\x18' | '\x1a' | '\x05') => SanitizerState::Ground,
            (_, '\u{80}'..='\u{9f}') => {
                // Index, next line, tab stop, reverse index.
                out.extend(matches!(c, '\u{84}' | '\u{85}' | '\u{88}' | '\u{8d}').then_some(c));
                SanitizerState::Ground
            }
            // Controls act within a sequence, which goes on after them. They never stand behind an ESC of ours: that
            // ESC would wait for what comes next.
            (state, '\0'..='\x1f' | '\x7f') => {
                out.push(c);
                state
            }
            (SanitizerState::Ground, _) => {
                out.push(c);
                SanitizerState::Ground
            }
            (SanitizerState::Escape, _) => self.escape(c, out),
            (SanitizerState::Intermediate, _) => self.intermediate(c, out),
            (SanitizerState::Csi, _) => self.csi(c, out),
        }
    }

    fn begin(&mut self) -> SanitizerState {
        self.sequence.clear();
        SanitizerState::Csi
    }

    fn escape(&mut self, c: char, out: &mut String) -> SanitizerState {
        match c {
            '[' => return self.begin(),
            // `k` is the title of a window of screen and tmux.
            'P' | 'X' | ']' | '^' | '_' | 'k' => return SanitizerState::Text,
            '\x1b' => return SanitizerState::Escape,
            ' '..='/' => {
                self.sequence.clear();
                self.sequence.push(c);
                return SanitizerState::Intermediate;
            }
            // The full reset, without what it does to the viewer's own settings.
            'c' => out.push_str("\x1b[!p\x1b[2J\x1b[H"),
            // Cursor, lines, tab stops, character sets. What else there is asks, or is about keys.
            '7' | '8' | 'D' | 'E' | 'H' | 'M' | 'N' | 'O' | 'n' | 'o' | '|' | '}' | '~' => out.extend(['\x1b', c]),
            _ => {}
        }
        SanitizerState::Ground
    }

    fn intermediate(&mut self, c: char, out: &mut String) -> SanitizerState {
        if matches!(c, ' '..='/') {
            if self.sequence.len() < LONGEST {
                self.sequence.push(c);
            }
            return SanitizerState::Intermediate;
        }
        // Character sets and the size of lines. Not `%`: a terminal that is no longer one of UTF-8 finds controls in
        // the bytes of other letters.
        let seen = match self.sequence.as_str() {
            "(" | ")" | "*" | "+" => matches!(c, '0'..='~'),
            "#" => matches!(c, '3'..='6' | '8'),
            _ => false,
        };
        if seen {
            out.push('\x1b');
            out.push_str(&self.sequence);
            out.push(c);
        }
        SanitizerState::Ground
    }

    fn csi(&mut self, c: char, out: &mut String) -> SanitizerState {
        if matches!(c, '@'..='~') {
            if self.sequence.len() < LONGEST && shows(&self.sequence, c) {
                out.push_str("\x1b[");
                out.push_str(&self.sequence);
                out.push(c);
            }
            return SanitizerState::Ground;
        }
        if self.sequence.len() < LONGEST {
            self.sequence.push(c);
        }
        SanitizerState::Csi
    }
}

/// Whether a control sequence, without its introducer, only changes what is seen. It must be known to.
fn shows(parameters: &str, last: char) -> bool {
    let (private, numbers) = match parameters.strip_prefix('?') {
        Some(numbers) => (true, numbers),
        None => (false, parameters),
    };
    let plain = numbers.split([';', ':']).all(|n| n.len() <= DIGITS && n.bytes().all(|b| b.is_ascii_digit()));
    let all = |seen: &[u32]| numbers.split(';').all(|n| n.parse().is_ok_and(|n| seen.contains(&n)));
    match (private, last) {
        // The cursor's shape, and the soft reset.
        (false, 'q') => {
            parameters.strip_suffix(' ').is_some_and(|n| n.len() < 2 && n.bytes().all(|b| b.is_ascii_digit()))
        }
        (false, 'p') => parameters == "!",
        _ if !plain => false,
        (true, 'h' | 'l') => all(&SEEN_MODES),
        (false, 'h' | 'l') => all(&[INSERT]),
        (true, 'J' | 'K') => true,
        (true, _) => false,
        // With more than one number it is about the mouse.
        (false, 'T') => !numbers.contains([';', ':']),
        // Without numbers they save and restore the cursor; with two, `s` sets margins.
        (false, 'u') => numbers.is_empty(),
        (false, 'A'..='M' | 'P' | 'S' | 'X' | 'Z' | '@' | '`' | 'a' | 'b' | 'd'..='g' | 'm' | 'r' | 's') => true,
        (false, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(text: &str) -> String {
        let mut whole = String::new();
        TerminalSanitizer::default().filter(text, &mut whole);
        let mut filter = TerminalSanitizer::default();
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
            "\x1b[38;2;1;2;3m\x1b[38:5:9m\x1b[4:3m",
            "\x1b[3;20r\x1b[2S\x1b[T\x1b[s\x1b[u\x1b[4h\x1b[4l",
            "\x1b[?25;7l\x1b[?J",
            "\x1b#8\x0e\x0f",
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
            "\x1b[?01000h",
            "\x1b[?9001h",
            "\x1b[?1;1;0S",
            "\x1b[1;2;3;4;5T",
            "\x1b[\"v",
            "\x1b[5i",
            "\x1b[>4;1m",
            "\x1b[99999999b",
            "\x1b[2h",
            "\x1b%@",
            "\x1b G",
            "\x1b=",
            "\x1bktitle\x1b\\",
            "\u{9a}",
            "\u{96}",
        ] {
            assert_eq!(filtered(&format!("a{text}b")), "ab", "{text:?}");
        }
    }

    #[test]
    fn a_control_within_a_sequence_does_not_set_its_end_free() {
        // A terminal obeys the line feed and goes on with the sequence: what is written must hold no open ESC.
        assert_eq!(filtered("a\x1b\n]52;c;cm0gLXJm\x07b"), "a\nb");
        assert_eq!(filtered("a\x1b\n[6nb"), "a\nb");
        assert_eq!(filtered("a\x1b\r\x7f[5ib"), "a\r\x7fb");
        assert_eq!(filtered("a\x1b[\n6nb"), "a\nb");
        assert_eq!(filtered("a\x1b(\n0b"), "a\n\x1b(0b");
        assert_eq!(filtered("a\x1b\x1b]0;x\x07b"), "ab");
        assert_eq!(filtered("a\x1b\u{e9}b"), "ab");
        assert_eq!(filtered("a\x1b[1\x186nb"), "a6nb");
    }

    #[test]
    fn a_full_reset_is_softened() {
        assert_eq!(filtered("\x1bcx"), "\x1b[!p\x1b[2J\x1b[Hx");
    }

    #[test]
    fn an_endless_sequence_is_left_out_and_ends() {
        let text = format!("a\x1b[{}mb", "1;".repeat(500));
        assert_eq!(filtered(&text), "ab");
    }
}

//! Signals in the output that tell about command lines, found beside the emulator.

use memchr::memchr2;

/// Most bytes of a sequence that are read; a longer one is not a signal.
const MAX_SEQUENCE_BYTES: usize = 64;

/// A signal. The piece of output that ends with it was fed to the emulator before; only [`OutputSignal::LineFeed`] is
/// reported before it is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum OutputSignal {
    LineFeed,
    /// DECSET 2004: a line editor waits, or is about to print its prompt.
    PasteOn,
    /// DECRST 2004: the line editor is done with a line.
    PasteOff,
    /// DECTCEM off: tmux is about to draw.
    CursorOff,
    /// ED 0: everything below the cursor is erased, as zsh does before its prompt.
    Erase,
    /// OSC 133: `A` prompt, `B` input, `C` output begins.
    Prompt,
    Input,
    Output,
    /// OSC 133 `D`: the command ended; with its status if that is given.
    Ended(Option<u8>),
}

/// ```text
///           ESC          [            0x40..0x7e
///  Ground ───────▶ Esc ─────▶ Csi ─────────────────▶ Ground
///                   │ ]                BEL, ESC \
///                   ├──────▶ Osc ─────────────────▶ Ground
///                   └ other ▶ Ground
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ParserState {
    #[default]
    Ground,
    Escape,
    Csi,
    Osc,
    OscEscape,
}

/// Cuts output at signals, however the output is split.
#[derive(Debug, Default)]
pub(in crate::commands) struct Scanner {
    state: ParserState,
    sequence: Vec<u8>,
    /// Whether the piece before the last signal had a visible character.
    pub(in crate::commands) printed: bool,
}

impl Scanner {
    /// The length of the first piece of `text`, and the signal that ends it; `None` if there is none.
    pub(in crate::commands) fn next(&mut self, text: &str) -> (usize, Option<OutputSignal>) {
        let bytes = text.as_bytes();
        self.printed = false;
        let mut at = 0;
        while at < bytes.len() {
            if self.state == ParserState::Ground {
                let plain = memchr2(0x1b, b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                self.printed |= bytes[at..at + plain].iter().any(|byte| *byte > b' ');
                at += plain;
                let Some(&byte) = bytes.get(at) else { break };
                if byte == b'\n' {
                    // Reported before it is fed: it is the first byte of the next piece.
                    return (at, Some(OutputSignal::LineFeed));
                }
                self.state = ParserState::Escape;
                at += 1;
                continue;
            }
            let signal = self.in_sequence(bytes[at]);
            at += 1;
            if signal.is_some() {
                return (at, signal);
            }
        }
        (at, None)
    }

    fn in_sequence(&mut self, byte: u8) -> Option<OutputSignal> {
        match (self.state, byte) {
            (ParserState::Escape, b'[') => self.begin(ParserState::Csi),
            (ParserState::Escape, b']') => self.begin(ParserState::Osc),
            // An intermediate byte, as in `ESC ( B`, or another ESC.
            (ParserState::Escape, 0x1b | 0x20..0x30) => {}
            (ParserState::Escape, _) => self.state = ParserState::Ground,
            (ParserState::Csi, 0x40..0x7f) => {
                self.state = ParserState::Ground;
                return csi(&self.sequence, byte);
            }
            (ParserState::Csi, 0x1b) => self.state = ParserState::Escape,
            (ParserState::Osc, 0x07) | (ParserState::OscEscape, b'\\') => {
                self.state = ParserState::Ground;
                return osc(&self.sequence);
            }
            (ParserState::Osc, 0x1b) => self.state = ParserState::OscEscape,
            (ParserState::OscEscape, b'[') => self.begin(ParserState::Csi),
            (ParserState::OscEscape, _) => self.state = ParserState::Ground,
            // CAN and SUB abort a sequence.
            (_, 0x18 | 0x1a) => self.state = ParserState::Ground,
            _ if self.sequence.len() < MAX_SEQUENCE_BYTES => self.sequence.push(byte),
            _ => {}
        }
        None
    }

    fn begin(&mut self, state: ParserState) {
        self.state = state;
        self.sequence.clear();
    }
}

fn csi(parameters: &[u8], last: u8) -> Option<OutputSignal> {
    if last == b'J' && matches!(parameters, b"" | b"0") {
        return Some(OutputSignal::Erase);
    }
    let modes = parameters.strip_prefix(b"?")?;
    let paste = modes.split(|&byte| byte == b';').any(|mode| mode == b"2004");
    match last {
        b'h' if paste => Some(OutputSignal::PasteOn),
        b'l' if paste => Some(OutputSignal::PasteOff),
        b'l' if modes == b"25" => Some(OutputSignal::CursorOff),
        _ => None,
    }
}

fn osc(text: &[u8]) -> Option<OutputSignal> {
    let mark = text.strip_prefix(b"133;")?;
    let (&kind, rest) = mark.split_first()?;
    let status = || std::str::from_utf8(rest.strip_prefix(b";")?).ok()?.split(';').next()?.parse().ok();
    match kind {
        b'A' | b'P' | b'N' => Some(OutputSignal::Prompt),
        b'B' => Some(OutputSignal::Input),
        b'C' => Some(OutputSignal::Output),
        b'D' => Some(OutputSignal::Ended(status())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(pieces: &[&str]) -> Vec<OutputSignal> {
        let (mut scanner, mut stops) = (Scanner::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (length, signal) = scanner.next(rest);
                rest = &rest[length..];
                if signal == Some(OutputSignal::LineFeed) {
                    rest = &rest[1..];
                }
                stops.extend(signal);
            }
        }
        stops
    }

    #[test]
    fn every_cut_stops_at_the_same_moments() {
        let text = "ls\r\n\x1b[?2004l\r\x1b[?25l\x1b[?25h\x1b]133;C\x07out\x1b[1;31mé\n\x1b]133;D;3\x1b\\\x1b]133;A;k=s\x07\x1b[?1;2004h$ \x1b]133;B\x07";
        let expected = [
            OutputSignal::LineFeed,
            OutputSignal::PasteOff,
            OutputSignal::CursorOff,
            OutputSignal::Output,
            OutputSignal::LineFeed,
            OutputSignal::Ended(Some(3)),
            OutputSignal::Prompt,
            OutputSignal::PasteOn,
            OutputSignal::Input,
        ];
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            assert_eq!(stops(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        assert_eq!(
            stops(&["\x1b[2004h\x1b[?20040h\x1b]1337;A\x07\x1b]133;\x07\x1b]133;D;x\x07"]),
            [OutputSignal::Ended(None)]
        );
        let long = format!("\x1b]133;A{}\x07", "x".repeat(1 << 20));
        assert_eq!(stops(&[&long]), [OutputSignal::Prompt]);
    }
}

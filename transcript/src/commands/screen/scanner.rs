//! The moments in a terminal's output that say something about command lines, found beside the emulator.

use memchr::memchr2;

/// Most bytes of a sequence that are looked at; a longer one says nothing here.
const SEQUENCE: usize = 64;

/// Something to stop at. The piece of output that ends with it has been shown by then, but for [`Stop::LineFeed`],
/// which is told before it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::commands) enum Stop {
    LineFeed,
    /// DECSET 2004: a line editor waits, or is about to print its prompt.
    PasteOn,
    /// DECRST 2004: the line editor is done with a line.
    PasteOff,
    /// DECTCEM off: tmux is about to draw.
    CursorOff,
    /// Everything below the cursor is erased: zsh does so before its prompt.
    Erase,
    /// OSC 133: `A` prompt, `B` input, `C` output begins.
    Prompt,
    Input,
    Output,
    /// OSC 133 `D`: the command ended, perhaps with this status.
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
enum State {
    #[default]
    Ground,
    Escape,
    Control,
    System,
    SystemEscape,
}

/// Cuts output at such moments; a sequence may come in any pieces.
#[derive(Debug, Default)]
pub(in crate::commands) struct Scanner {
    state: State,
    sequence: Vec<u8>,
    /// Whether the piece before the last stop had a character to show.
    pub(in crate::commands) printed: bool,
}

impl Scanner {
    /// The length of the first piece of `text`, and where it stops; none where it goes on to the end.
    pub(in crate::commands) fn next(&mut self, text: &str) -> (usize, Option<Stop>) {
        let bytes = text.as_bytes();
        self.printed = false;
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Ground {
                let plain = memchr2(0x1b, b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                self.printed |= bytes[at..at + plain].iter().any(|byte| *byte > b' ');
                at += plain;
                let Some(&byte) = bytes.get(at) else { break };
                if byte == b'\n' {
                    // Told first; shown with the next piece, where it is the first byte.
                    return (at, Some(Stop::LineFeed));
                }
                self.state = State::Escape;
                at += 1;
                continue;
            }
            let stop = self.inside(bytes[at]);
            at += 1;
            if stop.is_some() {
                return (at, stop);
            }
        }
        (at, None)
    }

    fn inside(&mut self, byte: u8) -> Option<Stop> {
        match (self.state, byte) {
            (State::Escape, b'[') => self.begin(State::Control),
            (State::Escape, b']') => self.begin(State::System),
            // An intermediate byte, as of `ESC ( B`, or another try.
            (State::Escape, 0x1b | 0x20..0x30) => {}
            (State::Escape, _) => self.state = State::Ground,
            (State::Control, 0x40..0x7f) => {
                self.state = State::Ground;
                return control(&self.sequence, byte);
            }
            (State::Control, 0x1b) => self.state = State::Escape,
            (State::System, 0x07) | (State::SystemEscape, b'\\') => {
                self.state = State::Ground;
                return system(&self.sequence);
            }
            (State::System, 0x1b) => self.state = State::SystemEscape,
            (State::SystemEscape, b'[') => self.begin(State::Control),
            (State::SystemEscape, _) => self.state = State::Ground,
            // CAN and SUB abort a sequence.
            (_, 0x18 | 0x1a) => self.state = State::Ground,
            _ if self.sequence.len() < SEQUENCE => self.sequence.push(byte),
            _ => {}
        }
        None
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.sequence.clear();
    }
}

fn control(parameters: &[u8], last: u8) -> Option<Stop> {
    if last == b'J' && matches!(parameters, b"" | b"0") {
        return Some(Stop::Erase);
    }
    let modes = parameters.strip_prefix(b"?")?;
    let paste = modes.split(|&byte| byte == b';').any(|mode| mode == b"2004");
    match last {
        b'h' if paste => Some(Stop::PasteOn),
        b'l' if paste => Some(Stop::PasteOff),
        b'l' if modes == b"25" => Some(Stop::CursorOff),
        _ => None,
    }
}

fn system(text: &[u8]) -> Option<Stop> {
    let mark = text.strip_prefix(b"133;")?;
    let (&kind, rest) = mark.split_first()?;
    let status = || std::str::from_utf8(rest.strip_prefix(b";")?).ok()?.split(';').next()?.parse().ok();
    match kind {
        b'A' | b'P' | b'N' => Some(Stop::Prompt),
        b'B' => Some(Stop::Input),
        b'C' => Some(Stop::Output),
        b'D' => Some(Stop::Ended(status())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(pieces: &[&str]) -> Vec<Stop> {
        let (mut scanner, mut stops) = (Scanner::default(), Vec::new());
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let (length, stop) = scanner.next(rest);
                rest = &rest[length..];
                if stop == Some(Stop::LineFeed) {
                    rest = &rest[1..];
                }
                stops.extend(stop);
            }
        }
        stops
    }

    #[test]
    fn every_cut_stops_at_the_same_moments() {
        let text = "ls\r\n\x1b[?2004l\r\x1b[?25l\x1b[?25h\x1b]133;C\x07out\x1b[1;31mé\n\x1b]133;D;3\x1b\\\x1b]133;A;k=s\x07\x1b[?1;2004h$ \x1b]133;B\x07";
        let expected = [
            Stop::LineFeed,
            Stop::PasteOff,
            Stop::CursorOff,
            Stop::Output,
            Stop::LineFeed,
            Stop::Ended(Some(3)),
            Stop::Prompt,
            Stop::PasteOn,
            Stop::Input,
        ];
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            assert_eq!(stops(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        assert_eq!(stops(&["\x1b[2004h\x1b[?20040h\x1b]1337;A\x07\x1b]133;\x07\x1b]133;D;x\x07"]), [Stop::Ended(None)]);
        let long = format!("\x1b]133;A{}\x07", "x".repeat(1 << 20));
        assert_eq!(stops(&[&long]), [Stop::Prompt]);
    }
}

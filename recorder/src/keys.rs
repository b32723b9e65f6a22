//! What a person's keys mean for the line they are typing.
//!
//! Keys are a hint only: they say when a line was begun, ended or abandoned, and, where no editing key was
//! among them, what it should read. Whether it is a command is decided by the screen, so what was typed
//! while echo was off never becomes one. Nothing here is stored.

/// Most bytes of a line that are remembered. A longer one is read from the screen alone.
const LINE_BYTES: usize = 8 << 10;

/// A step of typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    /// The first key of a line.
    First,
    /// Enter. The line, where it was typed without editing keys other than backspace.
    Enter(Option<String>),
    /// Ctrl-C and the like: what follows is a new line.
    Abandon,
}

/// ```text
///            ESC           [             0x40..0x7e
///  Ground ────────▶ Escape ────▶ Control ──────────▶ Ground
///                     │ O ─────▶ Shifted ─ any ────▶ Ground
///                     └ ] P ^ _ ▶ Reply ─ BEL, ST ─▶ Ground
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// ECMA-48 control sequence, with its last number.
    Control(u16),
    Shifted,
    /// A terminal's answer to a query (OSC, DCS): not a key.
    Reply {
        escape: bool,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Keys {
    state: State,
    line: Vec<u8>,
    /// A key whose effect only the shell knows was pressed: history, completion, cursor movement.
    edited: bool,
    begun: bool,
    /// Between `ESC [ 200 ~` and `ESC [ 201 ~` (bracketed paste), where Enter is text.
    pasting: bool,
}

impl Keys {
    /// Takes bytes of stdin, in any slices.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Stroke)) {
        for &byte in bytes {
            match self.state {
                State::Ground => self.ground(byte, sink),
                State::Escape => self.escape(byte, sink),
                State::Control(number) => self.control(byte, number, sink),
                State::Shifted => {
                    self.state = State::Ground;
                    self.edit(sink);
                }
                State::Reply { escape } => self.reply(byte, escape),
            }
        }
    }

    fn ground(&mut self, byte: u8, sink: &mut dyn FnMut(Stroke)) {
        match byte {
            0x1b => self.state = State::Escape,
            b'\r' | b'\n' if self.pasting => self.text(b'\n', sink),
            b'\r' | b'\n' => self.enter(sink),
            // Ctrl-C, Ctrl-Z, Ctrl-\: the line is given up.
            0x03 | 0x1a | 0x1c => {
                self.restart();
                sink(Stroke::Abandon);
            }
            0x08 | 0x7f => {
                self.key(sink);
                self.backspace();
            }
            // Ctrl-U
            0x15 if !self.edited => {
                self.key(sink);
                self.line.clear();
            }
            0x00..0x20 => self.edit(sink),
            0x20..=0xff => self.text(byte, sink),
        }
    }

    fn escape(&mut self, byte: u8, sink: &mut dyn FnMut(Stroke)) {
        self.state = match byte {
            b'[' => State::Control(0),
            b'O' => State::Shifted,
            b']' | b'P' | b'^' | b'_' => State::Reply { escape: false },
            0x1b => State::Escape,
            _ => {
                self.edit(sink);
                State::Ground
            }
        };
    }

    fn control(&mut self, byte: u8, number: u16, sink: &mut dyn FnMut(Stroke)) {
        match byte {
            b'0'..=b'9' => {
                let digit = u16::from(byte - b'0');
                self.state = State::Control(number.saturating_mul(10).saturating_add(digit));
                return;
            }
            b';' => {
                self.state = State::Control(0);
                return;
            }
            0x20..0x40 => return,
            _ => self.state = State::Ground,
        }
        match (byte, number) {
            (b'~', 200) => {
                self.key(sink);
                self.pasting = true;
            }
            (b'~', 201) => self.pasting = false,
            // Answers and reports of the terminal: cursor position, attributes, status, focus, modes, size.
            (b'R' | b'c' | b'n' | b'I' | b'O' | b'y' | b't', _) => {}
            _ => self.edit(sink),
        }
    }

    fn reply(&mut self, byte: u8, escape: bool) {
        self.state = match byte {
            0x07 => State::Ground,
            b'\\' if escape => State::Ground,
            _ => State::Reply { escape: byte == 0x1b },
        };
    }

    fn key(&mut self, sink: &mut dyn FnMut(Stroke)) {
        if !self.begun {
            self.begun = true;
            sink(Stroke::First);
        }
    }

    fn edit(&mut self, sink: &mut dyn FnMut(Stroke)) {
        self.key(sink);
        self.edited = true;
        self.line = Vec::new();
    }

    fn text(&mut self, byte: u8, sink: &mut dyn FnMut(Stroke)) {
        if self.line.len() >= LINE_BYTES {
            self.edit(sink);
        }
        self.key(sink);
        if !self.edited {
            self.line.push(byte);
        }
    }

    /// Takes the last character away, which may be several bytes.
    fn backspace(&mut self) {
        while let Some(byte) = self.line.pop() {
            if byte & 0xc0 != 0x80 {
                break;
            }
        }
    }

    fn enter(&mut self, sink: &mut dyn FnMut(Stroke)) {
        let line = std::mem::take(&mut self.line);
        let typed = if self.edited { None } else { String::from_utf8(line).ok() };
        self.restart();
        sink(Stroke::Enter(typed));
    }

    /// The next key begins a new line.
    pub(crate) fn restart(&mut self) {
        self.line.clear();
        self.edited = false;
        self.begun = false;
        self.pasting = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strokes(pieces: &[&[u8]]) -> Vec<Stroke> {
        let mut keys = Keys::default();
        let mut strokes = Vec::new();
        for piece in pieces {
            keys.feed(piece, &mut |stroke| strokes.push(stroke));
        }
        strokes
    }

    fn enter(text: &str) -> Stroke {
        Stroke::Enter(Some(text.to_owned()))
    }

    #[test]
    fn a_line_typed_without_editing_is_known() {
        assert_eq!(strokes(&[b"ls \xc3", b"\xa9\r"]), [Stroke::First, enter("ls é")]);
        assert_eq!(strokes(&["lé\x7f\x7fls\n\r".as_bytes()]), [Stroke::First, enter("ls"), enter("")]);
    }

    #[test]
    fn history_and_completion_make_it_unknown() {
        assert_eq!(strokes(&[b"\x1b[A\r"]), [Stroke::First, Stroke::Enter(None)]);
        assert_eq!(strokes(&[b"\x1bOA\r"]), [Stroke::First, Stroke::Enter(None)]);
        assert_eq!(strokes(&[b"cat /et\t\r"]), [Stroke::First, Stroke::Enter(None)]);
    }

    #[test]
    fn answers_of_the_terminal_are_no_keys() {
        assert_eq!(strokes(&[b"\x1b[24;5R", b"ls\r"]), [Stroke::First, enter("ls")]);
        assert_eq!(strokes(&[b"\x1b]11;rgb:0/0/0\x1b\\ls\r"]), [Stroke::First, enter("ls")]);
    }

    #[test]
    fn enter_inside_a_bracketed_paste_is_text() {
        assert_eq!(strokes(&[b"\x1b[200~a\rb\x1b[201~\r"]), [Stroke::First, enter("a\nb")]);
    }

    #[test]
    fn a_line_is_given_up() {
        assert_eq!(strokes(&[b"rm\x03ls\r"]), [Stroke::First, Stroke::Abandon, Stroke::First, enter("ls")]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let mut keys = Keys::default();
        keys.feed(&[b'x'; 3 * LINE_BYTES], &mut |_| {});
        assert!(keys.line.capacity() <= LINE_BYTES);
        keys.feed(b"\r", &mut |stroke| assert_eq!(stroke, Stroke::Enter(None)));
    }
}

use storage::{Command, CommandSource};

use crate::{keys::Keys, screen::Screen};

/// Most commands in a manifest. Later ones are in the recording as markers, but not in its summary.
const COMMANDS: usize = 10_000;
/// Most bytes of a command; what is longer is cut.
const COMMAND_BYTES: usize = 8 << 10;

/// The commands of a session, and how the typed ones are found.
pub(crate) struct Commands {
    pub(crate) list: Vec<Command>,
    typing: Option<Typing>,
}

struct Typing {
    keys: Keys,
    screen: Screen,
}

impl Commands {
    /// `interactive`: a terminal and stdin were asked for, so lines may be typed.
    pub(crate) fn new(first: Option<Command>, interactive: bool) -> Self {
        let typing = interactive.then(|| Typing { keys: Keys::default(), screen: Screen::new() });
        Self { list: first.into_iter().collect(), typing }
    }

    pub(crate) fn resized(&mut self, width: u16, height: u16) {
        if let Some(typing) = &mut self.typing {
            typing.screen.resize(width, height);
        }
    }

    pub(crate) fn typed(&mut self, bytes: &[u8]) {
        if let Some(Typing { keys, screen }) = &mut self.typing {
            keys.feed(bytes, &mut |stroke| screen.stroke(stroke));
        }
    }

    /// Takes output; `found` gets each command that it completed.
    pub(crate) fn printed(&mut self, micros: u64, bytes: &[u8], found: &mut dyn FnMut(&str)) {
        let Some(typing) = &mut self.typing else { return };
        let list = &mut self.list;
        typing.screen.printed(bytes, &mut |text| push(list, micros, text, found));
    }

    /// Gives up memory while nothing happens.
    pub(crate) fn sleep(&mut self, micros: u64, found: &mut dyn FnMut(&str)) {
        let Some(typing) = &mut self.typing else { return };
        let list = &mut self.list;
        typing.screen.sleep(&mut |text| push(list, micros, text, found));
    }

    pub(crate) fn awake(&self) -> bool {
        self.typing.as_ref().is_some_and(|typing| typing.screen.awake())
    }
}

fn push(list: &mut Vec<Command>, micros: u64, mut text: String, found: &mut dyn FnMut(&str)) {
    text.truncate(text.floor_char_boundary(COMMAND_BYTES));
    found(&text);
    if list.len() < COMMANDS {
        list.push(Command { micros, source: CommandSource::Typed, text });
    }
}

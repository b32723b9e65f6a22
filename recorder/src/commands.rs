use std::panic::{AssertUnwindSafe, catch_unwind};

use storage::{Command, CommandSource};

use crate::{keys::Keys, screen::Screen, switches::Switches};

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
    switches: Switches,
    screen: Screen,
}

impl Commands {
    /// `interactive`: a terminal and stdin were asked for, so lines may be typed.
    pub(crate) fn new(first: Option<Command>, interactive: bool) -> Self {
        let typing =
            interactive.then(|| Typing { keys: Keys::default(), switches: Switches::default(), screen: Screen::new() });
        Self { list: first.into_iter().collect(), typing }
    }

    pub(crate) fn resized(&mut self, width: u16, height: u16) {
        if let Some(typing) = &mut self.typing {
            typing.screen.resize(width, height);
        }
    }

    pub(crate) fn typed(&mut self, bytes: &[u8]) {
        if let Some(Typing { keys, screen, .. }) = &mut self.typing {
            keys.feed(bytes, &mut |stroke| screen.stroke(stroke));
        }
    }

    /// Takes output; `found` gets each command that it completed.
    pub(crate) fn printed(&mut self, micros: u64, bytes: &[u8], found: &mut dyn FnMut(&str)) {
        self.with_typing(micros, found, |typing, found| {
            if typing.switches.left_alternate(bytes) {
                // Keys up to here were for the program that had the alternate screen.
                typing.keys.restart();
            }
            typing.screen.printed(bytes, found);
        });
    }

    /// Gives up memory while nothing happens.
    pub(crate) fn sleep(&mut self, micros: u64, found: &mut dyn FnMut(&str)) {
        self.with_typing(micros, found, |typing, found| typing.screen.sleep(found));
    }

    /// Runs the emulator. Should it panic on what a container printed, then the session goes on, recorded, without
    /// typed commands from there on.
    fn with_typing(
        &mut self,
        micros: u64,
        found: &mut dyn FnMut(&str),
        run: impl FnOnce(&mut Typing, &mut dyn FnMut(String)),
    ) {
        let Self { list, typing: Some(typing) } = self else { return };
        let mut each = |text| push(list, micros, text, found);
        if catch_unwind(AssertUnwindSafe(|| run(typing, &mut each))).is_err() {
            tracing::error!("the terminal emulator failed; typed commands are not read in this session any more");
            self.typing = None;
        }
    }

    pub(crate) fn awake(&self) -> bool {
        self.typing.as_ref().is_some_and(|typing| typing.screen.awake())
    }
}

fn push(list: &mut Vec<Command>, micros: u64, mut text: String, found: &mut dyn FnMut(&str)) {
    text.truncate(text.floor_char_boundary(COMMAND_BYTES));
    found(&text);
    if list.len() < COMMANDS {
        list.push(Command { micros, source: CommandSource::Typed, text, typed: None });
    }
}

#[cfg(test)]
mod tests {
    use storage::cast::{Code, Event};

    use super::*;

    /// Feeds the `r`, `i` and `o` events of a session that was recorded in a real pty.
    fn found(cast: &str) -> Vec<String> {
        let mut commands = Commands::new(None, true);
        for event in cast.lines().skip(1).map(|line| Event::parse(line.as_bytes()).expect("an event")) {
            match event.code {
                Code::Input => commands.typed(event.data.as_bytes()),
                Code::Output => commands.printed(event.micros, event.data.as_bytes(), &mut |_| {}),
                _ => {
                    let (width, height) = event.size().expect("a size");
                    commands.resized(width, height);
                }
            }
        }
        texts(&commands)
    }

    /// The same with an emulator that is put to sleep after every event, and output that comes byte by byte.
    fn found_in_crumbs(cast: &str) -> Vec<String> {
        let mut commands = Commands::new(None, true);
        for event in cast.lines().skip(1).map(|line| Event::parse(line.as_bytes()).expect("an event")) {
            let bytes = event.data.as_bytes().chunks(1);
            match event.code {
                Code::Input => bytes.for_each(|byte| commands.typed(byte)),
                Code::Output => bytes.for_each(|byte| commands.printed(event.micros, byte, &mut |_| {})),
                _ => {}
            }
            commands.sleep(event.micros, &mut |_| {});
        }
        texts(&commands)
    }

    fn texts(commands: &Commands) -> Vec<String> {
        commands.list.iter().map(|command| command.text.clone()).collect()
    }

    fn check(cast: &str, expected: &[&str]) {
        assert_eq!(found(cast), expected);
        assert_eq!(found_in_crumbs(cast), expected, "in crumbs");
    }

    #[test]
    fn bash_with_history_completion_editing_and_a_password() {
        check(
            include_str!("../tests/data/bash-typed.cast"),
            &[
                "echo hi",
                "echo hi there",
                "cat notes.txt",
                "ls -1",
                "echo hostx",
                "cat notes.txt",
                "read -s -p 'Password: ' x",
                "pwd",
                &format!("echo {}", "abcdefghij".repeat(12)),
                "echo partial",
                "for i in 1 2; do",
                "echo n$i",
                "done",
                "exit 3",
            ],
        );
    }

    #[test]
    fn what_is_typed_into_full_screen_programs_is_no_command() {
        check(include_str!("../tests/data/bash-fullscreen.cast"), &["vi notes.txt", "seq 200 | less", "pwd", "exit"]);
    }

    #[test]
    fn lines_sent_before_their_prompts_came() {
        check(
            include_str!("../tests/data/bash-scripted.cast"),
            &["echo one", "sleep 0.3", "echo two", "echo 'a b'", "exit"],
        );
    }

    #[test]
    fn lines_pasted_at_once() {
        check(include_str!("../tests/data/bash-pasted.cast"), &["echo p1\necho p2", "exit"]);
    }

    #[test]
    fn a_shell_without_line_editing() {
        check(
            include_str!("../tests/data/dash.cast"),
            &["echo hi", &format!("echo {}", "0123456789".repeat(9)), "exit"],
        );
    }

    #[test]
    fn busybox_which_breaks_long_lines_itself_and_asks_for_the_cursor() {
        check(
            include_str!("../tests/data/busybox-ash.cast"),
            &[
                "echo hi",
                "echo hi again",
                &format!("echo {}", "0123456789".repeat(9)),
                "cat /etc/hostname",
                "ls /nowhere",
                "pwd",
                "exit 3",
            ],
        );
    }

    #[test]
    fn zsh_with_a_right_prompt() {
        check(include_str!("../tests/data/zsh.cast"), &["echo hi", "echo hi again", "exit"]);
    }

    #[test]
    fn a_flood_between_two_commands_forgets_the_screen_but_not_the_typist() {
        let mut commands = Commands::new(None, true);
        let print = |commands: &mut Commands, text: &str| commands.printed(0, text.as_bytes(), &mut |_| {});
        print(&mut commands, "$ ");
        commands.typed(b"yes\r");
        print(&mut commands, "yes\r\n");
        for _ in 0..100 {
            print(&mut commands, &"y\r\n".repeat(10_000));
        }
        print(&mut commands, "^C\r\n$ ");
        commands.typed(b"ls");
        print(&mut commands, "ls");
        commands.typed(b"\r");
        print(&mut commands, "\r\n$ ");
        assert_eq!(texts(&commands), ["yes", "ls"]);
    }

    #[test]
    fn a_command_is_cut_at_a_characters_border() {
        let mut list = Vec::new();
        push(&mut list, 0, "é".repeat(COMMAND_BYTES), &mut |_| {});
        assert_eq!(list[0].text.len(), COMMAND_BYTES);
        push(&mut list, 0, format!("x{}", "é".repeat(COMMAND_BYTES)), &mut |_| {});
        assert_eq!(list[1].text.len(), COMMAND_BYTES - 1);
    }
}

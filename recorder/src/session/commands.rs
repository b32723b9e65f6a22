use std::panic::{AssertUnwindSafe, catch_unwind};

use memchr::memchr;
use recording::{Command, CommandSource};

use crate::streams::alt_screen::last_switch;

/// Most typed commands in a manifest. Later ones are in the recording as markers, but not in its summary.
const COMMANDS: usize = 10_000;
/// Most bytes of all typed commands in it.
const TYPED_BYTES: usize = 1 << 20;
/// Most bytes of a command; what is longer is cut.
const COMMAND_BYTES: usize = 8 << 10;
/// Most output that is put aside. Beyond it the oldest is given up, where no key was pressed since, and the screen with
/// it: a flood costs a copy and no terminal emulation, which is 30 ns a byte.
const ASIDE_BYTES: usize = 64 << 10;
/// Most steps that are put aside.
const STEPS: usize = 2048;
/// Output within this time is one step, as it is one event of the recording.
const JOIN_MICROS: u64 = 1_000;
/// Output aside below this is left aside when the session goes to sleep.
const SLEEP_BYTES: usize = 4 << 10;

/// The commands of a session, and how the typed ones are found: [`transcript::Commands`], fed when a line may have been
/// entered, and not with every byte.
pub(crate) struct Commands {
    first: Option<Command>,
    typing: Option<Typing>,
}

/// What a manifest lists, and whether there was more.
pub(crate) struct List {
    pub(crate) listed: Vec<Command>,
    pub(crate) unlisted: bool,
}

impl List {
    /// The first, and as many of the typed ones as there is room for. `full`: some were not even read.
    fn new(first: Option<Command>, typed: Vec<Command>, full: bool) -> Self {
        let mut bytes = 0;
        let fits = |command: &&Command| {
            bytes += command.text.len();
            bytes <= TYPED_BYTES
        };
        let fit = typed.iter().take(COMMANDS).take_while(fits).count();
        let unlisted = full || fit < typed.len();
        Self { listed: first.into_iter().chain(typed.into_iter().take(fit)).collect(), unlisted }
    }
}

#[derive(Default)]
struct Typing {
    commands: transcript::Commands,
    aside: Vec<u8>,
    /// What happened, by offset in `aside`.
    steps: Vec<(usize, u64, Step)>,
    /// A key was pressed since the output aside was fed.
    touched: bool,
    /// Enter was pressed, and the cursor has not gone down since.
    entered: bool,
}

enum Step {
    /// Output up to the next step.
    Printed,
    /// Keys: their bytes are kept only until the output aside is fed, and are in no recording because of this.
    Typed(Vec<u8>),
    Size(u16, u16),
}

impl Commands {
    /// `interactive`: a terminal and stdin were asked for, so lines may be typed.
    pub(crate) fn new(first: Option<Command>, interactive: bool) -> Self {
        Self { first, typing: interactive.then(Typing::default) }
    }

    pub(crate) fn resized(&mut self, micros: u64, width: u16, height: u16) {
        self.with_typing(|typing| {
            if let Some((_, _, last @ Step::Size(..))) = typing.steps.last_mut() {
                // Nothing was printed at the size before.
                *last = Step::Size(width, height);
            } else {
                typing.step(micros, Step::Size(width, height));
            }
        });
    }

    pub(crate) fn typed(&mut self, micros: u64, bytes: &[u8]) {
        self.with_typing(|typing| typing.typed(micros, bytes));
    }

    /// Takes output; `found` gets each line that it completed.
    pub(crate) fn printed(&mut self, micros: u64, bytes: &[u8], found: &mut dyn FnMut(&str)) {
        self.with_typing(|typing| typing.printed(micros, bytes, found));
    }

    /// Gives up memory while nothing happens.
    pub(crate) fn sleep(&mut self, found: &mut dyn FnMut(&str)) {
        self.with_typing(|typing| typing.sleep(found));
    }

    pub(crate) fn awake(&self) -> bool {
        self.typing
            .as_ref()
            .is_some_and(|typing| typing.commands.is_awake() || typing.aside.capacity() > 2 * SLEEP_BYTES)
    }

    /// All commands, for the manifest; `found` gets the lines that were not told yet.
    pub(crate) fn finish(&mut self, found: &mut dyn FnMut(&str)) -> List {
        self.with_typing(|typing| typing.look(found));
        let typed = self.typing.take().map(|typing| typing.commands);
        let full = typed.as_ref().is_some_and(transcript::Commands::is_full);
        let typed = typed.and_then(|commands| catch_unwind(AssertUnwindSafe(|| commands.finish())).ok());
        let typed = typed.unwrap_or_default().into_iter().map(cut).collect();
        List::new(self.first.take(), typed, full)
    }

    /// Runs the emulator. Should it panic on what a container printed, then the session goes on, recorded, without
    /// typed commands from there on.
    fn with_typing(&mut self, run: impl FnOnce(&mut Typing)) {
        let Some(typing) = &mut self.typing else { return };
        if catch_unwind(AssertUnwindSafe(|| run(typing))).is_err() {
            tracing::error!("reading typed commands failed; they are not read in this session any more");
            self.typing = None;
        }
    }
}

impl Typing {
    fn typed(&mut self, micros: u64, bytes: &[u8]) {
        self.touched = true;
        // Enter, or ctrl-o, which enters the line and recalls the next.
        self.entered |= bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0x0f));
        let kept = &bytes[..bytes.len().min(ASIDE_BYTES)];
        match self.steps.last_mut() {
            // A paste in many frames is one step.
            Some((_, _, Step::Typed(before))) if before.len() + kept.len() <= ASIDE_BYTES => {
                before.extend_from_slice(kept)
            }
            Some((_, _, Step::Typed(before))) => *before = kept.to_vec(),
            _ => self.step(micros, Step::Typed(kept.to_vec())),
        }
    }

    fn printed(&mut self, micros: u64, bytes: &[u8], found: &mut dyn FnMut(&str)) {
        for piece in bytes.chunks(ASIDE_BYTES) {
            if self.aside.len() + piece.len() > ASIDE_BYTES {
                self.make_room(micros, found);
            }
            let joins = |&(_, since, ref step): &(usize, u64, Step)| {
                matches!(step, Step::Printed) && micros.saturating_sub(since) <= JOIN_MICROS
            };
            if !self.steps.last().is_some_and(joins) {
                self.step(micros, Step::Printed);
            }
            self.aside.extend_from_slice(piece);
            if self.entered && memchr(b'\n', piece).is_some() {
                self.look(found);
            }
        }
    }

    fn step(&mut self, micros: u64, step: Step) {
        if self.steps.len() >= STEPS {
            self.give_up(micros);
        }
        self.steps.push((self.aside.len(), micros, step));
    }

    fn make_room(&mut self, micros: u64, found: &mut dyn FnMut(&str)) {
        if self.touched { self.look(found) } else { self.give_up(micros) }
    }

    /// Forgets what was put aside, and the screen with it.
    fn give_up(&mut self, micros: u64) {
        let alternate = last_switch(&self.aside).unwrap_or_else(|| self.commands.is_alternate());
        for (_, micros, step) in std::mem::take(&mut self.steps) {
            if let Step::Size(width, height) = step {
                self.commands.resized(micros, width, height);
            }
        }
        self.commands.skipped(micros, alternate);
        self.aside.clear();
        self.touched = false;
        self.entered = false;
    }

    /// Feeds what was put aside.
    fn look(&mut self, found: &mut dyn FnMut(&str)) {
        let steps = std::mem::take(&mut self.steps);
        let ends = steps.iter().skip(1).map(|step| step.0).chain([self.aside.len()]);
        for ((offset, micros, step), end) in steps.iter().zip(ends) {
            match step {
                Step::Printed => self.commands.printed(*micros, &self.aside[*offset..end]),
                Step::Typed(bytes) => self.commands.typed(*micros, bytes),
                Step::Size(width, height) => self.commands.resized(*micros, *width, *height),
            }
        }
        self.aside.clear();
        self.touched = false;
        self.entered = false;
        self.commands.entered(&mut |_, text| found(&text[..text.floor_char_boundary(COMMAND_BYTES)]));
    }

    fn sleep(&mut self, found: &mut dyn FnMut(&str)) {
        if self.aside.len() > SLEEP_BYTES || self.commands.is_awake() {
            self.look(found);
        }
        self.commands.sleep();
        self.aside.shrink_to_fit();
        self.steps.shrink_to_fit();
    }
}

fn cut(mut command: Command) -> Command {
    debug_assert_eq!(command.source, CommandSource::Typed);
    command.text.truncate(command.text.floor_char_boundary(COMMAND_BYTES));
    command
}

#[cfg(test)]
mod tests {
    use recording::cast::{Code, Event};

    use super::*;

    fn events(cast: &str) -> impl Iterator<Item = Event> {
        cast.lines().skip(1).map(|line| Event::parse(line.as_bytes()).expect("an event"))
    }

    /// Feeds the `r`, `i` and `o` events of a session that was recorded in a real pty.
    fn found(cast: &str) -> Vec<String> {
        let mut commands = Commands::new(None, true);
        for event in events(cast) {
            match event.code {
                Code::Input => commands.typed(event.micros, event.data.as_bytes()),
                Code::Output => commands.printed(event.micros, event.data.as_bytes(), &mut |_| {}),
                _ => {
                    let (width, height) = event.size().expect("a size");
                    commands.resized(event.micros, width, height);
                }
            }
        }
        texts(&mut commands)
    }

    /// The same with an emulator that is put to sleep after every event, and output that comes byte by byte.
    fn found_in_crumbs(cast: &str) -> Vec<String> {
        let mut commands = Commands::new(None, true);
        for event in events(cast) {
            let bytes = event.data.as_bytes().chunks(1);
            match event.code {
                Code::Input => bytes.for_each(|byte| commands.typed(event.micros, byte)),
                Code::Output => bytes.for_each(|byte| commands.printed(event.micros, byte, &mut |_| {})),
                _ => {}
            }
            commands.sleep(&mut |_| {});
        }
        texts(&mut commands)
    }

    fn texts(commands: &mut Commands) -> Vec<String> {
        commands.finish(&mut |_| {}).listed.into_iter().map(|command| command.text).collect()
    }

    fn check(cast: &str, expected: &[&str]) {
        assert_eq!(found(cast), expected);
        assert_eq!(found_in_crumbs(cast), expected, "in crumbs");
    }

    #[test]
    fn bash_with_history_completion_editing_and_a_password() {
        check(
            include_str!("../../tests/data/bash-typed.cast"),
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
                "for i in 1 2; do\necho n$i\ndone",
                "exit 3",
            ],
        );
    }

    #[test]
    fn what_is_typed_into_full_screen_programs_is_no_command() {
        check(
            include_str!("../../tests/data/bash-fullscreen.cast"),
            &["vi notes.txt", "seq 200 | less", "pwd", "exit"],
        );
    }

    #[test]
    fn lines_sent_before_their_prompts_came() {
        check(
            include_str!("../../tests/data/bash-scripted.cast"),
            &["echo one", "sleep 0.3", "echo two", "echo 'a b'", "exit"],
        );
    }

    #[test]
    fn lines_pasted_at_once() {
        check(include_str!("../../tests/data/bash-pasted.cast"), &["echo p1", "echo p2", "exit"]);
    }

    #[test]
    fn a_shell_without_line_editing() {
        check(
            include_str!("../../tests/data/dash.cast"),
            &["echo hi", &format!("echo {}", "0123456789".repeat(9)), "exit"],
        );
    }

    #[test]
    fn busybox_which_breaks_long_lines_itself_and_asks_for_the_cursor() {
        check(
            include_str!("../../tests/data/busybox-ash.cast"),
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
        check(include_str!("../../tests/data/zsh.cast"), &["echo hi", "echo hi again", "exit"]);
    }

    #[test]
    fn a_flood_between_two_commands_forgets_the_screen_but_not_the_typist() {
        let mut commands = Commands::new(None, true);
        let print =
            |commands: &mut Commands, micros: u64, text: &str| commands.printed(micros, text.as_bytes(), &mut |_| {});
        print(&mut commands, 0, "$ ");
        commands.typed(1_000_000, b"yes\r");
        print(&mut commands, 1_000_100, "yes\r\n");
        for _ in 0..100 {
            print(&mut commands, 1_500_000, &"y\r\n".repeat(10_000));
        }
        print(&mut commands, 2_000_000, "^C\r\n$ ");
        commands.typed(3_000_000, b"ls");
        print(&mut commands, 3_000_100, "ls");
        commands.typed(4_000_000, b"\r");
        print(&mut commands, 4_000_100, "\r\n$ ");
        assert_eq!(texts(&mut commands), ["yes", "ls"]);
    }

    #[test]
    fn typed_commands_beyond_the_bounds_are_not_listed_and_that_is_said() {
        let listed = |count: usize, bytes: usize, full| {
            let command = Command { micros: 0, source: CommandSource::Typed, text: "x".repeat(bytes), typed: None };
            let first = Command { source: CommandSource::Argv, text: "sh".repeat(TYPED_BYTES), ..command.clone() };
            let list = List::new(Some(first), vec![command; count], full);
            assert_eq!(list.listed[0].source, CommandSource::Argv);
            (list.listed.len() - 1, list.unlisted)
        };
        assert_eq!(listed(128, COMMAND_BYTES, false), (128, false));
        assert_eq!(listed(129, COMMAND_BYTES, false), (128, true));
        assert_eq!(listed(COMMANDS, 1, false), (COMMANDS, false));
        assert_eq!(listed(COMMANDS + 1, 1, false), (COMMANDS, true));
        assert_eq!(listed(1, 1, true), (1, true));
    }

    #[test]
    fn each_line_is_told_while_the_session_goes_on() {
        let (mut commands, mut told) = (Commands::new(None, true), Vec::new());
        for event in events(include_str!("../../tests/data/bash-typed.cast")) {
            match event.code {
                Code::Input => commands.typed(event.micros, event.data.as_bytes()),
                Code::Output => {
                    commands.printed(event.micros, event.data.as_bytes(), &mut |text| told.push(text.to_owned()))
                }
                _ => {}
            }
        }
        assert_eq!(told[..3], ["echo hi", "echo hi there", "cat notes.txt"]);
        assert!(told.ends_with(&["for i in 1 2; do", "echo n$i", "done", "exit 3"].map(str::to_owned)), "{told:?}");
    }

    #[test]
    fn what_is_put_aside_is_bounded_whatever_is_typed() {
        let mut commands = Commands::new(None, true);
        for micros in 0..10_000 {
            commands.typed(micros * 2_000, b"never echoed\r");
            commands.resized(micros * 2_000, 80, 24);
            commands.printed(micros * 2_000, b"x", &mut |_| {});
        }
        let typing = commands.typing.as_ref().expect("typing");
        assert!(typing.steps.len() <= STEPS && typing.aside.len() <= ASIDE_BYTES);
        commands.typed(0, &[b'x'; 3 * ASIDE_BYTES]);
        commands.typed(0, &[b'x'; 3 * ASIDE_BYTES]);
        let typing = commands.typing.as_ref().expect("typing");
        let kept = typing.steps.iter().map(|step| if let Step::Typed(bytes) = &step.2 { bytes.len() } else { 0 });
        assert!(kept.max() <= Some(ASIDE_BYTES));
    }

    #[test]
    fn a_command_is_cut_at_a_characters_border() {
        let command = |text: String| Command { micros: 0, source: CommandSource::Typed, text, typed: None };
        assert_eq!(cut(command("é".repeat(COMMAND_BYTES))).text.len(), COMMAND_BYTES);
        assert_eq!(cut(command(format!("x{}", "é".repeat(COMMAND_BYTES)))).text.len(), COMMAND_BYTES - 1);
    }
}

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use memchr::memchr;
use recording::{Command, CommandSource, Micros};

use crate::{
    manifest_limits::{COMMAND_BYTES, COMMANDS, TYPED_BYTES},
    streams::alt_screen::last_switch,
};

/// Most output that is put aside. If more comes and no key was pressed since, it is given up, and the screen with it: much output
/// costs a copy, and not the terminal emulation, which takes 30 ns a byte.
const ASIDE_BYTES: usize = 64 << 10;
/// Most steps that are put aside.
const STEPS: usize = 2048;
/// Output within this time is one step, as it is one event of the recording.
const JOIN: Duration = Duration::from_millis(1);
/// Less output than this stays aside when the session goes to sleep.
const SLEEP_BYTES: usize = 4 << 10;

/// Finds the commands of a session. The typed ones are what [`transcript::Commands`] finds, which is fed when a line may have been
/// entered, and not with every byte.
pub(crate) struct Commands {
    first: Option<Command>,
    typing: Option<Typing>,
}

/// The commands that a manifest lists.
pub(crate) struct CommandList {
    pub(crate) listed: Vec<Command>,
    /// Whether there were more.
    pub(crate) unlisted: bool,
}

impl CommandList {
    /// Lists the first command, and as many typed ones as there is room for. `full` says that some were not even read.
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
    /// What happened, by offset in `aside`, and when.
    steps: Vec<(usize, Micros, TerminalStep)>,
    /// A key was pressed since the output aside was fed.
    touched: bool,
    /// Enter was pressed, and the cursor has not gone down since.
    entered: bool,
}

enum TerminalStep {
    /// Output up to the next step.
    Printed,
    /// Keys. Their bytes are kept only until the output aside is fed: they come into no recording this way.
    Typed(Vec<u8>),
    /// A new size: columns, rows.
    Size(u16, u16),
}

impl Commands {
    /// `interactive` says that a terminal and stdin were asked for, so that lines may be typed.
    pub(crate) fn new(first: Option<Command>, interactive: bool) -> Self {
        Self { first, typing: interactive.then(Typing::default) }
    }

    pub(crate) fn resized(&mut self, time: Micros, width: u16, height: u16) {
        self.with_typing(|typing| {
            if let Some((_, _, last @ TerminalStep::Size(..))) = typing.steps.last_mut() {
                // Nothing was printed at the size before.
                *last = TerminalStep::Size(width, height);
            } else {
                typing.step(time, TerminalStep::Size(width, height));
            }
        });
    }

    pub(crate) fn typed(&mut self, time: Micros, bytes: &[u8]) {
        self.with_typing(|typing| typing.typed(time, bytes));
    }

    /// Takes output. `found` gets each line that it completed.
    pub(crate) fn printed(&mut self, time: Micros, bytes: &[u8], found: &mut dyn FnMut(&str)) {
        self.with_typing(|typing| typing.printed(time, bytes, found));
    }

    /// Gives up memory while nothing happens.
    pub(crate) fn sleep(&mut self, found: &mut dyn FnMut(&str)) {
        self.with_typing(|typing| typing.sleep(found));
    }

    /// Whether [`Self::sleep`] would give up memory.
    pub(crate) fn is_awake(&self) -> bool {
        self.typing
            .as_ref()
            .is_some_and(|typing| typing.commands.is_awake() || typing.aside.capacity() > 2 * SLEEP_BYTES)
    }

    /// Ends the session. Returns the commands for the manifest; `found` gets the lines that it did not get yet.
    pub(crate) fn finish(&mut self, found: &mut dyn FnMut(&str)) -> CommandList {
        self.with_typing(|typing| typing.feed(found));
        let typed = self.typing.take().map(|typing| typing.commands);
        let full = typed.as_ref().is_some_and(transcript::Commands::is_full);
        let typed = typed.and_then(|commands| catch_unwind(AssertUnwindSafe(|| commands.finish())).ok());
        let typed = typed.unwrap_or_default().into_iter().map(cut).collect();
        CommandList::new(self.first.take(), typed, full)
    }

    /// Runs the emulator. If it panics on what a container printed, the session goes on, recorded, without typed commands from there
    /// on.
    fn with_typing(&mut self, run: impl FnOnce(&mut Typing)) {
        let Some(typing) = &mut self.typing else { return };
        if catch_unwind(AssertUnwindSafe(|| run(typing))).is_err() {
            tracing::error!("reading typed commands failed; they are not read in this session any more");
            self.typing = None;
        }
    }
}

impl Typing {
    fn typed(&mut self, time: Micros, bytes: &[u8]) {
        self.touched = true;
        // Enter, or ctrl-o, which enters the line and recalls the next.
        self.entered |= bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0x0f));
        let kept = &bytes[..bytes.len().min(ASIDE_BYTES)];
        match self.steps.last_mut() {
            // A paste in many frames is one step.
            Some((_, _, TerminalStep::Typed(before))) if before.len() + kept.len() <= ASIDE_BYTES => {
                before.extend_from_slice(kept)
            }
            Some((_, _, TerminalStep::Typed(before))) => *before = kept.to_vec(),
            _ => self.step(time, TerminalStep::Typed(kept.to_vec())),
        }
    }

    fn printed(&mut self, time: Micros, bytes: &[u8], found: &mut dyn FnMut(&str)) {
        for piece in bytes.chunks(ASIDE_BYTES) {
            if self.aside.len() + piece.len() > ASIDE_BYTES {
                self.make_room(time, found);
            }
            let joins = |&(_, since, ref step): &(usize, Micros, TerminalStep)| {
                matches!(step, TerminalStep::Printed) && time.since(since) <= JOIN
            };
            if !self.steps.last().is_some_and(joins) {
                self.step(time, TerminalStep::Printed);
            }
            self.aside.extend_from_slice(piece);
            if self.entered && memchr(b'\n', piece).is_some() {
                self.feed(found);
            }
        }
    }

    fn step(&mut self, time: Micros, step: TerminalStep) {
        if self.steps.len() >= STEPS {
            self.give_up(time);
        }
        self.steps.push((self.aside.len(), time, step));
    }

    fn make_room(&mut self, time: Micros, found: &mut dyn FnMut(&str)) {
        if self.touched { self.feed(found) } else { self.give_up(time) }
    }

    /// Forgets what was put aside, and the screen with it.
    fn give_up(&mut self, time: Micros) {
        let alternate = last_switch(&self.aside).unwrap_or_else(|| self.commands.is_alternate());
        for (_, time, step) in std::mem::take(&mut self.steps) {
            if let TerminalStep::Size(width, height) = step {
                self.commands.resized(time, width, height);
            }
        }
        self.commands.skipped(time, alternate);
        self.aside.clear();
        self.touched = false;
        self.entered = false;
    }

    /// Feeds the emulator with what was put aside.
    fn feed(&mut self, found: &mut dyn FnMut(&str)) {
        let steps = std::mem::take(&mut self.steps);
        let ends = steps.iter().skip(1).map(|step| step.0).chain([self.aside.len()]);
        for ((offset, time, step), end) in steps.iter().zip(ends) {
            match step {
                TerminalStep::Printed => self.commands.printed(*time, &self.aside[*offset..end]),
                TerminalStep::Typed(bytes) => self.commands.typed(*time, bytes),
                TerminalStep::Size(width, height) => self.commands.resized(*time, *width, *height),
            }
        }
        self.aside.clear();
        self.touched = false;
        self.entered = false;
        self.commands.entered(&mut |_, text| found(&text[..text.floor_char_boundary(COMMAND_BYTES)]));
    }

    fn sleep(&mut self, found: &mut dyn FnMut(&str)) {
        if self.aside.len() > SLEEP_BYTES || self.commands.is_awake() {
            self.feed(found);
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
                Code::Input => commands.typed(event.time, event.data.as_bytes()),
                Code::Output => commands.printed(event.time, event.data.as_bytes(), &mut |_| {}),
                _ => {
                    let (width, height) = event.size().expect("a size");
                    commands.resized(event.time, width, height);
                }
            }
        }
        texts(&mut commands)
    }

    /// As `found`, with an emulator that is put to sleep after every event, and output that comes byte by byte.
    fn found_in_crumbs(cast: &str) -> Vec<String> {
        let mut commands = Commands::new(None, true);
        for event in events(cast) {
            let bytes = event.data.as_bytes().chunks(1);
            match event.code {
                Code::Input => bytes.for_each(|byte| commands.typed(event.time, byte)),
                Code::Output => bytes.for_each(|byte| commands.printed(event.time, byte, &mut |_| {})),
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
    fn much_output_between_two_commands_forgets_the_screen_but_not_the_typist() {
        let mut commands = Commands::new(None, true);
        let print =
            |commands: &mut Commands, time: Micros, text: &str| commands.printed(time, text.as_bytes(), &mut |_| {});
        print(&mut commands, Micros::ZERO, "$ ");
        commands.typed(Micros::new(1_000_000), b"yes\r");
        print(&mut commands, Micros::new(1_000_100), "yes\r\n");
        for _ in 0..100 {
            print(&mut commands, Micros::new(1_500_000), &"y\r\n".repeat(10_000));
        }
        print(&mut commands, Micros::new(2_000_000), "^C\r\n$ ");
        commands.typed(Micros::new(3_000_000), b"ls");
        print(&mut commands, Micros::new(3_000_100), "ls");
        commands.typed(Micros::new(4_000_000), b"\r");
        print(&mut commands, Micros::new(4_000_100), "\r\n$ ");
        assert_eq!(texts(&mut commands), ["yes", "ls"]);
    }

    #[test]
    fn typed_commands_beyond_the_bounds_are_not_listed_and_that_is_said() {
        let listed = |count: usize, bytes: usize, full| {
            let command =
                Command { time: Micros::ZERO, source: CommandSource::Typed, text: "x".repeat(bytes), typed: None };
            let first = Command { source: CommandSource::Argv, text: "sh".repeat(TYPED_BYTES), ..command.clone() };
            let list = CommandList::new(Some(first), vec![command; count], full);
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
                Code::Input => commands.typed(event.time, event.data.as_bytes()),
                Code::Output => {
                    commands.printed(event.time, event.data.as_bytes(), &mut |text| told.push(text.to_owned()))
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
        for number in 0..10_000 {
            let time = Micros::from_millis(number * 2);
            commands.typed(time, b"never echoed\r");
            commands.resized(time, 80, 24);
            commands.printed(time, b"x", &mut |_| {});
        }
        let typing = commands.typing.as_ref().expect("typing");
        assert!(typing.steps.len() <= STEPS && typing.aside.len() <= ASIDE_BYTES);
        commands.typed(Micros::ZERO, &[b'x'; 3 * ASIDE_BYTES]);
        commands.typed(Micros::ZERO, &[b'x'; 3 * ASIDE_BYTES]);
        let typing = commands.typing.as_ref().expect("typing");
        let kept =
            typing.steps.iter().map(|step| if let TerminalStep::Typed(bytes) = &step.2 { bytes.len() } else { 0 });
        assert!(kept.max() <= Some(ASIDE_BYTES));
    }

    #[test]
    fn a_command_is_cut_at_a_characters_border() {
        let command = |text: String| Command { time: Micros::ZERO, source: CommandSource::Typed, text, typed: None };
        assert_eq!(cut(command("é".repeat(COMMAND_BYTES))).text.len(), COMMAND_BYTES);
        assert_eq!(cut(command(format!("x{}", "é".repeat(COMMAND_BYTES)))).text.len(), COMMAND_BYTES - 1);
    }
}

mod ahead;
mod drawn;
mod edges;
mod panes;
mod steps;

use proptest::prelude::*;

use super::*;

/// The commands of pieces of output a second apart, without keys.
fn found(pieces: &[&str]) -> Vec<Command> {
    let mut commands = Commands::new();
    for (second, piece) in (0..).zip(pieces) {
        commands.printed(at(second), piece.as_bytes());
    }
    commands.finish()
}

fn texts(commands: &[Command]) -> Vec<&str> {
    commands.iter().map(|command| command.text.as_str()).collect()
}

const fn at(second: u64) -> Micros {
    Micros::from_secs(second)
}

const ON: &str = "\x1b[?2004h";
const OFF: &str = "\x1b[?2004l";

#[test]
fn a_command_has_its_times_and_the_exit_status_that_the_shell_told() {
    let prompt = "\x1b]133;D;2\x07\x1b]133;A\x07web $ \x1b]133;B\x07";
    let all = found(&[prompt, "ls /none", "\r\n\x1b]133;C\x07", "not found\r\n", "really\r\n", prompt]);
    assert_eq!(texts(&all), ["ls /none"]);
    let typed = all[0].typed.as_ref().expect("typed");
    assert_eq!((all[0].time, typed.ready, typed.ended), (at(2), at(0), Some(at(5))));
    assert_eq!((typed.output, typed.status), (Some((at(3), at(4))), Some(2)));
    assert_eq!((typed.prompt.as_str(), typed.evidence), ("web $ ", Evidence::Osc133));
}

#[test]
fn a_suggestion_behind_the_cursor_was_not_entered() {
    let line = "ec\x1b[38;5;240mho secret plan\x1b[m\x1b[14D";
    assert_eq!(texts(&found(&[&format!("{ON}$ "), line, &format!("\r\n{OFF}\r")])), ["ec"]);
}

#[test]
fn a_line_typed_right_after_one_was_given_up() {
    let mut commands = Commands::new();
    commands.printed(Micros::ZERO, b"/ # ");
    commands.typed(Micros::from_secs(1), b"echo lost\x03");
    commands.printed(Micros::new(1_000_200), b"echo lost^C\r\n/ # ");
    commands.typed(Micros::new(1_000_400), b"exit 3\r");
    commands.printed(Micros::new(1_000_600), b"e");
    commands.printed(Micros::new(1_000_800), b"xit 3\r\n");
    assert_eq!(texts(&commands.finish()), ["exit 3"]);
}

#[test]
fn what_is_answered_without_echo_is_no_command() {
    let start = format!("{ON}$ ");
    let session = [
        start.as_str(),
        "su",
        &format!("\r\n{OFF}\rPassword: "),
        "\r\nsu: failed\r\n",
        &start,
        "id",
        &format!("\r\n{OFF}\r"),
    ];
    assert_eq!(texts(&found(&session)), ["su", "id"]);
    // Nor do recorded keys that were not echoed.
    let mut commands = Commands::new();
    commands.printed(Micros::ZERO, b"$ ");
    commands.typed(Micros::new(500_000), b"su\r");
    commands.printed(Micros::new(500_100), b"su\r\n");
    commands.printed(Micros::from_secs(1), b"Password: ");
    commands.typed(Micros::from_secs(2), b"hunter2\r");
    commands.printed(Micros::new(2_000_100), b"\r\n$ ");
    assert_eq!(texts(&commands.finish()), ["su"]);
}

#[test]
fn output_that_looks_like_a_session_is_none() {
    let start = format!("{ON}ann@web:~$ ");
    let forged = format!("\r\n{OFF}\rann@web:~$ rm -rf /\r\nroot# true\r\n> x\r\n");
    assert_eq!(texts(&found(&[&start, "cat log", &forged, &start, "id", &format!("\r\n{OFF}\r")])), ["cat log", "id"]);
}

#[test]
fn a_full_screen_program_has_no_commands() {
    let start = format!("{ON}$ ");
    let vim = "\x1b[?1049h\x1b[H$ ";
    let session = [start.as_str(), "vi", &format!("\r\n{OFF}\r"), vim, "forged", "\r\n$ ", "\x1b[?1049l", &start, "id"];
    let end = format!("\r\n{OFF}\r");
    assert_eq!(texts(&found(&[&session[..], &[end.as_str()]].concat())), ["vi", "id"]);
}

#[test]
fn sleeping_between_any_two_pieces_changes_nothing() {
    let pieces = [format!("{ON}$ "), "echo one".to_owned(), format!("\r\n{OFF}\rone\r\n{ON}$ "), "exit".to_owned()];
    let mut commands = Commands::new();
    for (second, piece) in (0..).zip(pieces.iter().chain([&format!("\r\n{OFF}\r")])) {
        commands.printed(at(second), piece.as_bytes());
        commands.sleep();
        assert!(!commands.is_awake());
    }
    assert_eq!(texts(&commands.finish()), ["echo one", "exit"]);
}

#[test]
fn commands_without_end_are_bounded() {
    let mut commands = Commands::new();
    let line = format!("{ON}$ {}\r\n{OFF}\r", "x".repeat(3 * TEXT_BYTES));
    for second in 0..20 {
        commands.printed(Micros::from_secs(second), line.as_bytes());
    }
    let kept = commands.entries.iter().flat_map(|entry| &entry.lines).map(|line| line.text.len()).max();
    assert!(kept <= Some(TEXT_BYTES), "{kept:?}");
    for _ in 0..MAX_ENTRIES {
        commands.printed(Micros::from_secs(99), format!("{ON}$ x\r\n{OFF}\r").as_bytes());
    }
    assert_eq!(commands.entries.len(), MAX_ENTRIES);
}

#[derive(Clone, Debug)]
enum RandomStep {
    Print(Vec<u8>),
    Type(Vec<u8>),
    Resize(u16, u16),
    Sleep,
    Skip(bool),
}

fn random_step() -> impl Strategy<Value = RandomStep> {
    let known =
        ["\x1b[?2004h", "\x1b[?2004l", "\x1b]133;A\x07", "\x1b]133;B\x07", "\x1b]133;C\x07", "\x1b]133;D;1\x07"];
    let screens =
        ["\x1b[?1049h", "\x1b[?1049l", "\x1bc", "\x1b[2J", "\x1b[3J", "\x1b[J", "\r\n", "\n", "$ ", "> ", "^C", "\r"];
    let print = prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        4 => prop::sample::select(screens.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        3 => "(\x1b\\[[0-9;?]{0,6}[A-Za-z@]|[a-z !\u{4e00}\r\n\u{8}]){0,20}".prop_map(String::into_bytes),
    ];
    let size = prop_oneof![0..5_u16, any::<u16>()];
    prop_oneof![
        8 => print.prop_map(RandomStep::Print),
        2 => prop::collection::vec(any::<u8>(), 0..4).prop_map(RandomStep::Type),
        1 => (size.clone(), 0..90_u16).prop_map(|(columns, rows)| RandomStep::Resize(columns, rows)),
        1 => Just(RandomStep::Sleep),
        1 => any::<bool>().prop_map(RandomStep::Skip),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nothing_a_peer_sends_breaks_it(steps in prop::collection::vec((0..60_000_u64, random_step()), 0..80)) {
        let (mut commands, mut now) = (Commands::new(), Micros::ZERO);
        for (pause, step) in steps {
            now = now + Duration::from_micros(pause);
            match step {
                RandomStep::Print(bytes) => commands.printed(now, &bytes),
                RandomStep::Type(bytes) => commands.typed(now, &bytes),
                RandomStep::Resize(columns, rows) => commands.resized(now, columns, rows),
                RandomStep::Sleep => commands.sleep(),
                RandomStep::Skip(alternate) => commands.skipped(now, alternate),
            }
            commands.entered(&mut |_, _| {});
        }
        for command in commands.so_far() {
            prop_assert!(!command.text.trim().is_empty());
        }
        commands.finish();
    }
}

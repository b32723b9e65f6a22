//! What is typed in panes of tmux. Screens are 40x8, as tmux leaves them when it pauses, with the status line below.

use super::{
    steps::SessionStep::{self, Key, Out},
    *,
};

const STATUS: &str = "[0] 0:bash*";

/// Draws a screen as tmux does: rows, and the cursor's position from 0.
fn screen(rows: &[&str], cursor: (usize, usize)) -> String {
    with_status(STATUS, rows, cursor)
}

fn with_status(status: &str, rows: &[&str], (row, column): (usize, usize)) -> String {
    let mut drawn = String::from("\x1b[?25l");
    for at in 0..7 {
        drawn.push_str(&format!("\x1b[{};1H\x1b[K{}", at + 1, rows.get(at).unwrap_or(&"")));
    }
    drawn.push_str(&format!("\x1b[8;1H\x1b[30;42m{status:<40}\x1b[m\x1b[{};{}H\x1b[?25h", row + 1, column + 1));
    drawn
}

/// A pane whose cursor stands at the end of its last row.
fn at_end(rows: &[&str]) -> String {
    let last = rows.last().map_or(0, |last| last.chars().count());
    screen(rows, (rows.len() - 1, last))
}

/// A shell that starts tmux, then steps a second apart. `keys`: keys are recorded.
fn session(keys: bool, steps: &[SessionStep<'_>]) -> Vec<Command> {
    let mut commands = Commands::new();
    commands.resized(Micros::ZERO, 40, 8);
    let started = format!("tmux\r\n{OFF}\r");
    let prompt = format!("{ON}web $ ");
    let start = [Out(&prompt), Key("tmux\r"), Out(&started), Out("\x1b[?1049h")];
    for (second, step) in (1..).zip(start.iter().chain(steps)) {
        match step {
            Key(_) if !keys => {}
            Key(text) => commands.typed(Micros::from_secs(second), text.as_bytes()),
            Out(text) => commands.printed(Micros::from_secs(second), text.as_bytes()),
        }
    }
    commands.finish()
}

/// What was entered inside, with keys and without.
fn inside(steps: &[SessionStep<'_>]) -> [Vec<String>; 2] {
    [true, false].map(|keys| {
        let commands = session(keys, steps);
        assert_eq!(commands[0].text, "tmux");
        commands.into_iter().skip(1).map(|command| command.text).collect()
    })
}

fn both(texts: &[&str]) -> [Vec<String>; 2] {
    [(); 2].map(|()| texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn a_command_has_its_times_and_tmux_ends_when_its_shell_is_back() {
    let end = format!("\x1b[?1049l[exited]\r\n{ON}web $ ");
    let all = session(
        true,
        &[
            Out(&at_end(&["$ "])), // 5 s
            Key("ls"),
            Out(&at_end(&["$ ls"])), // 7 s
            Key("\r"),
            Out(&screen(&["$ ls"], (1, 0))), // 9 s
            Out(&screen(&["$ ls", "a  b"], (2, 0))),
            Out(&at_end(&["$ ls", "a  b", "$ "])), // 11 s
            Key("exit"),
            Out(&at_end(&["$ ls", "a  b", "$ exit"])),
            Key("\r"),
            Out(&end), // 15 s
        ],
    );
    assert_eq!(texts(&all), ["tmux", "ls", "exit"]);
    let [tmux, ls, exit] = [0, 1, 2].map(|of| all[of].typed.as_ref().expect("typed"));
    assert_eq!((all[1].time, ls.ready, ls.ended), (at(9), at(5), Some(at(11))));
    assert_eq!((ls.prompt.as_str(), ls.evidence), ("$ ", Evidence::Prompt));
    assert_eq!(ls.output.map(|output| output.0), Some(at(10)));
    assert_eq!((exit.ended, tmux.ended), (Some(at(15)), Some(at(15))));
}

#[test]
fn the_cursor_below_its_line_tells_that_it_was_entered_and_the_rows_above_that_it_scrolled() {
    let six = ["a", "b", "c", "d", "e", "f"];
    let before = [&six[..], &["$ seq 2"]].concat();
    let after = [&six[3..], &["$ seq 2", "1", "2", "$ "]].concat();
    let again = [&["1", "2", "$ seq 2", "1", "2", "$ "][..]].concat();
    let steps = [
        Out(&at_end(&[&six[..], &["$ "]].concat())),
        Key("seq 2"),
        Out(&at_end(&before)),
        Key("\r"),
        Out(&at_end(&after)),
        Key("\x1b[A"),
        Out(&at_end(&[&after[..6], &["$ seq 2"]].concat())),
        Key("\r"),
        Out(&at_end(&again)),
    ];
    assert_eq!(inside(&steps), both(&["seq 2", "seq 2"]));
}

#[test]
fn a_line_that_long_output_has_pushed_away_was_entered() {
    let rows: Vec<String> = (94..100).map(|number| number.to_string()).chain(["$ ".to_owned()]).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let steps = [Out(&at_end(&["$ "])), Key("seq 99"), Out(&at_end(&["$ seq 99"])), Key("\r"), Out(&at_end(&rows))];
    assert_eq!(inside(&steps), both(&["seq 99"]));
}

#[test]
fn a_line_that_is_drawn_again_elsewhere_was_not() {
    let steps = [
        Out(&at_end(&["x", "$ "])),
        Key("echo a"),
        Out(&at_end(&["x", "$ echo a"])),
        Key("\x0c"),
        Out(&at_end(&["$ echo a"])),
        Key("b"),
        Out(&at_end(&["$ echo ab"])),
        Key("\t\t"),
        Out(&at_end(&["$ echo ab", "abc  abd", "$ echo ab"])),
        Key("c\r"),
        Out(&at_end(&["$ echo ab", "abc  abd", "$ echo abc", "abc", "$ "])),
        Key("clear"),
        Out(&at_end(&["$ echo ab", "abc  abd", "$ echo abc", "abc", "$ clear"])),
        Key("\r"),
        Out(&at_end(&["$ "])),
    ];
    assert_eq!(inside(&steps)[0], ["echo abc", "clear"]);
}

#[test]
fn a_search_in_the_history_is_not_text_and_what_it_found_is() {
    let steps = [
        Out(&at_end(&["x", "$ "])),
        Key("\x12"),
        Out(&at_end(&["x", "(reverse-i-search)`': "])),
        Key("ec"),
        Out(&screen(&["x", "(reverse-i-search)`ec': echo one"], (1, 24))),
        Key("\r"),
        Out(&at_end(&["x", "$ echo one", "one", "$ "])),
    ];
    assert_eq!(inside(&steps), both(&["echo one"]));
}

#[test]
fn lines_that_go_over_several_rows_and_lines() {
    let long = format!("echo {}", "0123456789".repeat(5));
    let (first, rest) = (format!("$ {}", &long[..38]), &long[38..]);
    let wide = format!("$ echo x{}", "日".repeat(15));
    let steps = [
        Out(&at_end(&["$ "])),
        Key(&long),
        Out(&at_end(&[&first, rest])),
        Key("\r"),
        Out(&at_end(&[&first, rest, &long[5..45], &long[45..], "$ "])),
        Key("\x0c"),
        Out(&at_end(&["$ "])),
        // A wide character does not fit into the one column that is left.
        Out(&screen(&[&format!("{wide}日"), "日日"], (1, 4))),
        Key("\r"),
        Out(&screen(&[&format!("{wide}日"), "日日", "$ "], (2, 2))),
        Key("\x0c"),
        Out(&at_end(&["$ "])),
        Key("for i in 1; do\r"),
        Out(&at_end(&["$ for i in 1; do", "> "])),
        Key("echo $i\rdone\r"),
        Out(&at_end(&["$ for i in 1; do", "> echo $i", "> done", "1", "$ "])),
    ];
    let wide = format!("echo x{}", "日".repeat(18));
    assert_eq!(inside(&steps)[0], [long.as_str(), &wide, "for i in 1; do\necho $i\ndone"]);
}

#[test]
fn several_lines_that_are_pasted_wait_for_enter() {
    let steps = [
        Out(&at_end(&["$ "])),
        Out(ON),
        Key("\x1b[200~echo a\recho b\x1b[201~"),
        Out(&at_end(&["$ echo a", "echo b"])),
        Key("\r"),
        Out(&at_end(&["$ echo a", "echo b", "a", "b", "$ "])),
    ];
    assert_eq!(inside(&steps), both(&["echo a", "echo b"]));
}

#[test]
fn a_line_that_was_given_up_is_none() {
    let steps = [
        Out(&at_end(&["$ "])),
        Key("rm x"),
        Out(&at_end(&["$ rm x"])),
        Key("\x03"),
        Out(&at_end(&["$ rm x^C", "$ "])),
        Key("ls\r"),
        Out(&at_end(&["$ rm x^C", "$ ls", "$ "])),
    ];
    assert_eq!(inside(&steps), both(&["ls"]));
}

#[test]
fn fish_shows_again_what_it_did_not_take() {
    let steps = [
        Out(&at_end(&["> "])),
        Key("echo $$"),
        Out(&at_end(&["> echo $$"])),
        Key("\r"),
        Out(&at_end(&["> echo $$", "fish: $$ is not the pid", "> echo $$"])),
        Key("\x03"),
        Out(&at_end(&["> echo $$", "fish: $$ is not the pid", "> echo $$^C", "> "])),
        Key("ls\r"),
        Out(&at_end(&["> echo $$", "fish: $$ is not the pid", "> echo $$^C", "> ls", "> "])),
    ];
    assert_eq!(inside(&steps), both(&["ls"]));
}

#[test]
fn what_fish_did_not_take_at_last_is_none_either() {
    let steps = [
        Out(&at_end(&["> "])),
        Key("echo $$"),
        Out(&at_end(&["> echo $$"])),
        Key("\r"),
        Out(&at_end(&["> echo $$", "fish: $$ is not the pid", "> echo $$"])),
    ];
    assert_eq!(inside(&steps), both(&[]));
}

#[test]
fn fish_draws_further_lines_in() {
    let steps = [
        Out(&at_end(&["> "])),
        Key("for i in 1\r"),
        Out(&at_end(&["> for i in 1", "      "])),
        Key("ls\r"),
        Out(&at_end(&["> for i in 1", "      ls", "      "])),
        Key("end\r"),
        Out(&at_end(&["> for i in 1", "      ls", "  end", "a", "> "])),
    ];
    assert_eq!(inside(&steps)[0], ["for i in 1\nls\nend"]);
}

#[test]
fn full_screen_programs_in_a_pane_have_no_commands() {
    let shell = at_end(&["web:~$ "]);
    let left = ["web:~$ vi x", "web:~$ "];
    let steps = [
        Out(&shell),
        Key("vi x"),
        Out(&at_end(&["web:~$ vi x"])),
        Key("\r"),
        // vim switches bracketed paste on, as line editors do.
        Out(&format!("{ON}{}", screen(&["", "~", "~", "~", "~", "~", "\"x\" [New]"], (0, 0)))),
        Key("iweb:~$ "),
        Out(&screen(&["web:~$ ", "~", "~", "~", "~", "~", "-- INSERT --"], (0, 7))),
        Key("ls"),
        Out(&screen(&["web:~$ ls", "~", "~", "~", "~", "~", "-- INSERT --"], (0, 9))),
        Key("\r"),
        Out(&screen(&["web:~$ ls", "", "~", "~", "~", "~", "-- INSERT --"], (1, 0))),
        Key("$ rm\r"),
        Out(&screen(&["web:~$ ls", "$ rm", "", "~", "~", "~", "-- INSERT --"], (2, 0))),
        Key("\x1b:s/m$"),
        Out(&at_end(&["web:~$ ls", "$ rm", "", "~", "~", "~", ":s/m$"])),
        Key("/p/"),
        Out(&at_end(&["web:~$ ls", "$ rm", "", "~", "~", "~", ":s/m$/p/"])),
        Key("\r"),
        Out(&screen(&["web:~$ ls", "$ rp", "", "~", "~", "~", ":s/m$/p/"], (1, 0))),
        Key(":wq\r"),
        Out(&at_end(&left)),
        Key("less x"),
        Out(&at_end(&["web:~$ vi x", "web:~$ less x"])),
        Key("\r"),
        Out(&at_end(&["web:~$ ls", "$ rm", "web:~$ id", "a", "b", "c", ":"])),
        Key("\r"),
        Out(&at_end(&["$ rm", "web:~$ id", "a", "b", "c", "web:~$ ps", ":"])),
        Key("q"),
        Out(&at_end(&["web:~$ vi x", "web:~$ less x", "web:~$ "])),
        Key("id\r"),
        Out(&at_end(&["web:~$ vi x", "web:~$ less x", "web:~$ id", "0", "web:~$ "])),
    ];
    assert_eq!(inside(&steps), both(&["vi x", "less x", "id"]));
}

#[test]
fn copy_mode_and_the_prompt_of_tmux_itself_enter_nothing() {
    let place = format!("{:32}\x1b[30;43m[12/340]\x1b[m", "old");
    let steps = [
        Out(&at_end(&["x", "$ "])),
        Key("ls"),
        Out(&at_end(&["x", "$ ls"])),
        Key("\x02["),
        Out(&screen(&[&place, "x", "$ ls"], (2, 4))),
        Key("\x1b[A"),
        Out(&screen(&[&place, "x", "$ ls"], (1, 0))),
        // Enter copies.
        Key("\r"),
        Out(&screen(&[&place, "$ rm", "y", "$ kill"], (3, 2))),
        Key("q"),
        Out(&at_end(&["x", "$ ls"])),
        Key("\x02:"),
        Out(&with_status(":", &["x", "$ ls"], (7, 1))),
        Key("kill-pane\r"),
        Out(&with_status(":kill-pane", &["x", "$ ls"], (7, 10))),
        Out(&at_end(&["x", "$ ls"])),
        Key("\x03"),
        Out(&at_end(&["x", "$ ls^C", "$ "])),
    ];
    assert_eq!(inside(&steps), both(&[]));
}

#[test]
fn what_is_half_typed_in_another_window_waits_there() {
    let other = |rows: &[&str], column| with_status("[0] 0:bash- 1:bash*", rows, (rows.len() - 1, column));
    let steps = [
        Out(&at_end(&["$ "])),
        Key("echo a"),
        Out(&at_end(&["$ echo a"])),
        Key("\x02c"),
        Out(&other(&["$ "], 2)),
        Key("id"),
        Out(&other(&["$ id"], 4)),
        Key("\r"),
        Out(&other(&["$ id", "0", "$ "], 2)),
        Key("\x02p"),
        Out(&at_end(&["$ echo a"])),
        Key("b"),
        Out(&at_end(&["$ echo ab"])),
        Key("\r"),
        Out(&at_end(&["$ echo ab", "ab", "$ "])),
    ];
    assert_eq!(inside(&steps), both(&["id", "echo ab"]));
}

#[test]
fn a_pane_ends_at_its_borders() {
    let beside = |right: [&str; 3], row: usize, column: usize| {
        let left = ["$ make", "cc a.c", "cc b.c", "$ rm x"];
        let rows: Vec<String> = (0..7)
            .map(|at| match at {
                3 => format!("{:19}├{}", left[at], "─".repeat(20)),
                _ => format!("{:19}│{}", left.get(at).unwrap_or(&""), right.get(at).unwrap_or(&"")),
            })
            .collect();
        screen(&rows.iter().map(String::as_str).collect::<Vec<_>>(), (row, 20 + column))
    };
    let long = "0123456789".repeat(2);
    let first = format!("$ echo {}", &long[..13]);
    let steps = [
        Out(&beside(["$ ", "", ""], 0, 2)),
        Key("id"),
        Out(&beside(["$ id", "", ""], 0, 4)),
        Key("\r"),
        Out(&beside(["$ id", "0", "$ "], 2, 2)),
        Key("\x0c"),
        Out(&beside(["$ ", "", ""], 0, 2)),
        Key("echo"),
        Out(&beside([&first, &long[13..], ""], 1, 7)),
        Key("\r"),
        Out(&beside([&long, "$ ", ""], 1, 2)),
    ];
    assert_eq!(inside(&steps), both(&["id", &format!("echo {long}")]));
}

#[test]
fn the_line_that_ends_a_pane_or_tmux_was_entered_and_a_detached_one_was_not() {
    let steps = [
        Out(&with_status("[0] 0:bash- 1:bash*", &["$ "], (0, 2))),
        Key("exit"),
        Out(&with_status("[0] 0:bash- 1:bash*", &["$ exit"], (0, 6))),
        Key("\r"),
        Out(&at_end(&["$ half"])),
        Key("\x02d"),
        Out("\x1b[?1049l[detached]\r\n"),
    ];
    assert_eq!(inside(&steps), both(&["exit"]));
}

/// On a slow machine the echo comes together with what follows, which overwrites it.
#[test]
fn a_line_that_stands_there_only_until_tmux_draws_something_else() {
    let other = "[0] 0:bash- 1:bash*";
    let echo = format!("exit\r\nexit\r\n{OFF}");
    let steps = [
        Out(&with_status(other, &["$ "], (0, 2))),
        Key("e"),
        Key("xit"),
        Key("\r"),
        Out(&format!("{echo}{}", at_end(&["x", "$ "]))),
    ];
    assert_eq!(inside(&steps)[0], ["exit"]);
}

#[test]
fn a_line_whose_end_is_below_the_cursor_is_whole() {
    let text = format!("echo {} tail", "x".repeat(32));
    let first = format!("$ {}", &text[..37]);
    let steps = [
        Out(&at_end(&["$ "])),
        Out(ON),
        Key(&text),
        // The row is full but for a blank, which belongs to the text.
        Out(&at_end(&[&first, "tail"])),
        Key("\x01"),
        Out(&screen(&[&first, "tail"], (0, 2))),
        Key("\r"),
        Out(&at_end(&[&first, "tail", "$ "])),
    ];
    assert_eq!(inside(&steps), both(&[&text]));
}

#[test]
fn what_is_typed_without_echo_is_in_none() {
    let steps = [
        Out(&at_end(&["$ "])),
        Key("su"),
        Out(&at_end(&["$ su"])),
        Key("\r"),
        Out(&at_end(&["$ su", "Password: "])),
        Key("hunter2"),
        Key("\r"),
        Out(&at_end(&["$ su", "Password: ", "# "])),
        Key("id\r"),
        Out(&at_end(&["$ su", "Password: ", "# id", "0", "# "])),
    ];
    assert_eq!(inside(&steps), both(&["su", "id"]));
}

#[test]
fn tmux_is_known_by_its_status_line_too_and_nothing_else_is_taken_for_it() {
    let found = |command: &str, status: &str| {
        let mut commands = Commands::new();
        commands.resized(Micros::ZERO, 40, 8);
        let started = format!("{command}\r\n{OFF}\r\x1b[?1049h");
        let start = format!("{ON}web $ ");
        let draw = |row: &str| with_status(status, &[row], (0, row.len()));
        let end = with_status(status, &["$ id", "0", "$ "], (2, 2));
        for (second, text) in (0..).zip([&start, &started, &draw("$ "), &draw("$ id"), &end]) {
            commands.printed(Micros::from_secs(second), text.as_bytes());
        }
        texts(&commands.finish()).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("ssh web", STATUS), ["ssh web", "id"]);
    assert_eq!(found("ssh web", "\x1b[m0:bash*"), ["ssh web"]);
    assert_eq!(found("htop", " Mem Swap"), ["htop"]);
    assert_eq!(found("exec tmux a", "\x1b[m  main"), ["exec tmux a", "id"]);
}

#[test]
fn output_that_was_left_out_leaves_what_follows() {
    let mut commands = Commands::new();
    commands.resized(Micros::ZERO, 40, 8);
    let print =
        |commands: &mut Commands, second: u64, text: &str| commands.printed(Micros::from_secs(second), text.as_bytes());
    print(&mut commands, 1, &format!("{ON}web $ "));
    print(&mut commands, 2, &format!("tmux\r\n{OFF}\r\x1b[?1049h"));
    print(&mut commands, 3, &at_end(&["$ half"]));
    commands.skipped(Micros::from_secs(4), true);
    commands.sleep();
    print(&mut commands, 5, "\x1b[3;1H$ ");
    print(&mut commands, 6, "id");
    print(&mut commands, 7, "\r\n0\r\n$ ");
    commands.sleep();
    assert_eq!(texts(&commands.finish()), ["tmux", "id"]);
}

#[test]
fn what_is_kept_and_looked_at_is_bounded() {
    let mut commands = Commands::new();
    commands.resized(Micros::ZERO, 1000, 300);
    commands.printed(Micros::ZERO, format!("{ON}web $ ").as_bytes());
    commands.printed(Micros::from_secs(1), format!("tmux\r\n{OFF}\r\x1b[?1049h").as_bytes());
    let full = format!("\x1b[H$ {}\x1b[299;1H", "x".repeat(998 + 1000 * 290));
    for time in (2_000..4_000).step_by(4).map(Micros::from_millis) {
        commands.printed(time, full.as_bytes());
        commands.printed(time + Duration::from_micros(3_500), b"\r\n$ ");
    }
    let panes = commands.panes.as_ref().expect("tmux");
    assert!(panes.looks <= 13 + 2 * 34, "{}", panes.looks);
    let longest = commands.entries.iter().flat_map(|entry| &entry.lines).map(|line| line.text.len()).max();
    assert!(longest <= Some(TEXT_BYTES), "{longest:?}");
}

#[derive(Clone, Debug)]
enum Drawn {
    Print(String),
    Type(&'static str),
    Resize(u16, u16),
    Skip(bool),
    Sleep,
}

fn step() -> impl Strategy<Value = Drawn> {
    let rows = [
        "$ ",
        "$ ls",
        "> x",
        "",
        "~",
        "[1/2]",
        "│",
        "─",
        "────────",
        "日本",
        "(reverse-i-search)`': ",
        "\x1b[42m",
        "\x1b[m",
    ];
    let piece = (0..12_usize, 0..12_usize, prop::sample::select(rows.to_vec()))
        .prop_map(|(row, column, text)| format!("\x1b[{row};{column}H{text}\x1b[K"));
    let line = (0..12_usize, prop::sample::select(vec!["│", "─", "x", " "]))
        .prop_map(|(at, cell)| (0..12).map(|row| format!("\x1b[{row};{at}H{cell}")).collect::<String>());
    let screen = (prop::collection::vec(prop::sample::select(rows.to_vec()), 1..8), 0..8_usize, 0..40_usize)
        .prop_map(|(rows, row, column)| self::screen(&rows, (row, column)));
    let more = ["\x1b[?1049l", "\x1b[?1049h", "\x1b[?25l", "\x1b[?25h", "\r\n", "\x1b[S", "\x1b[?2004h", "\x1b[?2004l"];
    prop_oneof![
        4 => screen.prop_map(Drawn::Print),
        3 => piece.prop_map(Drawn::Print),
        1 => line.prop_map(Drawn::Print),
        2 => prop::sample::select(more.to_vec()).prop_map(|text| Drawn::Print(text.to_owned())),
        3 => prop::sample::select(vec!["\r", "x", "\x03", "\x1b[200~", "\x1b[201~"]).prop_map(Drawn::Type),
        1 => (1..60_u16, 1..12_u16).prop_map(|(columns, rows)| Drawn::Resize(columns, rows)),
        1 => any::<bool>().prop_map(Drawn::Skip),
        1 => Just(Drawn::Sleep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn nothing_that_looks_like_tmux_breaks_it(steps in prop::collection::vec((0..60_000_u64, step()), 0..80)) {
        let (mut commands, mut now) = (Commands::new(), Micros::ZERO);
        commands.resized(Micros::ZERO, 40, 8);
        commands.printed(Micros::ZERO, format!("{ON}web $ tmux\r\n{OFF}\r\x1b[?1049h").as_bytes());
        for (pause, step) in steps {
            now = now + Duration::from_micros(pause);
            match step {
                Drawn::Print(text) => commands.printed(now, text.as_bytes()),
                Drawn::Type(text) => commands.typed(now, text.as_bytes()),
                Drawn::Resize(columns, rows) => commands.resized(now, columns, rows),
                Drawn::Skip(alternate) => commands.skipped(now, alternate),
                Drawn::Sleep => commands.sleep(),
            }
            commands.entered(&mut |_, _| {});
        }
        let all = commands.finish();
        prop_assert!(all.is_sorted_by_key(|command| command.time));
    }
}

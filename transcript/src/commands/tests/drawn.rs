//! Lines that line editors draw again, and what they show beside them.

use super::{
    steps::{
        SessionStep::{Key, Out},
        entered, without_keys,
    },
    *,
};

/// zsh moves down to a row that it used before without a line feed.
#[test]
fn a_prompt_is_known_in_however_many_pieces_it_comes() {
    let steps = [
        Out("one\r\ntwo\x1b[A\r\x1b[J% \x1b[K"),
        Out("\x1b[?2004h"),
        Out("echo three"),
        Out("\x1b[?2004l"),
        Out("\x1b[1B\rthree\r\n\r\x1b[J% \x1b[K"),
        Out("\x1b[?2004h"),
    ];
    assert_eq!(entered(&steps), ["echo three"]);
}

/// readline moves down within its line with LF CR.
#[test]
fn a_command_of_several_lines_is_recalled() {
    let steps = [
        Out("$ "),
        Key("\x1b[A"),
        Out("echo last"),
        Key("\x1b[A"),
        Out("\r\x1b[C\x1b[Cif a; then\r\n\r  b\r\n\rfi"),
        Key("\r"),
        Out("\r\nsh: a: not found\r\n$ "),
    ];
    assert_eq!(entered(&steps), ["if a; then\n  b\nfi"]);
}

#[test]
fn what_is_shown_below_a_line_is_not_in_it() {
    let steps = [
        Out("$ "),
        Key("id\r"),
        Out("id\r\n0\r\n$ "),
        Key("id\r"),
        Out("id\r\n0\r\n$ "),
        Key("ls a\t"),
        Out("ls a"),
        Out("\r\nShow all 120? (y/n)"),
        Key("y"),
        Out("\r\na1  a2\r\n$ ls a"),
        Key("1\r"),
        Out("1\r\na1\r\n$ "),
    ];
    assert_eq!(entered(&steps), ["id", "id", "ls a1"]);
}

/// node shows a preview of the result below a line, and moves back up.
#[test]
fn a_result_that_is_shown_while_a_line_is_typed() {
    let shown = "\x1b[90m5\x1b[39m\x1b[4G\x1b[1A";
    let left = "\x1b[1B\x1b[2K\x1b[1A\r\r\n5\r\n\x1b[1G\x1b[0J> \x1b[3G";
    let first = format!("x\r\n{shown}");
    let again = format!("\x1b[1G\x1b[0J> x\x1b[4G\r\n{shown}");
    let mut steps = vec![Out("> "), Key("x"), Out(&first), Key("\r"), Out(left)];
    (0..2).for_each(|_| steps.extend([Key("\x1b[A"), Out(&again), Key("\r"), Out(left)]));
    assert_eq!(entered(&steps), ["x", "x", "x"]);
    assert_eq!(without_keys(&steps), ["x", "x", "x"]);
}

#[test]
fn a_result_that_is_shown_between_fast_keys() {
    let mut commands = Commands::new();
    let typed = ["x", "x.", "x.y"].map(|text| format!("\x1b[1G\x1b[0J> {text}\r\n\x1b[90m5\x1b[39m\x1b[6G\x1b[1A"));
    let left = "\x1b[1B\x1b[2K\x1b[1A\r\r\n5\r\n\x1b[1G\x1b[0J> \x1b[3G".to_owned();
    commands.printed(Micros::ZERO, b"> ");
    for (at, piece) in (0..).zip([&typed[..], &[left]].concat()) {
        // The last key and Enter come after a pause.
        let now = 1_000 + at + at / 3 * 100;
        commands.printed(Micros::from_millis(now), piece.as_bytes());
    }
    commands.printed(Micros::from_secs(2), b"1\r\n");
    commands.printed(Micros::new(2_000_100), b"1\r\n> ");
    assert_eq!(texts(&commands.finish()), ["x.y", "1"]);
}

#[test]
fn a_line_that_is_left_some_time_after_it_was_entered_is_one() {
    let prompt = "\r\x1b[J% \x1b[K\x1b[?2004h";
    let mut commands = Commands::new();
    let mut now = Micros::ZERO;
    for _ in 0..3 {
        let pieces = [(prompt, 5_000), ("echo one", 90_000), (OFF, 90_000), ("\r\r\n", 5_000), ("one\r\n", 500)];
        for (piece, pause) in pieces {
            now = now + Duration::from_micros(pause);
            commands.printed(now, piece.as_bytes());
        }
    }
    assert_eq!(texts(&commands.finish()), ["echo one"; 3]);
}

/// BusyBox's `clear` leaves the next prompt where the one before stood.
#[test]
fn a_prompt_in_the_row_of_the_line_before() {
    let steps = [Out("# "), Key("clear\r"), Out("clear\r\n"), Out("\x1b[H\x1b[J# "), Key("id\r"), Out("id\r\n0\r\n# ")];
    assert_eq!(entered(&steps), ["clear", "id"]);
    assert_eq!(without_keys(&steps), ["clear", "id"]);
}

/// A line editor draws its line again, and its prompt is seen nowhere else.
#[test]
fn a_line_in_a_terminal_that_changes_its_size() {
    let mut commands = Commands::new();
    commands.resized(Micros::ZERO, 30, 10);
    commands.printed(Micros::new(1), b"web:/srv# ");
    commands.typed(Micros::from_secs(1), b"id");
    commands.printed(Micros::new(1_000_100), b"id");
    commands.resized(Micros::from_secs(2), 20, 10);
    commands.printed(Micros::new(2_000_100), b"\r\x1b[Kweb:/srv# id");
    commands.typed(Micros::from_secs(3), b"\r");
    commands.printed(Micros::new(3_000_100), b"\r\n0\r\n");
    assert_eq!(texts(&commands.finish()), ["id"]);
}

#[test]
fn a_statement_of_several_lines_is_recalled() {
    let steps = [
        Out("\x1b[?2004hshop=# "),
        Key("\x1b[A"),
        Out("onyx \r\n\rselect 10;"),
        Key("\r"),
        Out("\r\n\x1b[?2004l\rERROR\r\n\x1b[?2004hshop=# "),
    ];
    assert_eq!(entered(&steps), ["onyx\nselect 10;"]);
}

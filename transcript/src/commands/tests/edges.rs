//! Lines that line editors break, draw anew and move about in.

use super::*;

/// A key is typed, a piece of output is printed.
enum Step<'a> {
    Key(&'a str),
    Out(&'a str),
}

use Step::{Key, Out};

/// Steps a second apart, on a terminal of 20 columns.
fn entered(steps: &[Step<'_>]) -> Vec<String> {
    let mut commands = Commands::new();
    commands.resized(0, 20, 10);
    for (second, step) in (1..).zip(steps) {
        match step {
            Key(text) => commands.typed(second * 1_000_000, text.as_bytes()),
            Out(text) => commands.printed(second * 1_000_000, text.as_bytes()),
        }
    }
    commands.finish().into_iter().map(|command| command.text).collect()
}

/// The same without the keys.
fn without_keys(steps: &[Step<'_>]) -> Vec<String> {
    let out: Vec<Step<'_>> =
        steps.iter().filter_map(|step| if let Out(text) = step { Some(Out(text)) } else { None }).collect();
    entered(&out)
}

/// zsh goes down to a row that it used before without a line feed.
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

#[test]
fn zsh_gives_a_line_up_with_another_key_too() {
    let prompt = "\r\x1b[J% \x1b[K\x1b[?2004h";
    let steps = [Out(prompt), Key("lost"), Out("lost"), Key("\x07"), Out("\x1b[?2004l\r\r\n"), Out(prompt)];
    assert!(entered(&steps).is_empty());
    // Much is typed until a busy machine answers.
    let left = format!("k{OFF}\r\r\n{prompt}");
    let steps = [Out(prompt), Key("lost"), Out("lost"), Key("\x03"), Key("k"), Key("i"), Out(&left)];
    assert!(entered(&steps).is_empty());
}

/// fish stays in the row that it went to when the one above was full.
#[test]
fn a_line_shortened_to_the_edge() {
    let prompt = format!("{ON}\x1b[92m> \x1b[m\x1b[K\r\x1b[2C");
    let steps = [
        Out(&prompt),
        Out("echo 90123456789012 cut\x1b[A\r\r\n\x1b[5C"),
        Key("\x17"),
        Out("\x08\x08\x08\x1b[K\x1b[A\r\r\n\x1b[2C"),
        Key("\x7f\x7f"),
        Out("\x1b[A\r\r\n\x1b[K"),
        Key("\r"),
        Out(OFF),
        Out("\r90123456789012\r\n"),
        Out(&prompt),
    ];
    assert_eq!(entered(&steps), ["echo 9012345678901"]);
    assert_eq!(without_keys(&steps), ["echo 9012345678901"]);
}

/// BusyBox prints CR LF itself where a row is full, and nothing for Enter in an empty row.
#[test]
fn busybox_at_the_edge() {
    let steps = [
        Out("# "),
        Key("echo 9012345678901"),
        Out("echo 901234567890"),
        Out("1\r\r\n"),
        Key("\r"),
        Out("9012345678901\r\n# "),
        Key("echo 9012345678901234"),
        Out("echo 9012345678901\r\r\n2"),
        Out("34"),
        Key("\r"),
        Out("\r\n9012345678901234\r\n# "),
    ];
    assert_eq!(entered(&steps), ["echo 9012345678901", "echo 9012345678901234"]);
    assert_eq!(without_keys(&steps), ["echo 9012345678901", "echo 9012345678901234"]);
}

/// node's line editor ends a line with CR CR LF.
#[test]
fn node_at_the_edge() {
    let left = "\r\r\n90\r\n\x1b[1G\x1b[0J> \x1b[3G";
    let line = "123456789012345678";
    let steps = [Out("> "), Key(line), Out(line), Key("\r"), Out(left), Key("\x1b[A"), Out(line), Key("\r"), Out(left)];
    assert_eq!(entered(&steps), [line; 2]);
    assert_eq!(without_keys(&steps), [line; 2]);
}

/// redis-cli's goes to the next row with LF CR where one is full, and draws the line again.
#[test]
fn redis_at_the_edge() {
    let drawn = "\r\x1b[0K> get 67890123456789\n\r\r\x1b[0K\x1b[1A\r\x1b[0K> get 678901234567890\r\x1b[1C";
    let steps = [
        Out("> "),
        Key("get 678901234567890\r"),
        Out(drawn),
        Out("\r\n(nil)\r\n> "),
        Key("get 67890123456789\r"),
        Out("\r\x1b[0K> get 67890123456789\n\r\r\r\n(nil)\r\n> "),
        Key("ping\r"),
        Out("ping\r\nPONG\r\n> "),
    ];
    assert_eq!(entered(&steps), ["get 678901234567890", "get 67890123456789", "ping"]);
    assert_eq!(without_keys(&steps), ["get 678901234567890", "get 67890123456789", "ping"]);
}

#[test]
fn busybox_draws_several_rows_at_once() {
    let line = format!("echo {}", "012345678901234".repeat(3));
    let shown = format!("{}\r\r\n{}\r\r\n{}", &line[..18], &line[18..38], &line[38..]);
    let steps = [Out("# "), Key(&line), Out(&shown), Key("\r"), Out("\r\n"), Out("0123\r\n# ")];
    assert_eq!(entered(&steps), [line.as_str()]);
    assert_eq!(without_keys(&steps), [line.as_str()]);
}

/// BusyBox does not know of it either, unless the terminal says where the cursor is.
#[test]
fn busybox_beside_output() {
    let steps = [
        Out("web:/# "),
        Key("printf chalk\r"),
        Out("printf chalk\r\nchalkweb:/# "),
        Key("echo 9012345678"),
        Out("echo 90123456\r\r\n"),
        Out("78"),
        Key("\r"),
        Out("\r\n9012345678\r\nweb:/# "),
    ];
    assert_eq!(entered(&steps), ["printf chalk", "echo 9012345678"]);
    assert_eq!(without_keys(&steps), ["printf chalk", "echo 9012345678"]);
}

#[test]
fn a_line_of_several_rows_is_edited_from_its_beginning() {
    let steps = [
        Out("# "),
        Key("echo 9012345678901234"),
        Out("echo 9012345678901\r\r\n234"),
        Key("\x01"),
        Out("\r\x1b[1A\x1b[2C"),
        Key("x"),
        Out("xecho 901234567890\r\r\n1234\r\x1b[1A\x1b[3C"),
        Key("\r"),
        Out("echo 901234567890\r\r\n1234\r\n"),
        Out("sh: xecho: not found\r\n# "),
    ];
    assert_eq!(entered(&steps), ["xecho 9012345678901234"]);
    assert_eq!(without_keys(&steps), ["xecho 9012345678901234"]);
}

/// readline moves down with LF CR in the line that it draws.
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

/// readline does not know of it, and takes its row to be full six columns later.
#[test]
fn a_prompt_beside_output() {
    let steps = [
        Out(&format!("{ON}$ ")),
        Out("printf quartz"),
        Out(&format!("\r\n{OFF}\rquartz{ON}$ ")),
        Out("echo 9012345678901 \r"),
        Out("234"),
        Out(&format!("\r\n{OFF}\r9012345678901234\r\n{ON}$ ")),
    ];
    assert_eq!(entered(&steps), ["printf quartz", "echo 9012345678901234"]);
}

/// node shows below a line what it would result in, and goes back up.
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
    commands.printed(0, b"> ");
    for (at, piece) in (0..).zip([&typed[..], &[left]].concat()) {
        // The last key and Enter come after a rest.
        let now = 1_000_000 + at * 1_000 + at / 3 * 100_000;
        commands.printed(now, piece.as_bytes());
    }
    commands.printed(2_000_000, b"1\r\n");
    commands.printed(2_000_100, b"1\r\n> ");
    assert_eq!(texts(&commands.finish()), ["x.y", "1"]);
}

#[test]
fn a_line_that_is_left_some_time_after_it_was_entered_is_one() {
    let prompt = "\r\x1b[J% \x1b[K\x1b[?2004h";
    let mut commands = Commands::new();
    let mut now = 0;
    for _ in 0..3 {
        let pieces = [(prompt, 5_000), ("echo one", 90_000), (OFF, 90_000), ("\r\r\n", 5_000), ("one\r\n", 500)];
        for (piece, pause) in pieces {
            now += pause;
            commands.printed(now, piece.as_bytes());
        }
    }
    assert_eq!(texts(&commands.finish()), ["echo one"; 3]);
}

/// Without a line editor, a line's end at the edge is its end, whatever a program shows then.
#[test]
fn a_line_that_ends_at_the_edge() {
    let steps =
        [Out("$ "), Out("wait 678901234567"), Out("\r\n"), Out("\r1 %"), Out("\r2 %"), Out("\r\n$ "), Out("id\r\n$ ")];
    assert_eq!(entered(&steps), ["wait 678901234567", "id"]);
}

/// BusyBox' `clear` leaves the next prompt where the one before stood.
#[test]
fn a_prompt_in_the_row_of_the_line_before() {
    let steps = [Out("# "), Key("clear\r"), Out("clear\r\n"), Out("\x1b[H\x1b[J# "), Key("id\r"), Out("id\r\n0\r\n# ")];
    assert_eq!(entered(&steps), ["clear", "id"]);
    assert_eq!(without_keys(&steps), ["clear", "id"]);
}

/// The terminal shows keys that come before BusyBox waits, and BusyBox shows them again.
#[test]
fn keys_before_their_prompt() {
    let steps = [
        Out("# "),
        Key("id\r"),
        Out("id\r\n0\r\n# "),
        Key("id\r"),
        Out("id\r\n"),
        Key("c"),
        Out("c"),
        Key("d"),
        Out("d"),
        Out("# cd"),
        Key(" /\r"),
        Out(" /\r\n# "),
    ];
    assert_eq!(entered(&steps), ["id", "id", "cd /"]);
    assert_eq!(without_keys(&steps), ["id", "id", "cd /"]);
}

//! Lines that reach the terminal's edge.

use super::{
    steps::{
        SessionStep::{Key, Out},
        entered, without_keys,
    },
    *,
};

/// fish stays in the row that it moved to when the one above was full.
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

/// BusyBox prints CR LF itself when a row is full, and nothing for Enter in an empty row.
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

/// redis-cli's editor moves to the next row with LF CR when one is full, and draws the line again.
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

/// BusyBox is not aware of the output before its prompt either, unless the terminal reports the cursor's position.
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

/// readline is not aware of it, and takes its row to be full six columns later.
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

/// Without a line editor, a line that ends at the edge is complete, whatever a program prints then.
#[test]
fn a_line_that_ends_at_the_edge() {
    let steps =
        [Out("$ "), Out("wait 678901234567"), Out("\r\n"), Out("\r1 %"), Out("\r2 %"), Out("\r\n$ "), Out("id\r\n$ ")];
    assert_eq!(entered(&steps), ["wait 678901234567", "id"]);
}

/// Without a line editor the terminal erases a line itself, as if its rows were one.
#[test]
fn a_line_of_two_rows_is_erased_by_the_terminal() {
    let erased = "\x08 \x08".repeat(25);
    let steps = [
        Out("$ "),
        Key("not 5678901234567890 2345"),
        Out("not 5678901234567890 2345"),
        Key("\x15"),
        Out(&erased),
        Key("id\r"),
        Out("id\r\n0\r\n$ "),
    ];
    assert_eq!(entered(&steps), ["id"]);
    assert_eq!(without_keys(&steps), ["id"]);
}

/// mariadb's editor inserts into a row that gets full by that, and prints the next row by itself.
#[test]
fn a_line_that_grows_from_its_beginning() {
    let steps = [
        Out("> "),
        Key("\x1b[A"),
        Out("select 901234567;"),
        Key("\x01"),
        Out("\r\x1b[3G"),
        Key("x"),
        Out("\x1b[1@x"),
        Key("y"),
        Out("\r\x1b[4G\x1b[1@y\r\n;\x1b[A\x1b[5G"),
        Key("\r"),
        Out("\r\n\r\nerror\r\n> "),
    ];
    assert_eq!(entered(&steps), ["xyselect 901234567;"]);
}

#[test]
fn busybox_breaks_a_line_behind_a_blank() {
    let steps = [
        Out("# "),
        Key("echo 901234567890 234"),
        Out("echo 901234567890 \r\r\n2"),
        Out("34"),
        Key("\r"),
        Out("\r\n901234567890 234\r\n# "),
    ];
    assert_eq!(entered(&steps), ["echo 901234567890 234"]);
    assert_eq!(without_keys(&steps), ["echo 901234567890 234"]);
}

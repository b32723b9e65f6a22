//! Keys that come before their prompt, or before the answer to earlier ones.

use super::{
    steps::{
        SessionStep::{Key, Out},
        entered, without_keys,
    },
    *,
};

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

/// The terminal echoes keys that come before BusyBox waits, and BusyBox prints them again.
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

#[test]
fn a_right_prompt_of_a_line_that_came_at_once() {
    let prompt = format!("{ON}> \r\x1b[12C07:14:00\r\x1b[2C");
    let line = |text: &str, second: u8| format!("{text}\r\x1b[12C07:14:0{second}\r\x1b[5C");
    let left = format!("\r\n{OFF}\r");
    let (first, second, third) = (line("one", 0), line("two", 1), prompt.clone() + &line("six", 2) + &left);
    let steps = [Out(&prompt), Out(&first), Out(&left), Out(&prompt), Out(&second), Out(&left), Out(&third)];
    assert_eq!(entered(&steps), ["one", "two", "six"]);
}

#[test]
fn a_line_typed_before_its_prompt_came_beside_output() {
    let steps = [
        Out("web:/# "),
        Key("id\r"),
        Out("id\r\n0\r\nweb:/# "),
        Key("printf a\rpwd\r"),
        Out("printf a\r\naweb:/# pwd\r\n/\r\nweb:/# "),
    ];
    assert_eq!(entered(&steps), ["id", "printf a", "pwd"]);
}

/// A shell without a line editor has read the second line before its prompt comes.
#[test]
fn two_prompts_in_a_row() {
    let steps = [
        Out("web:/# "),
        Key("id\r"),
        Out("id\r\n0\r\nweb:/# "),
        Key("true\r:\r"),
        Out("true\r\n:\r\n"),
        Out("web:/# web:/# "),
        Key("\r"),
        Out("\r\nweb:/# "),
        Key("pwd\r"),
        Out("pwd\r\n/\r\nweb:/# "),
    ];
    assert_eq!(entered(&steps), ["id", "true", "pwd"]);
}

#[test]
fn a_line_of_two_rows_typed_before_its_prompt_came() {
    let steps = [
        Out("# "),
        Key("id\r"),
        Out("id\r\n0\r\n# "),
        Key("true\recho 90123456789012345\r"),
        Out("true\r\n# echo 9012345678901\r\r\n2345\r\n90123456789012345\r\n# "),
    ];
    assert_eq!(entered(&steps), ["id", "true", "echo 90123456789012345"]);
}

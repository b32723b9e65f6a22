//! Sessions of keys and output.

use super::*;

/// A key that is typed, or a piece of output that is printed.
pub(super) enum SessionStep<'a> {
    Key(&'a str),
    Out(&'a str),
}

use SessionStep::{Key, Out};

/// The commands of steps a second apart, on a terminal of 20 columns.
pub(super) fn entered(steps: &[SessionStep<'_>]) -> Vec<String> {
    let mut commands = Commands::new();
    commands.resized(Micros::ZERO, 20, 10);
    for (second, step) in (1..).zip(steps) {
        match step {
            Key(text) => commands.typed(Micros::from_secs(second), text.as_bytes()),
            Out(text) => commands.printed(Micros::from_secs(second), text.as_bytes()),
        }
    }
    commands.finish().into_iter().map(|command| command.text).collect()
}

/// As [`entered`], without the keys.
pub(super) fn without_keys(steps: &[SessionStep<'_>]) -> Vec<String> {
    let out: Vec<SessionStep<'_>> =
        steps.iter().filter_map(|step| if let Out(text) = step { Some(Out(text)) } else { None }).collect();
    entered(&out)
}

//! An argv as one line of text.

use recording::{
    Command, CommandSource,
    cast::{SessionKind, SessionMetadata},
};

/// What an exec request asked to run, as a command at time 0; `None` if it is no exec, or ran nothing.
pub(crate) fn argv_command(session: &SessionMetadata) -> Option<Command> {
    let exec = session.kind == SessionKind::Exec && !session.argv.is_empty();
    exec.then(|| Command { micros: 0, source: CommandSource::Argv, text: quoted(&session.argv), typed: None })
}

/// The line that a POSIX shell splits into these elements.
pub(crate) fn quoted(argv: &[String]) -> String {
    argv.iter().map(|element| quote(element)).collect::<Vec<_>>().join(" ")
}

fn quote(element: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !element.is_empty() && element.bytes().all(plain) {
        return element.to_owned();
    }
    format!("'{}'", element.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argv_is_quoted_only_where_a_shell_needs_it() {
        let argv = ["sh", "-c", "echo \"it's\"", "", "a\nb", "x=1"].map(str::to_owned);
        assert_eq!(quoted(&argv), "sh -c 'echo \"it'\\''s\"' '' 'a\nb' x=1");
    }
}

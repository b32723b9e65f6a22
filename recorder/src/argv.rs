//! An argv as one line of text.

use recording::{
    Command, CommandSource, Micros,
    cast::{SessionKind, SessionMetadata},
    shell_quoted,
};

/// What an exec request asked to run, as a command at time 0; `None` if it is no exec, or ran nothing.
pub(crate) fn argv_command(session: &SessionMetadata) -> Option<Command> {
    let exec = session.kind == SessionKind::Exec && !session.argv.is_empty();
    exec.then(|| Command {
        time: Micros::ZERO,
        source: CommandSource::Argv,
        text: shell_quoted(&session.argv),
        typed: None,
    })
}

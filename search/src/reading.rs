//! Documents of a recording.

use storage::{
    CommandSource, Manifest,
    cast::{Code, Event, Session},
};

use crate::{
    SessionRow,
    document::{Command, Stored},
    quote::quoted,
};

/// Commands of one session that are indexed; a session with more is found by its first ones.
const MOST_COMMANDS: usize = 50_000;

/// Bytes of a command that are searched and shown: a page of hits must fit in memory whatever was typed.
const LONGEST_COMMAND: usize = 16 * 1024;

/// The documents of a session that is over.
pub(crate) fn finished(manifest: &Manifest) -> Vec<Stored> {
    let session = &manifest.session;
    let mut documents = vec![Stored::session(&SessionRow::new(session, Some(manifest)))];
    let said = manifest.commands.iter().any(|command| command.source == CommandSource::Argv);
    if !said {
        documents.extend(argv(session));
    }
    for found in manifest.commands.iter().take(MOST_COMMANDS) {
        documents.push(Stored::Command(command(session, found.micros, found.source, &found.text)));
    }
    documents
}

/// The documents of a session that began: itself and its argv.
pub(crate) fn begun(session: &Session) -> Vec<Stored> {
    let mut documents = vec![Stored::session(&SessionRow::new(session, None))];
    documents.extend(argv(session));
    documents
}

/// The commands that were typed in a chunk. Lines that are damaged are passed over: the manifest has them.
pub(crate) fn typed(session: &Session, lines: &[u8]) -> Vec<Stored> {
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', lines).map(|end| end + 1));
    let markers = starts.map(|start| &lines[start..]).filter(|rest| may_be_marker(rest));
    let whole = markers.map(|rest| &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]);
    let events = whole.filter_map(|line| Event::parse(line).ok()).filter(|event| event.code == Code::Marker);
    let commands = events.map(|event| command(session, event.micros, CommandSource::Typed, &event.data));
    commands.take(MOST_COMMANDS).map(Stored::Command).collect()
}

/// Whether the line that begins here can be a marker, found without parsing a flood of output: `[12.345678, "m", …`.
fn may_be_marker(rest: &[u8]) -> bool {
    let head = &rest[..rest.len().min(40)];
    let Some(comma) = head.iter().position(|&byte| byte == b',') else { return false };
    head[comma + 1..].trim_ascii_start().starts_with(b"\"m\"")
}

fn argv(session: &Session) -> Option<Stored> {
    let text = quoted(&session.argv);
    (!text.is_empty()).then(|| Stored::Command(command(session, 0, CommandSource::Argv, &text)))
}

fn command(session: &Session, offset: u64, source: CommandSource, text: &str) -> Command {
    let target = &session.target;
    let micros =
        i64::try_from(offset).map_or(session.started_micros, |offset| session.started_micros.saturating_add(offset));
    Command {
        session: session.id,
        offset,
        micros,
        user: session.principal.name.clone(),
        cluster: target.cluster.clone(),
        namespace: target.namespace.clone(),
        pod: target.name.clone(),
        container: target.container.clone(),
        source,
        text: clipped(text),
    }
}

/// The text, cut to [`LONGEST_COMMAND`]; a cut one ends in `…`. The recording has all of it.
fn clipped(text: &str) -> String {
    if text.len() <= LONGEST_COMMAND {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST_COMMAND)])
}

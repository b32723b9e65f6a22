//! Documents of a recording.

use recording::{
    CommandSource, Manifest,
    cast::{Code, Event, SessionMetadata},
};

use crate::{
    SessionRow,
    documents::mask::Masks,
    documents::origin::Origin,
    documents::{Command, Stored},
    quote::quoted,
};

/// Commands of one session that are indexed; a session with more is found by its first ones.
const MOST_COMMANDS: usize = 50_000;

/// Bytes of a command that are searched and shown: a page of hits must fit in memory whatever was typed.
const LONGEST_COMMAND: usize = 16 * 1024;

/// What the header says of a session, and the manifest where there is one, without secrets.
pub(crate) fn row(session: &SessionMetadata, manifest: Option<&Manifest>, masks: &Masks) -> SessionRow {
    let mut row = SessionRow::new(session, manifest);
    if let Some(message) = row.message_mut() {
        *message = masks.masked_message(message, &session.argv);
    }
    row.argv = masks.masked_argv(&session.argv);
    row.command = quoted(&row.argv);
    row
}

/// The documents of a session that is over, without its output.
pub(crate) fn finished(manifest: &Manifest, masks: &Masks) -> Vec<Stored> {
    let row = row(&manifest.session, Some(manifest), masks);
    let of = Origin::of(&row);
    let said = manifest.commands.iter().any(|command| command.source == CommandSource::Argv);
    let argv = if said { None } else { argv(&row) };
    let mut documents = vec![Stored::session(&row)];
    documents.extend(argv);
    for found in manifest.commands.iter().take(MOST_COMMANDS) {
        documents.push(command(&of, found.micros, found.source, &masks.masked(&found.text)));
    }
    documents
}

/// The documents of a session that began: itself and its argv.
pub(crate) fn begun(session: &SessionMetadata, masks: &Masks) -> Vec<Stored> {
    let row = row(session, None, masks);
    let argv = argv(&row);
    let mut documents = vec![Stored::session(&row)];
    documents.extend(argv);
    documents
}

/// The commands that were typed in a chunk. Lines that are damaged are passed over: the manifest has them.
pub(crate) fn typed(of: &Origin, lines: &[u8], masks: &Masks) -> Vec<Stored> {
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', lines).map(|end| end + 1));
    let markers = starts.map(|start| &lines[start..]).filter(|rest| may_be_marker(rest));
    let whole = markers.map(|rest| &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]);
    let events = whole.filter_map(|line| Event::parse(line).ok()).filter(|event| event.code == Code::Marker);
    let commands = events.map(|event| command(of, event.micros, CommandSource::Typed, &masks.masked(&event.data)));
    commands.take(MOST_COMMANDS).collect()
}

/// Whether the line that begins here can be a marker, found without parsing a flood of output: `[12.345678, "m", …`.
fn may_be_marker(rest: &[u8]) -> bool {
    let head = &rest[..rest.len().min(40)];
    let Some(comma) = head.iter().position(|&byte| byte == b',') else { return false };
    head[comma + 1..].trim_ascii_start().starts_with(b"\"m\"")
}

/// The command that the session was asked to run; the row's is without secrets.
fn argv(row: &SessionRow) -> Option<Stored> {
    (!row.command.is_empty()).then(|| command(&Origin::of(row), 0, CommandSource::Argv, &row.command))
}

fn command(of: &Origin, offset: u64, source: CommandSource, text: &str) -> Stored {
    Stored::Command(Command { of: of.clone(), offset, source, text: clipped(text) })
}

/// The text, cut to [`LONGEST_COMMAND`]; a cut one ends in `…`. The recording has all of it.
fn clipped(text: &str) -> String {
    if text.len() <= LONGEST_COMMAND {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST_COMMAND)])
}

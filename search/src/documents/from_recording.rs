//! The documents of a recording: its session and its commands. [`super::output`] makes those of its output.

use recording::{
    CommandSource, Manifest, Micros,
    cast::{Code, Event, SessionMetadata},
    shell_quoted,
};

use super::{
    CommandDocument, Document,
    mask::Masks,
    session::{SessionContext, SessionRow},
};

/// Most commands of one session that are indexed: the first ones.
const MAX_COMMANDS: usize = 50_000;

/// Longest text of a command, in bytes: a page of hits must fit in memory whatever was typed.
const MAX_COMMAND_BYTES: usize = 16 * 1024;

/// The session's row from its header, and its manifest if it has one, with secrets masked.
pub(crate) fn session_row(session: &SessionMetadata, manifest: Option<&Manifest>, masks: &Masks) -> SessionRow {
    let mut row = SessionRow::new(session, manifest);
    if let Some(message) = row.message_mut() {
        *message = masks.masked_message(message, &session.argv);
    }
    row.argv = masks.masked_argv(&session.argv);
    row.command = shell_quoted(&row.argv);
    row
}

/// The documents of a session that is over, without its output.
pub(crate) fn finished_session(manifest: &Manifest, masks: &Masks) -> Vec<Document> {
    let row = session_row(&manifest.session, Some(manifest), masks);
    let context = SessionContext::of(&row);
    let has_argv = manifest.commands.iter().any(|command| command.source == CommandSource::Argv);
    let argv = if has_argv { None } else { argv(&row) };
    let mut documents = vec![Document::session(&row)];
    documents.extend(argv);
    for of in manifest.commands.iter().take(MAX_COMMANDS) {
        documents.push(command(&context, of.time, of.source, &masks.masked(&of.text)));
    }
    documents
}

/// The documents of a session of which the header is known: itself and its argv.
pub(crate) fn started_session(session: &SessionMetadata, masks: &Masks) -> Vec<Document> {
    let row = session_row(session, None, masks);
    let argv = argv(&row);
    let mut documents = vec![Document::session(&row)];
    documents.extend(argv);
    documents
}

/// The commands that were typed, from the markers in a chunk's lines. Damaged lines are skipped: the manifest has their
/// commands.
pub(crate) fn typed_commands(session: &SessionContext, lines: &[u8], masks: &Masks) -> Vec<Document> {
    let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', lines).map(|end| end + 1));
    let markers = starts.map(|start| &lines[start..]).filter(|rest| may_be_marker(rest));
    let whole = markers.map(|rest| &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]);
    let events = whole.filter_map(|line| Event::parse(line).ok()).filter(|event| event.code == Code::Marker);
    let commands = events.map(|event| command(session, event.time, CommandSource::Typed, &masks.masked(&event.data)));
    commands.take(MAX_COMMANDS).collect()
}

/// Whether the line that begins here may be a marker, `[12.345678, "m", …`: most output is skipped without being parsed.
fn may_be_marker(rest: &[u8]) -> bool {
    let head = &rest[..rest.len().min(40)];
    let Some(comma) = head.iter().position(|&byte| byte == b',') else { return false };
    head[comma + 1..].trim_ascii_start().starts_with(b"\"m\"")
}

/// The command that the client asked to run; `None` if it named none. The row's is masked.
fn argv(row: &SessionRow) -> Option<Document> {
    (!row.command.is_empty())
        .then(|| command(&SessionContext::of(row), Micros::ZERO, CommandSource::Argv, &row.command))
}

fn command(session: &SessionContext, offset: Micros, source: CommandSource, text: &str) -> Document {
    Document::Command(CommandDocument { session: session.clone(), offset, source, text: clipped(text) })
}

/// The text, cut to [`MAX_COMMAND_BYTES`] with `…` at the end. The recording has all of it.
fn clipped(text: &str) -> String {
    if text.len() <= MAX_COMMAND_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_COMMAND_BYTES)])
}

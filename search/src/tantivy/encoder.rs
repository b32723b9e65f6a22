//! Documents as Tantivy's documents, and back.

use std::hash::{DefaultHasher, Hash, Hasher};

use recording::RecordingId;
use tantivy::{
    TantivyDocument, Term,
    schema::{Field, Value},
};

use super::schema::Fields;
use crate::{
    Result, SearchError,
    documents::{
        Document, DocumentGroup,
        request_line::RequestLine,
        session::{SessionContext, SessionRow, session_kind_name},
        source_name,
    },
};

/// Most bytes of a text that are searched; the recording has the rest. A passage of one long line has 256 KiB.
const MAX_TEXT_BYTES: usize = 320 << 10;

/// The term that all documents of a group have.
pub(super) fn group_term(fields: &Fields, group: &DocumentGroup) -> Term {
    Term::from_field_text(fields.key, &group.to_string())
}

/// Reads back what [`encode`] made.
///
/// # Errors
/// [`SearchError::Document`].
pub(super) fn decode(fields: &Fields, document: &TantivyDocument) -> Result<Document> {
    let json = document.get_first(fields.stored).and_then(|value| value.as_str()).unwrap_or_default();
    serde_json::from_str(json).map_err(SearchError::Document)
}

/// The document with all fields of the schema that it has a value for.
///
/// # Errors
/// [`SearchError::Document`].
pub(super) fn encode(fields: &Fields, document: &Document) -> Result<TantivyDocument> {
    let mut encoder = Encoder { fields, document: TantivyDocument::new() };
    encoder.common(document);
    match document {
        Document::Session { row } => encoder.session(&SessionRow::from(row.clone())),
        Document::Command(command) => encoder.context(&command.session),
        Document::Output(passage) => encoder.context(&passage.session),
        Document::Run(run) => encoder.requests(&run.user, &run.cluster, &run.lines, run.session),
        Document::Request(request) => {
            let lines = std::slice::from_ref(&request.line);
            encoder.requests(&request.user, &request.cluster, lines, request.session);
        }
    }
    encoder.text(&document.searched_text());
    encoder.document.add_text(fields.stored, serde_json::to_string(document).map_err(SearchError::Document)?);
    Ok(encoder.document)
}

struct Encoder<'a> {
    fields: &'a Fields,
    document: TantivyDocument,
}

impl Encoder<'_> {
    fn add(&mut self, field: Field, value: &str) {
        if !value.is_empty() {
            self.document.add_text(field, value);
        }
    }

    fn text(&mut self, text: &str) {
        self.add(self.fields.text, &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]);
    }

    fn common(&mut self, document: &Document) {
        let key = document.group().to_string();
        let mut hasher = DefaultHasher::new();
        (&key, document.number_in_group()).hash(&mut hasher);
        self.document.add_u64(self.fields.tie_breaker, hasher.finish());
        self.add(self.fields.key, &key);
        self.add(self.fields.kind, document.kind().name());
        self.document.add_i64(self.fields.at, document.at().get());
        if let Some(source) = document.source() {
            self.add(self.fields.source, source_name(source));
        }
    }

    fn session(&mut self, row: &SessionRow) {
        self.context(&SessionContext::of(row));
        let (high, low) = row.id.0.as_u64_pair();
        self.document.add_u64(self.fields.high, high);
        self.document.add_u64(self.fields.low, low);
    }

    fn context(&mut self, session: &SessionContext) {
        let fields = self.fields;
        self.add(fields.user, &session.user);
        self.add(fields.cluster, &session.cluster);
        self.add(fields.namespace, &session.namespace);
        self.add(fields.pod, &session.pod);
        self.add(fields.container, &session.container);
        self.add(fields.image, &session.image);
        self.add(fields.session, &session.id.to_string());
        self.add(fields.session_kind, session_kind_name(session.kind));
        self.add(fields.outcome, &session.outcome);
        self.document.add_bool(fields.tty, session.tty);
        if let Some(code) = session.exit_code {
            self.document.add_i64(fields.exit_code, code);
        }
    }

    fn requests(&mut self, user: &str, cluster: &str, lines: &[RequestLine], session: Option<RecordingId>) {
        self.add(self.fields.user, user);
        self.add(self.fields.cluster, cluster);
        lines.iter().for_each(|line| self.request_line(line));
        if let Some(session) = session {
            self.add(self.fields.session, &session.to_string());
        }
    }

    fn request_line(&mut self, line: &RequestLine) {
        let fields = self.fields;
        self.add(fields.namespace, &line.namespace);
        if line.resource == "pods" {
            self.add(fields.pod, &line.name);
        }
        self.add(fields.container, &line.container);
        self.add(fields.verb, &line.verb);
        self.add(fields.resource, &line.resource);
        self.document.add_i64(fields.code, line.code.into());
    }
}

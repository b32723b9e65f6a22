//! The fields of a document.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};

use crate::{
    query::TextField,
    token::{Cutter, NAME},
};

/// Version of schema and documents. An index of another version is made anew.
pub(crate) const VERSION: u32 = 4;

/// Handles of the fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// What documents are replaced by: a session's own, its output, a run's, or one request's.
    pub(crate) key: Field,
    pub(crate) kind: Field,
    pub(crate) session_kind: Field,
    pub(crate) session: Field,
    pub(crate) user: Field,
    pub(crate) cluster: Field,
    pub(crate) namespace: Field,
    pub(crate) pod: Field,
    pub(crate) container: Field,
    pub(crate) image: Field,
    pub(crate) outcome: Field,
    pub(crate) exit_code: Field,
    pub(crate) tty: Field,
    pub(crate) source: Field,
    pub(crate) verb: Field,
    pub(crate) resource: Field,
    /// HTTP status.
    pub(crate) code: Field,
    /// When, microseconds since 1970.
    pub(crate) at: Field,
    /// Tells documents of one moment apart, in an order that stays.
    pub(crate) tie: Field,
    /// The two halves of a session's id, which lists are sorted by.
    pub(crate) high: Field,
    pub(crate) low: Field,
    pub(crate) text: Field,
    /// The document as JSON: all that is read back.
    pub(crate) stored: Field,
}

impl Fields {
    pub(crate) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let number = NumericOptions::default() | INDEXED | FAST;
        let counted = STRING | FAST;
        let fields = Self {
            key: schema.add_text_field("key", STRING),
            kind: schema.add_text_field("kind", counted.clone()),
            session_kind: schema.add_text_field("session_kind", STRING),
            session: schema.add_text_field("session", STRING),
            user: schema.add_text_field("user", counted.clone()),
            cluster: schema.add_text_field("cluster", counted.clone()),
            namespace: schema.add_text_field("namespace", counted),
            pod: schema.add_text_field("pod", STRING),
            container: schema.add_text_field("container", STRING),
            image: schema.add_text_field("image", STRING),
            outcome: schema.add_text_field("outcome", STRING),
            exit_code: schema.add_i64_field("exit_code", number.clone()),
            tty: schema.add_bool_field("tty", INDEXED),
            source: schema.add_text_field("source", STRING),
            verb: schema.add_text_field("verb", STRING),
            resource: schema.add_text_field("resource", STRING),
            code: schema.add_i64_field("code", number.clone()),
            at: schema.add_i64_field("at", FAST),
            tie: schema.add_u64_field("tie", FAST),
            high: schema.add_u64_field("high", number.clone()),
            low: schema.add_u64_field("low", number),
            text: schema.add_text_field("text", text()),
            stored: schema.add_text_field("stored", STORED),
        };
        (schema.build(), fields)
    }

    pub(crate) fn of(&self, field: TextField) -> Field {
        match field {
            TextField::User => self.user,
            TextField::Cluster => self.cluster,
            TextField::Namespace => self.namespace,
            TextField::Pod => self.pod,
            TextField::Container => self.container,
            TextField::Image => self.image,
            TextField::Session => self.session,
            TextField::Verb => self.verb,
            TextField::Resource => self.resource,
        }
    }
}

fn text() -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(NAME)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    TextOptions::default().set_indexing_options(indexing)
}

/// Makes the tokenizer known to an index.
pub(crate) fn register(index: &tantivy::Index) {
    index.tokenizers().register(NAME, Cutter);
}

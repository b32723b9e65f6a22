//! The fields of a document.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};

use crate::token::{Cut, Cutter};

/// Version of schema and documents. An index of another version is made anew.
pub(crate) const VERSION: u32 = 2;

/// Handles of the fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// What documents are replaced by: all of a session's, or one run's, or one request's.
    pub(crate) key: Field,
    pub(crate) kind: Field,
    pub(crate) session_kind: Field,
    pub(crate) session: Field,
    pub(crate) user: Field,
    pub(crate) cluster: Field,
    pub(crate) namespace: Field,
    pub(crate) pod: Field,
    pub(crate) container: Field,
    pub(crate) outcome: Field,
    pub(crate) exit_code: Field,
    pub(crate) tty: Field,
    pub(crate) source: Field,
    /// When, microseconds since 1970.
    pub(crate) at: Field,
    /// The two halves of a session's id, which lists are sorted by.
    pub(crate) high: Field,
    pub(crate) low: Field,
    pub(crate) words: Field,
    pub(crate) tokens: Field,
    /// The document as JSON: all that is read back.
    pub(crate) stored: Field,
}

impl Fields {
    pub(crate) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let number = NumericOptions::default() | INDEXED | FAST;
        let fields = Self {
            key: schema.add_text_field("key", STRING),
            kind: schema.add_text_field("kind", STRING),
            session_kind: schema.add_text_field("session_kind", STRING),
            session: schema.add_text_field("session", STRING),
            user: schema.add_text_field("user", STRING),
            cluster: schema.add_text_field("cluster", STRING),
            namespace: schema.add_text_field("namespace", STRING),
            pod: schema.add_text_field("pod", STRING),
            container: schema.add_text_field("container", STRING),
            outcome: schema.add_text_field("outcome", STRING),
            exit_code: schema.add_i64_field("exit_code", INDEXED),
            tty: schema.add_bool_field("tty", INDEXED),
            source: schema.add_text_field("source", STRING),
            at: schema.add_i64_field("at", number.clone()),
            high: schema.add_u64_field("high", number.clone()),
            low: schema.add_u64_field("low", number),
            words: schema.add_text_field("words", text(Cut::Words)),
            tokens: schema.add_text_field("tokens", text(Cut::Tokens)),
            stored: schema.add_text_field("stored", STORED),
        };
        (schema.build(), fields)
    }

    /// The field that a text is cut into in this way.
    pub(crate) fn cut(&self, cut: Cut) -> Field {
        match cut {
            Cut::Words => self.words,
            Cut::Tokens => self.tokens,
        }
    }
}

fn text(cut: Cut) -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(cut.name())
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    TextOptions::default().set_indexing_options(indexing)
}

/// Makes the tokenizers known to an index.
pub(crate) fn register(index: &tantivy::Index) {
    for cut in [Cut::Words, Cut::Tokens] {
        index.tokenizers().register(cut.name(), Cutter(cut));
    }
}

//! The schema: the fields of a document in Tantivy.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing,
    TextOptions,
};

use super::tokenizer;
use crate::{Result, query::expression::TextField};

/// Version of schema and documents. An index of another version is rebuilt.
///
/// 5: documents have the image, and hits are counted by it and by pod. 6: every part of a long token is a token; messages
/// and `Kubectl-Command` are masked; words over the cut of a long line are found.
pub(super) const VERSION: u32 = 6;

/// The oldest version whose index is searched, and written to, until it is rebuilt: it has the same fields in the same
/// order, as an open index keeps its handles, and documents that this version can read.
pub(super) const OLDEST_READABLE: u32 = 4;

/// Handles of the fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    /// The document's group: see [`crate::documents::DocumentGroup`].
    pub(super) key: Field,
    pub(super) kind: Field,
    pub(super) session_kind: Field,
    pub(super) session: Field,
    pub(super) user: Field,
    pub(super) cluster: Field,
    pub(super) namespace: Field,
    pub(super) pod: Field,
    pub(super) container: Field,
    pub(super) image: Field,
    pub(super) outcome: Field,
    pub(super) exit_code: Field,
    pub(super) tty: Field,
    pub(super) source: Field,
    pub(super) verb: Field,
    pub(super) resource: Field,
    /// HTTP status.
    pub(super) code: Field,
    /// When it happened, in microseconds since 1970.
    pub(super) at: Field,
    /// Sorts documents of one microsecond.
    pub(super) tie_breaker: Field,
    /// The halves of a session's id, by which lists are sorted; only sessions have them.
    pub(super) high: Field,
    pub(super) low: Field,
    pub(super) text: Field,
    /// The document in JSON: all that is read back.
    pub(super) stored: Field,
}

/// How a field is indexed.
#[derive(Clone, Copy)]
enum Indexing {
    /// One term: matches equal values.
    Keyword,
    /// [`Self::Keyword`] with a column, by whose values hits are counted.
    FacetKeyword,
    Flag,
    /// Filtered by range, and sorted by.
    Number(Sign),
    /// Only sorted by.
    SortKey(Sign),
    Text,
    Stored,
}

#[derive(Clone, Copy)]
enum Sign {
    Signed,
    Unsigned,
}

impl Fields {
    /// The schema of a new index.
    pub(super) fn schema() -> Result<(Schema, Self)> {
        let mut schema = Schema::builder();
        let fields = Self::each(|name, how| Ok(add(&mut schema, name, how)))?;
        Ok((schema.build(), fields))
    }

    /// The fields of an existing index.
    ///
    /// # Errors
    /// The index lacks one.
    pub(super) fn of_schema(schema: &Schema) -> Result<Self> {
        Self::each(|name, _| Ok(schema.get_field(name)?))
    }

    fn each(mut field: impl FnMut(&'static str, Indexing) -> Result<Field>) -> Result<Self> {
        use Indexing::{FacetKeyword, Flag, Keyword, Number, SortKey, Stored, Text};
        use Sign::{Signed, Unsigned};
        Ok(Self {
            key: field("key", Keyword)?,
            kind: field("kind", FacetKeyword)?,
            session_kind: field("session_kind", Keyword)?,
            session: field("session", Keyword)?,
            user: field("user", FacetKeyword)?,
            cluster: field("cluster", FacetKeyword)?,
            namespace: field("namespace", FacetKeyword)?,
            pod: field("pod", FacetKeyword)?,
            container: field("container", Keyword)?,
            image: field("image", FacetKeyword)?,
            outcome: field("outcome", Keyword)?,
            exit_code: field("exit_code", Number(Signed))?,
            tty: field("tty", Flag)?,
            source: field("source", Keyword)?,
            verb: field("verb", Keyword)?,
            resource: field("resource", Keyword)?,
            code: field("code", Number(Signed))?,
            at: field("at", SortKey(Signed))?,
            tie_breaker: field("tie", SortKey(Unsigned))?,
            high: field("high", Number(Unsigned))?,
            low: field("low", Number(Unsigned))?,
            text: field("text", Text)?,
            stored: field("stored", Stored)?,
        })
    }

    pub(super) fn of(&self, field: TextField) -> Field {
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

fn add(schema: &mut SchemaBuilder, name: &str, how: Indexing) -> Field {
    let (sign, options) = match how {
        Indexing::Keyword => return schema.add_text_field(name, STRING),
        Indexing::FacetKeyword => return schema.add_text_field(name, STRING | FAST),
        Indexing::Text => return schema.add_text_field(name, text()),
        Indexing::Stored => return schema.add_text_field(name, STORED),
        Indexing::Flag => return schema.add_bool_field(name, INDEXED),
        Indexing::Number(sign) => (sign, NumericOptions::default() | INDEXED | FAST),
        Indexing::SortKey(sign) => (sign, FAST.into()),
    };
    match sign {
        Sign::Signed => schema.add_i64_field(name, options),
        Sign::Unsigned => schema.add_u64_field(name, options),
    }
}

fn text() -> TextOptions {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(tokenizer::NAME)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions);
    TextOptions::default().set_indexing_options(indexing)
}

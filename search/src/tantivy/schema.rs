//! The fields of a document.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing,
    TextOptions,
};

use crate::{
    Result,
    analyzer::{Cutter, NAME},
    query::TextField,
};

/// Version of schema and documents. An index of another version is made anew.
///
/// 5: documents have the image, and are counted by it and by pod. 6: every part of a long token is found; messages and what
/// kubectl says it is are without secrets; words over the cut of a long line are found.
pub(crate) const VERSION: u32 = 6;

/// The oldest version whose index can be searched, and added to, until one of this version is made: it has the same
/// fields in the same order (an open index goes on with its handles), and documents that can be read.
pub(crate) const READABLE: u32 = 4;

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

/// How a field is indexed.
#[derive(Clone, Copy)]
enum As {
    /// One term: what is equal is found.
    Name,
    /// The same, and counted by its values.
    CountedName,
    Flag,
    /// Found by range, and sorted by.
    Number(Sign),
    /// Sorted by only.
    Order(Sign),
    Text,
    Stored,
}

#[derive(Clone, Copy)]
enum Sign {
    Signed,
    Unsigned,
}

impl Fields {
    /// A new index's.
    pub(crate) fn schema() -> Result<(Schema, Self)> {
        let mut schema = Schema::builder();
        let fields = Self::each(|name, how| Ok(add(&mut schema, name, how)))?;
        Ok((schema.build(), fields))
    }

    /// Those of an index that exists.
    ///
    /// # Errors
    /// Where it lacks one.
    pub(crate) fn of_schema(schema: &Schema) -> Result<Self> {
        Self::each(|name, _| Ok(schema.get_field(name)?))
    }

    fn each(mut field: impl FnMut(&'static str, As) -> Result<Field>) -> Result<Self> {
        use As::{CountedName, Flag, Name, Number, Order, Stored, Text};
        use Sign::{Signed, Unsigned};
        Ok(Self {
            key: field("key", Name)?,
            kind: field("kind", CountedName)?,
            session_kind: field("session_kind", Name)?,
            session: field("session", Name)?,
            user: field("user", CountedName)?,
            cluster: field("cluster", CountedName)?,
            namespace: field("namespace", CountedName)?,
            pod: field("pod", CountedName)?,
            container: field("container", Name)?,
            image: field("image", CountedName)?,
            outcome: field("outcome", Name)?,
            exit_code: field("exit_code", Number(Signed))?,
            tty: field("tty", Flag)?,
            source: field("source", Name)?,
            verb: field("verb", Name)?,
            resource: field("resource", Name)?,
            code: field("code", Number(Signed))?,
            at: field("at", Order(Signed))?,
            tie: field("tie", Order(Unsigned))?,
            high: field("high", Number(Unsigned))?,
            low: field("low", Number(Unsigned))?,
            text: field("text", Text)?,
            stored: field("stored", Stored)?,
        })
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

fn add(schema: &mut SchemaBuilder, name: &str, how: As) -> Field {
    let (sign, options) = match how {
        As::Name => return schema.add_text_field(name, STRING),
        As::CountedName => return schema.add_text_field(name, STRING | FAST),
        As::Text => return schema.add_text_field(name, text()),
        As::Stored => return schema.add_text_field(name, STORED),
        As::Flag => return schema.add_bool_field(name, INDEXED),
        As::Number(sign) => (sign, NumericOptions::default() | INDEXED | FAST),
        As::Order(sign) => (sign, FAST.into()),
    };
    match sign {
        Sign::Signed => schema.add_i64_field(name, options),
        Sign::Unsigned => schema.add_u64_field(name, options),
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

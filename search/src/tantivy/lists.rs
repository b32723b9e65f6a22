//! Lists of sessions, and the values of their fields.

use std::collections::BTreeSet;

use tantivy::{
    Order,
    collector::{Count, TopDocs, sort_key::SortByStaticFastValue},
    schema::Field,
};

use super::{Index, plan};
use crate::{
    Result,
    documents::{
        Document,
        session::{SessionPage, SessionRow, Values},
    },
    query::{cursor::SessionCursor, filter::SessionFilter},
};

/// Most values of one field.
const MAX_VALUES: usize = 1000;

impl Index {
    /// A page of sessions, newest first.
    ///
    /// # Errors
    /// Tantivy's.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.noting_failure(self.list(filter))
    }

    fn list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        let (all, page, limit) = plan::sessions(&self.fields, filter);
        let searcher = self.searcher();
        let by_id = (
            (SortByStaticFastValue::<u64>::for_field("high"), Order::Desc),
            (SortByStaticFastValue::<u64>::for_field("low"), Order::Desc),
        );
        let newest = TopDocs::with_limit(limit + 1).order_by(by_id);
        let mut rows = Vec::with_capacity(limit.min(1000));
        for (_, address) in searcher.search(&*page, &newest)? {
            if let Document::Session { row } = self.read(&searcher, address)? {
                rows.push(SessionRow::from(row));
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| SessionCursor::after(row.id));
        Ok(SessionPage { rows, next, total: searcher.search(&*all, &Count)? })
    }

    /// The people, clusters and namespaces that occur, sorted, at most 1,000 of each. Some may occur in requests only.
    ///
    /// # Errors
    /// Tantivy's.
    pub fn values(&self) -> Result<Values> {
        let fields = &self.fields;
        Ok(Values {
            users: self.distinct(fields.user)?,
            clusters: self.distinct(fields.cluster)?,
            namespaces: self.distinct(fields.namespace)?,
        })
    }

    fn distinct(&self, field: Field) -> Result<Vec<String>> {
        let mut values = BTreeSet::new();
        for segment in self.searcher().segment_readers() {
            let index = segment.inverted_index(field)?;
            let mut terms = index.terms().stream().map_err(tantivy::TantivyError::from)?;
            let mut seen = 0;
            while seen < MAX_VALUES && terms.advance() {
                values.insert(String::from_utf8_lossy(terms.key()).into_owned());
                seen += 1;
            }
        }
        Ok(values.into_iter().take(MAX_VALUES).collect())
    }
}

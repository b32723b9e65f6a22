//! Lists of sessions.

use std::collections::BTreeSet;

use recording::RecordingId;
use tantivy::{
    Order,
    collector::{Count, TopDocs, sort_key::SortByStaticFastValue},
    schema::Field,
};

use super::Index;
use crate::{
    Cursor, Result, SessionFilter, SessionPage, SessionRow, Values, documents::Stored, tantivy::plan::sessions,
};

/// Values of one field that a form is given.
const MOST_VALUES: usize = 1000;

impl Index {
    /// A page of sessions, newest first.
    ///
    /// # Errors
    /// The index's.
    pub fn sessions(&self, filter: &SessionFilter) -> Result<SessionPage> {
        self.watched(self.list(filter))
    }

    fn list(&self, filter: &SessionFilter) -> Result<SessionPage> {
        let (all, page, limit) = sessions(&self.fields, filter);
        let searcher = self.searcher();
        let by_id = (
            (SortByStaticFastValue::<u64>::for_field("high"), Order::Desc),
            (SortByStaticFastValue::<u64>::for_field("low"), Order::Desc),
        );
        let newest = TopDocs::with_limit(limit + 1).order_by(by_id);
        let mut rows = Vec::with_capacity(limit.min(1000));
        for (_, address) in searcher.search(&*page, &newest)? {
            if let Stored::Session { row } = self.stored(&searcher, address)? {
                rows.push(SessionRow::from(row));
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| Cursor::after(row.id));
        Ok(SessionPage { rows, next, total: searcher.search(&*all, &Count)? })
    }

    /// Which people, clusters and namespaces there are, sorted, 1000 of each at most. Some may be of requests only.
    ///
    /// # Errors
    /// The index's.
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
            while seen < MOST_VALUES && terms.advance() {
                values.insert(String::from_utf8_lossy(terms.key()).into_owned());
                seen += 1;
            }
        }
        Ok(values.into_iter().take(MOST_VALUES).collect())
    }

    /// Whether the index has the session: [`None`] if not, else whether it is over.
    pub(crate) fn is_finished(&self, id: RecordingId) -> Result<Option<bool>> {
        Ok(self.session(id)?.map(|row| !row.is_live()))
    }
}

use super::{RecordingError, RecordingReader};
use recording::{Key, RecordingId};

/// Most objects that are asked of the store at once.
const PAGE: usize = 1000;

/// A recording's objects, as they are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Numbers of the chunks and their objects' sizes in bytes, in order.
    pub chunks: Vec<(u32, u64)>,
    /// Size of the manifest in bytes; `None` if there is no manifest.
    pub manifest: Option<u64>,
}

impl RecordingReader {
    /// The days that have recordings, newest first: `YYYY/MM/DD`.
    ///
    /// # Errors
    /// The store's.
    pub async fn days(&self) -> Result<Vec<String>, RecordingError> {
        let mut days = Vec::new();
        for year in self.newest("recordings/").await? {
            for month in self.newest(&format!("recordings/{year}/")).await? {
                for day in self.newest(&format!("recordings/{year}/{month}/")).await? {
                    days.push(format!("{year}/{month}/{day}"));
                }
            }
        }
        Ok(days)
    }

    /// The recordings that started on a day (`YYYY/MM/DD`), newest first. What is no day has none.
    ///
    /// # Errors
    /// The store's.
    pub async fn ids(&self, day: &str) -> Result<Vec<RecordingId>, RecordingError> {
        let names = self.store.children(&format!("recordings/{day}/")).await?;
        let mut ids: Vec<RecordingId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        // Under another day than its own an id is not found again.
        ids.retain(|id| id.day() == day);
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Up to `limit` recordings, newest first, older than `before`. Only the days that are needed are listed.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(&self, before: Option<RecordingId>, limit: usize) -> Result<Vec<RecordingId>, RecordingError> {
        let newest = before.map(RecordingId::day);
        let mut page = Vec::new();
        for day in self.days().await? {
            if page.len() >= limit {
                break;
            }
            if newest.as_ref().is_some_and(|newest| day > *newest) {
                continue;
            }
            let older = self.ids(&day).await?.into_iter().filter(|id| before.is_none_or(|before| *id < before));
            page.extend(older.take(limit - page.len()));
        }
        Ok(page)
    }

    /// The numbers of the chunks that are there, in order.
    ///
    /// # Errors
    /// The store's.
    pub async fn chunk_numbers(&self, id: RecordingId) -> Result<Vec<u32>, RecordingError> {
        self.chunk_numbers_after(id, None).await
    }

    /// The numbers of the chunks behind `after`, in order: what a live recording has got since.
    ///
    /// # Errors
    /// The store's.
    pub async fn chunk_numbers_after(&self, id: RecordingId, after: Option<u32>) -> Result<Vec<u32>, RecordingError> {
        let prefix = Key::recording_prefix(id);
        let mut last = after.map(|number| Key::chunk(id, number));
        let mut numbers = Vec::new();
        loop {
            let entries = self.store.list(&prefix, last.as_ref(), PAGE).await?;
            let full = entries.len() == PAGE;
            numbers.extend(entries.iter().filter_map(|entry| entry.key.chunk_number()));
            if !full {
                return Ok(numbers);
            }
            last = entries.into_iter().next_back().map(|entry| entry.key);
        }
    }

    /// Lists what the store has of a recording.
    ///
    /// # Errors
    /// The store's.
    pub async fn objects(&self, id: RecordingId) -> Result<Objects, RecordingError> {
        let (prefix, manifest) = (Key::recording_prefix(id), Key::manifest(id));
        let (mut objects, mut after) = (Objects::default(), None);
        loop {
            let entries = self.store.list(&prefix, after.as_ref(), PAGE).await?;
            let full = entries.len() == PAGE;
            for entry in &entries {
                match entry.key.chunk_number() {
                    Some(number) => objects.chunks.push((number, entry.size)),
                    None if entry.key == manifest => objects.manifest = Some(entry.size),
                    _ => {}
                }
            }
            if !full {
                return Ok(objects);
            }
            after = entries.into_iter().next_back().map(|entry| entry.key);
        }
    }

    async fn newest(&self, prefix: &str) -> Result<Vec<String>, RecordingError> {
        let mut names = self.store.children(prefix).await?;
        names.retain(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        names.reverse();
        Ok(names)
    }
}

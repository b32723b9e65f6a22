use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use recording::RecordingId;

use crate::timeline::Timeline;

/// What an entry takes beside its timeline, in bytes, roughly.
const ENTRY_BYTES: usize = 256;

/// Timelines in memory, bounded in bytes: beyond the bound the least recently used are evicted. The newest is never
/// evicted, however large it is: its segments are asked for next. (That is why no cache crate is used: those refuse an
/// entry that is larger than the bound.)
#[derive(Debug)]
pub(crate) struct TimelineCache {
    limit: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<RecordingId, CacheEntry>,
    /// By time of use, the least recent first.
    by_use: BTreeMap<u64, RecordingId>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
struct CacheEntry {
    timeline: Arc<Timeline>,
    bytes: usize,
    used: u64,
}

impl TimelineCache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, entries: Mutex::default() }
    }

    pub(crate) fn get(&self, id: RecordingId) -> Option<Arc<Timeline>> {
        self.lock().touch(id)
    }

    /// Adds the recording's timeline, or replaces it.
    pub(crate) fn insert(&self, id: RecordingId, timeline: &Arc<Timeline>) {
        let mut entries = self.lock();
        entries.insert(id, timeline);
        entries.evict(self.limit);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Marks the entry as used now.
    fn touch(&mut self, id: RecordingId) -> Option<Arc<Timeline>> {
        let entry = self.by_id.get_mut(&id)?;
        self.clock += 1;
        self.by_use.remove(&entry.used);
        entry.used = self.clock;
        self.by_use.insert(self.clock, id);
        Some(Arc::clone(&entry.timeline))
    }

    fn insert(&mut self, id: RecordingId, timeline: &Arc<Timeline>) {
        self.remove(id);
        self.clock += 1;
        let entry =
            CacheEntry { timeline: Arc::clone(timeline), bytes: timeline.bytes() + ENTRY_BYTES, used: self.clock };
        self.bytes += entry.bytes;
        self.by_use.insert(entry.used, id);
        self.by_id.insert(id, entry);
    }

    fn remove(&mut self, id: RecordingId) {
        if let Some(entry) = self.by_id.remove(&id) {
            self.by_use.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    /// Evicts down to `limit` bytes, or to the newest entry.
    fn evict(&mut self, limit: usize) {
        while self.bytes > limit && self.by_id.len() > 1 {
            let Some((_, &id)) = self.by_use.first_key_value() else { return };
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use recording::{Micros, RecordingId, cast::Header};
    use uuid::Uuid;

    use super::TimelineCache;
    use crate::timeline::Timeline;

    /// Some 900 bytes large.
    fn timeline() -> Arc<Timeline> {
        let header = Header::parse(
            br#"{"version":2,"width":80,"height":24,"timestamp":0,"command":"","title":"","kubetape":{
            "id":"00000000-0000-0000-0000-000000000001","kind":"exec","started_micros":0,"gateway":"g",
            "principal":{"name":"a","groups":[],"credential":"token","credential_id":"1"},"target":{"cluster":"c"},
            "impersonation":{"user":"a","groups":[]},"rule":"r","input":"never","argv":[],"tty":true,"stdin":true}}"#,
        );
        let mut timeline = Timeline::new(&header.unwrap());
        timeline.markers.push((Micros::ZERO, "x".repeat(600)));
        Arc::new(timeline)
    }

    #[test]
    fn the_least_recently_used_is_evicted() {
        let cache = TimelineCache::new(3000);
        let ids: Vec<_> = (0..3).map(|n| RecordingId(Uuid::from_u128(n + 1))).collect();
        ids.iter().take(2).for_each(|id| cache.insert(*id, &timeline()));
        assert!(cache.get(ids[0]).is_some());
        cache.insert(ids[2], &timeline());
        assert!(cache.get(ids[0]).is_some(), "used a moment ago");
        assert!(cache.get(ids[1]).is_none(), "used long ago");
        assert!(cache.get(ids[2]).is_some());
    }

    #[test]
    fn the_newest_stays_however_large_it_is() {
        let cache = TimelineCache::new(10);
        let ids: Vec<_> = (0..2).map(|n| RecordingId(Uuid::from_u128(n + 1))).collect();
        ids.iter().for_each(|id| cache.insert(*id, &timeline()));
        cache.insert(ids[1], &timeline());
        assert!(cache.get(ids[0]).is_none() && cache.get(ids[1]).is_some());
    }
}

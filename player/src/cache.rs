use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use recording::RecordingId;

use crate::timeline::Timeline;

/// Timelines by recording, bounded in bytes: beyond the bound the least recently used are forgotten, and read again
/// when they are asked for.
#[derive(Debug)]
pub(crate) struct Cache {
    limit: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<RecordingId, Held>,
    clock: u64,
}

#[derive(Debug)]
struct Held {
    timeline: Arc<Timeline>,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, known: Mutex::default() }
    }

    /// What is remembered of a recording.
    pub(crate) fn known(&self, id: RecordingId) -> Option<Arc<Timeline>> {
        let mut known = self.lock();
        known.clock += 1;
        let used = known.clock;
        let held = known.by_id.get_mut(&id)?;
        held.used = used;
        Some(Arc::clone(&held.timeline))
    }

    /// Remembers it, in the place of what was known before.
    pub(crate) fn keep(&self, id: RecordingId, timeline: &Arc<Timeline>) {
        let mut known = self.lock();
        known.clock += 1;
        let (timeline, bytes, used) = (Arc::clone(timeline), timeline.bytes() + 256, known.clock);
        known.by_id.insert(id, Held { timeline, bytes, used });
        // The one that was just read stays, however large it is: whoever asked for it will ask for its segments next.
        known.shrink(self.limit, id);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn shrink(&mut self, limit: usize, spared: RecordingId) {
        let mut total: usize = self.by_id.values().map(|held| held.bytes).sum();
        while total > limit {
            let others = self.by_id.iter().filter(|(id, _)| **id != spared);
            let Some((&id, _)) = others.min_by_key(|(_, held)| held.used) else { return };
            total -= self.by_id.remove(&id).map_or(0, |held| held.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use recording::{RecordingId, cast::Header};
    use uuid::Uuid;

    use super::Cache;
    use crate::timeline::Timeline;

    /// Of some 900 bytes.
    fn timeline() -> Arc<Timeline> {
        let header = Header::parse(
            br#"{"version":2,"width":80,"height":24,"timestamp":0,"command":"","title":"","kubetape":{
            "id":"00000000-0000-0000-0000-000000000001","kind":"exec","started_micros":0,"gateway":"g",
            "principal":{"name":"a","groups":[],"credential":"token","credential_id":"1"},"target":{"cluster":"c"},
            "impersonation":{"user":"a","groups":[]},"rule":"r","input":"never","argv":[],"tty":true,"stdin":true}}"#,
        );
        let mut timeline = Timeline::new(&header.unwrap());
        timeline.markers.push((0, "x".repeat(600)));
        Arc::new(timeline)
    }

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let cache = Cache::new(3000);
        let ids: Vec<_> = (0..3).map(|n| RecordingId(Uuid::from_u128(n + 1))).collect();
        ids.iter().take(2).for_each(|id| cache.keep(*id, &timeline()));
        assert!(cache.known(ids[0]).is_some());
        cache.keep(ids[2], &timeline());
        assert!(cache.known(ids[0]).is_some(), "used a moment ago");
        assert!(cache.known(ids[1]).is_none(), "used long ago");
        assert!(cache.known(ids[2]).is_some());
    }
}

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use storage::RecordingId;

use crate::timeline::Timeline;

/// One recording's timeline. Whoever extends it holds the lock; others wait instead of reading the same chunks.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Option<Arc<Timeline>>>>;

/// Timelines by recording, bounded in bytes: beyond the bound the least recently used are forgotten, and read again
/// when they are asked for.
#[derive(Debug)]
pub(crate) struct Cache {
    limit: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_id: HashMap<RecordingId, Kept>,
    clock: u64,
}

#[derive(Debug)]
struct Kept {
    slot: Slot,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, slots: Mutex::default() }
    }

    /// The recording's slot; an empty one for a recording that is not known.
    pub(crate) fn slot(&self, id: RecordingId) -> Slot {
        let mut slots = self.lock();
        slots.clock += 1;
        let used = slots.clock;
        // An empty slot is not free either: ids of recordings that do not exist would pile up.
        let kept = slots.by_id.entry(id).or_insert_with(|| Kept { slot: Slot::default(), bytes: 256, used });
        kept.used = used;
        let slot = Arc::clone(&kept.slot);
        slots.shrink(self.limit, id);
        slot
    }

    /// Says how large the recording's timeline has become.
    pub(crate) fn weigh(&self, id: RecordingId, bytes: usize) {
        let mut slots = self.lock();
        if let Some(kept) = slots.by_id.get_mut(&id) {
            kept.bytes = bytes + 256;
        }
        // The one that was just read stays, however large it is: whoever asked for it will ask for its segments next.
        slots.shrink(self.limit, id);
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn shrink(&mut self, limit: usize, spared: RecordingId) {
        let mut total: usize = self.by_id.values().map(|kept| kept.bytes).sum();
        while total > limit {
            let others = self.by_id.iter().filter(|(id, _)| **id != spared);
            let Some((&id, _)) = others.min_by_key(|(_, kept)| kept.used) else { return };
            total -= self.by_id.remove(&id).map_or(0, |kept| kept.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use storage::RecordingId;
    use uuid::Uuid;

    use super::Cache;

    #[test]
    fn the_least_recently_used_is_forgotten() {
        let cache = Cache::new(3000);
        let ids: Vec<_> = (0..3).map(|n| RecordingId(Uuid::from_u128(n + 1))).collect();
        let slots: Vec<_> = ids.iter().map(|id| cache.slot(*id)).collect();
        ids.iter().take(2).for_each(|id| cache.weigh(*id, 900));
        assert!(Arc::ptr_eq(&slots[0], &cache.slot(ids[0])));
        cache.weigh(ids[2], 900);
        assert!(Arc::ptr_eq(&slots[0], &cache.slot(ids[0])), "used a moment ago");
        assert!(!Arc::ptr_eq(&slots[1], &cache.slot(ids[1])), "used long ago");
    }
}

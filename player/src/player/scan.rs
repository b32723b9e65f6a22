use std::sync::Arc;

use recording::RecordingId;

use super::Player;
use crate::{
    PlayerError,
    blocking::blocking,
    segmenter,
    single_flight::{LONG_SCAN_CHUNKS, ScanSlot},
    timeline::Timeline,
};

impl Player {
    /// The timeline of what is stored by now: the cached one if nothing was stored since, else a new scan's.
    ///
    /// # Cancel safety
    /// If the future is dropped, a scan that began continues.
    pub(super) async fn timeline(&self, id: RecordingId) -> Result<Arc<Timeline>, PlayerError> {
        let mut known = self.cache.get(id);
        loop {
            if let Some(known) = &known
                && !self.has_more(id, known).await?
            {
                return Ok(Arc::clone(known));
            }
            let scan = self.scans.join(id, |slot| self.clone().scan(slot, id, known));
            let new = scan.new;
            let timeline = scan.result().await?;
            if new {
                return Ok(timeline);
            }
            // That scan began before this call, and may not have what was stored since.
            known = Some(timeline);
        }
    }

    /// Reads the chunks that `known` lacks. `None` if nobody waits for the scan any more when it gets a permit.
    async fn scan(
        self,
        slot: Arc<ScanSlot>,
        id: RecordingId,
        known: Option<Arc<Timeline>>,
    ) -> Result<Option<Arc<Timeline>>, PlayerError> {
        let Some(short) = slot.permit(false).await else { return Ok(None) };
        // Another scan may have ended between the look into the cache and the beginning of this one.
        let known = match self.cache.get(id).or(known) {
            Some(known) if known.complete => return Ok(Some(known)),
            Some(known) => (*known).clone(),
            None => match self.load_from_disk(id).await? {
                Some(timeline) => {
                    self.cache.insert(id, &timeline);
                    return Ok(Some(timeline));
                }
                None => Timeline::new(&self.header(id).await?),
            },
        };
        let after = known.segments.last().map_or(0, |segment| segment.position.chunk.saturating_sub(1));
        let length = self.recordings.chunk_numbers_after(id, Some(after)).await?.len();
        let _permit = if length > LONG_SCAN_CHUNKS {
            drop(short);
            let Some(long) = slot.permit(true).await else { return Ok(None) };
            long
        } else {
            short
        };
        let chunks = self.recordings.chunks_after(id, after).await?;
        let timeline = Arc::new(segmenter::extend(known, chunks, &self.settings).await?);
        self.cache.insert(id, &timeline);
        if let Some(disk_cache) = self.disk_cache.clone() {
            let timeline = Arc::clone(&timeline);
            blocking(move || disk_cache.store(id, &timeline)).await?;
        }
        Ok(Some(timeline))
    }

    async fn load_from_disk(&self, id: RecordingId) -> Result<Option<Arc<Timeline>>, PlayerError> {
        let Some(disk_cache) = self.disk_cache.clone() else { return Ok(None) };
        Ok(blocking(move || disk_cache.load(id)).await?.map(Arc::new))
    }

    /// Whether the store has chunks or a manifest that the timeline does not cover.
    async fn has_more(&self, id: RecordingId, known: &Timeline) -> Result<bool, PlayerError> {
        if known.complete {
            return Ok(false);
        }
        let newer = self.recordings.chunk_numbers_after(id, Some(known.chunk)).await?;
        Ok(!newer.is_empty() || self.recordings.manifest(id).await?.is_some())
    }
}

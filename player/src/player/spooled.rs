//! Sessions that this process records, read from its spool: the store may not have them yet, or be unavailable.

use std::sync::Arc;

use recording::{
    Micros, RecordingId,
    cast::{Code, Header, events},
};
use spool::{SpoolEvent, SpoolReader};
use storage::{RecordingError, Summary};
use tokio::time::timeout;

use super::Player;
use crate::{
    PlayerError,
    blocking::blocking,
    projector::{annotation, label},
    settings::STORE_TIMEOUT,
    timeline::{MAX_MARKERS, SegmentStart, Timeline},
};

/// The markers of a session, as far as they are known.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialMarkers {
    /// Seconds since the start and label, as in [`crate::SegmentIndex::markers`].
    pub markers: Vec<(f64, String)>,
    /// False if some may be missing: the store has them, and did not return them in time.
    pub whole: bool,
}

impl Player {
    /// The recording's header: from the spool if the session is there, since the store may not have it yet.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`] if neither has it; else the store's.
    pub async fn header(&self, id: RecordingId) -> Result<Header, RecordingError> {
        match self.spooled_header(id) {
            Some(header) => Ok(header),
            None => self.recordings.header(id).await,
        }
    }

    /// Header and manifest. The store is not asked about a session that this process is recording: there is no manifest
    /// yet.
    ///
    /// # Errors
    /// As [`Self::header`]; the store's if the session is over.
    pub async fn summary(&self, id: RecordingId) -> Result<Summary, RecordingError> {
        let header = self.header(id).await?;
        let manifest = if self.is_live(id) { None } else { self.recordings.manifest(id).await? };
        Ok(Summary { header, manifest })
    }

    /// Whether this process is recording the session now.
    pub fn is_live(&self, id: RecordingId) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.is_live(id))
    }

    /// The markers of a recording, beginning with the command it was started with. For a session in the spool the store
    /// is asked only for what has left the spool, and for 10 s at most.
    ///
    /// # Errors
    /// [`PlayerError::Spool`] for a session in the spool; else [`PlayerError`].
    pub async fn markers(&self, id: RecordingId) -> Result<PartialMarkers, PlayerError> {
        let Some((spool, header)) = self.spool.as_ref().zip(self.spooled_header(id)) else {
            return Ok(PartialMarkers::new(self.timeline(id).await?.markers.clone(), true));
        };
        let spooled = markers_so_far(spool, id, &self.cached_timeline(id, &header)).await?;
        if spooled.whole {
            return Ok(spooled);
        }
        match timeout(STORE_TIMEOUT, self.timeline(id)).await {
            Ok(Ok(timeline)) => markers_so_far(spool, id, &timeline).await,
            Ok(Err(_)) | Err(_) => Ok(spooled),
        }
    }

    /// Where a live view begins to draw: at the start of the latest segment that is known. For a session in the spool
    /// the store is asked only if what follows has left the spool.
    pub(super) async fn live_start(&self, id: RecordingId) -> Result<SegmentStart, PlayerError> {
        let last = |timeline: &Timeline| timeline.segments.last().cloned().ok_or(PlayerError::Stopped);
        let Some((spool, header)) = self.spool.as_ref().zip(self.spooled_header(id)) else {
            return last(&*self.timeline(id).await?);
        };
        let cached = last(&self.cached_timeline(id, &header))?;
        if spool.has_chunk(id, cached.position.chunk) {
            return Ok(cached);
        }
        match timeout(STORE_TIMEOUT, self.timeline(id)).await {
            Ok(Ok(timeline)) => last(&timeline),
            // The view shows what comes, without what was before.
            Ok(Err(_)) | Err(_) => Ok(cached),
        }
    }

    /// The cached timeline, or an empty one. Does not ask the store.
    fn cached_timeline(&self, id: RecordingId, header: &Header) -> Arc<Timeline> {
        self.cache.get(id).unwrap_or_else(|| Arc::new(Timeline::new(header)))
    }

    /// `None` if the session is not in the spool or cannot be read from it.
    fn spooled_header(&self, id: RecordingId) -> Option<Header> {
        self.spool.as_ref()?.header(id).ok().flatten()
    }
}

impl PartialMarkers {
    fn new(markers: Vec<(Micros, String)>, whole: bool) -> Self {
        let seconds = |(time, label): (Micros, String)| (time.as_secs_f64(), label);
        Self { markers: markers.into_iter().map(seconds).collect(), whole }
    }
}

/// The timeline's markers, and those of the chunks behind it that the spool has.
async fn markers_so_far(
    spool: &SpoolReader,
    id: RecordingId,
    timeline: &Timeline,
) -> Result<PartialMarkers, PlayerError> {
    let mut markers = timeline.markers.clone();
    // A session that has left the spool meanwhile is in the store.
    let Some(mut follow) = spool.follow(id, timeline.chunk + 1) else {
        return Ok(PartialMarkers::new(markers, timeline.complete));
    };
    let mut whole = true;
    while let Some(event) = follow.ready().await.map_err(|error| PlayerError::Spool(Box::new(error)))? {
        match event {
            SpoolEvent::Stored { .. } => whole = false,
            SpoolEvent::Lines { lines, .. } => markers.extend(blocking(move || markers_of(&lines)).await?),
        }
        markers.truncate(MAX_MARKERS);
    }
    Ok(PartialMarkers::new(markers, whole))
}

fn markers_of(lines: &[u8]) -> Vec<(Micros, String)> {
    let marker = |event: recording::cast::Event| match event.code {
        Code::Marker => Some((event.time, label(&event.data))),
        Code::Gap => Some((event.time, annotation(&event.data))),
        Code::Output | Code::Stderr | Code::Bytes | Code::Resize | Code::Input | Code::Exit | Code::Port => None,
    };
    events(lines).flatten().filter_map(marker).collect()
}

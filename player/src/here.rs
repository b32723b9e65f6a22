//! Sessions that this process records, told without the store: it may be away, or not have them yet.

use std::{sync::Arc, time::Duration};

use recording::{
    RecordingId,
    cast::{Code, Header, events},
};
use spool::{SpoolEvent, SpoolReader};
use storage::{RecordingError, Summary};
use tokio::time::timeout;

use crate::{
    Player, PlayerError, off,
    projector::{annotation, label},
    timeline::{MARKERS, Mark, Timeline},
};

/// How long the store is waited for where there is something to show without it. Its own attempts take up to two minutes, and
/// whoever asks is gone after one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What was entered in a session, as far as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct PartialMarkers {
    /// Seconds and label, as in [`crate::SegmentIndex::markers`].
    pub markers: Vec<(f64, String)>,
    /// False where some may be missing: they are in the store, and it did not give them.
    pub whole: bool,
}

impl Player {
    /// The header: from the spool where the session is there. The store may not have it yet.
    ///
    /// # Errors
    /// [`RecordingError::NotFound`] where neither has it.
    pub async fn header(&self, id: RecordingId) -> Result<Header, RecordingError> {
        match self.header_here(id) {
            Some(header) => Ok(header),
            None => self.recordings.header(id).await,
        }
    }

    /// Header and manifest. For a session that this process is recording nothing is asked of the store: there is no manifest
    /// yet.
    ///
    /// # Errors
    /// As [`Self::header`]; the store's, of a session that is over.
    pub async fn summary(&self, id: RecordingId) -> Result<Summary, RecordingError> {
        let header = self.header(id).await?;
        let manifest = if self.is_live(id) { None } else { self.recordings.manifest(id).await? };
        Ok(Summary { header, manifest })
    }

    /// Whether this process is recording it now.
    pub fn is_live(&self, id: RecordingId) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.is_live(id))
    }

    /// The markers of a recording, what it was started with first. Of a session in the spool the store is asked only for what
    /// is no longer there, and not waited for longer than 10 s.
    ///
    /// # Errors
    /// [`PlayerError`]; of a session in the spool only that the spool cannot be read.
    pub async fn markers(&self, id: RecordingId) -> Result<PartialMarkers, PlayerError> {
        let Some((spool, header)) = self.spool.as_ref().zip(self.header_here(id)) else {
            return Ok(PartialMarkers::new(self.timeline(id).await?.markers.clone(), true));
        };
        let here = so_far(spool, id, &self.known_here(id, &header)).await?;
        if here.whole {
            return Ok(here);
        }
        match timeout(PATIENCE, self.timeline(id)).await {
            Ok(Ok(timeline)) => so_far(spool, id, &timeline).await,
            Ok(Err(_)) | Err(_) => Ok(here),
        }
    }

    /// Where a live view begins to draw: at the latest mark that is known. Of a session in the spool the store is asked only
    /// where what follows that mark is no longer there.
    pub(crate) async fn opening(&self, id: RecordingId) -> Result<Mark, PlayerError> {
        let last = |timeline: &Timeline| timeline.marks.last().cloned().ok_or(PlayerError::Stopped);
        let Some((spool, header)) = self.spool.as_ref().zip(self.header_here(id)) else {
            return last(&*self.timeline(id).await?);
        };
        let near = last(&self.known_here(id, &header))?;
        if spool.has_chunk(id, near.place.chunk) {
            return Ok(near);
        }
        match timeout(PATIENCE, self.timeline(id)).await {
            Ok(Ok(timeline)) => last(&timeline),
            // What goes on is shown without what was before.
            Ok(Err(_)) | Err(_) => Ok(near),
        }
    }

    /// What is remembered of a session, without a look at the store.
    fn known_here(&self, id: RecordingId, header: &Header) -> Arc<Timeline> {
        self.cache.known(id).unwrap_or_else(|| Arc::new(Timeline::new(header)))
    }

    fn header_here(&self, id: RecordingId) -> Option<Header> {
        self.spool.as_ref()?.header(id).ok().flatten()
    }
}

impl PartialMarkers {
    fn new(markers: Vec<(u64, String)>, whole: bool) -> Self {
        let seconds = |(micros, label): (u64, String)| (micros as f64 / 1e6, label);
        Self { markers: markers.into_iter().map(seconds).collect(), whole }
    }
}

/// What a timeline has and what the spool has behind it.
async fn so_far(spool: &SpoolReader, id: RecordingId, known: &Timeline) -> Result<PartialMarkers, PlayerError> {
    let mut markers = known.markers.clone();
    // One that has left the spool meanwhile is in the store.
    let Some(mut follow) = spool.follow(id, known.chunk + 1) else {
        return Ok(PartialMarkers::new(markers, known.complete));
    };
    let mut whole = true;
    while let Some(news) = follow.ready().await.map_err(|error| PlayerError::Spool(Box::new(error)))? {
        match news {
            SpoolEvent::Stored { .. } => whole = false,
            SpoolEvent::Lines { lines, .. } => markers.extend(off(move || markers_of(&lines)).await?),
        }
        markers.truncate(MARKERS);
    }
    Ok(PartialMarkers::new(markers, whole))
}

fn markers_of(lines: &[u8]) -> Vec<(u64, String)> {
    let marker = |event: recording::cast::Event| match event.code {
        Code::Marker => Some((event.micros, label(&event.data))),
        Code::Gap => Some((event.micros, annotation(&event.data))),
        Code::Output | Code::Stderr | Code::Bytes | Code::Resize | Code::Input | Code::Exit | Code::Port => None,
    };
    events(lines).flatten().filter_map(marker).collect()
}

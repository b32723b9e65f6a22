//! What was said, as a recording.
//!
//! ```text
//!            Recorder::open            Opened::begin
//!  Permit ─────────────────▶ Opened ─────────────────▶ Recording ──finish──▶ Manifest
//!            header durable     │       at the 101         │
//!                               └─refused─▶ Manifest       │ accept(side, bytes)
//!                                                          ▼
//!              wire::Decoder ─▶ Tape ─▶ Timeline ─▶ lines ─▶ chunks ─▶ storage::Store
//!                                 └─▶ Commands ─▶ transcript::Commands
//! ```
//!
//! A `Tape` is the recording without IO: bytes and times in, asciicast lines out. A
//! [`Recording`] puts a clock, a lock and an uploader around it. What a byte has to pass before it may be
//! forwarded is one function, [`Recording::accept`]: when it returns `Ok`, the bytes are in the recording's
//! bounded memory or already in the store.

mod commands;
mod digest;
mod ending;
mod error;
mod flood;
#[cfg(fuzzing)]
pub mod fuzzing;
mod opened;
mod opening;
mod ports;
mod recorder;
mod recording;
mod settings;
mod shelf;
mod size;
mod switches;
mod tape;
mod tar;
mod timeline;
mod upload;

pub use ending::Ending;
pub use error::RecordError;
pub use flood::Keep;
pub use opened::Opened;
pub use opening::Opening;
pub use recorder::Recorder;
pub use recording::Recording;
pub use settings::Settings;

//! What a recording says in words, without IO: events in, words out.
//!
//! ```text
//!                          ┌─▶ Lines     the lines a person could have read, with times
//! recording::cast::Event ──┤
//!                          └─▶ Commands  the command lines that were entered, with times and the evidence for them
//! ```
//!
//! Both read what was printed. Both can be asked while a recording grows and after its end. Everything in a recording
//! was printed by something that may be hostile: sizes are clamped, memory is bounded, and nothing here panics over it.

mod commands;
mod emulator;
mod lines;
mod utf8_decoder;

pub use commands::Commands;
pub use lines::{Bounds, Line, Lines, Stream};
pub use utf8_decoder::Utf8Decoder;

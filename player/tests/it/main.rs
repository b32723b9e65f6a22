//! The player, tested with recordings made by hand.

mod export;
mod gated_store;
mod live;
mod playback;
mod segments;
mod single_flight;
mod test_recording;

//! Recordings made by hand, and what the player makes of them.

mod export;
mod live;
mod playback;
mod segments;
mod single_flight;
mod slow;
mod test_recording;

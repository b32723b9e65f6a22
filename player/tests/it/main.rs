//! Recordings made by hand, and what the player makes of them.

mod export;
mod live;
mod playback;
mod readings;
mod segments;
mod slow;
mod tape;

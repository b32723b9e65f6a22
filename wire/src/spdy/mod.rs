//! SPDY/3.1 as `github.com/moby/spdystream` speaks it: SPDY/3 framing, without flow control.
//!
//! ```text
//! bytes ─▶ SpdyFrameReader ─▶ ControlFrame / DATA ─▶ SpdyConnection ─▶ events
//!                                 └─▶ HeaderBlocks (zlib, one state per direction)
//!                                          └─▶ StreamTable (ids, and what each stream carries)
//! ```

mod connection;
mod control;
mod frame;
mod headers;
mod streams;

pub(crate) use connection::SpdyConnection;

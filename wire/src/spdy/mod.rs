//! SPDY/3.1 as moby/spdystream speaks it: SPDY/3 framing, without flow control.
//!
//! ```text
//! bytes ─▶ frame::Reader ─▶ control::Control / DATA ─▶ connection::Connection ─▶ events
//!                               └─▶ headers::Headers (zlib, one state per direction)
//!                                        └─▶ streams::Streams (ids, and what each carries)
//! ```

mod connection;
mod control;
mod frame;
mod headers;
mod outbound;
mod streams;

pub(crate) use connection::Connection;

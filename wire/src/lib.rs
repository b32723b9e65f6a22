//! Kubernetes streaming on the wire, without IO.
//!
//! [`Decoder`] listens to a copy of the bytes of one upgraded connection, both directions, fed in any slices,
//! and tells what they mean: which stream carried what, sizes, statuses, ends, and what no known client sends.
//! It never needs a whole frame; memory is bounded whatever length a frame declares.
//!
//! ```text
//!             Request::parse      what the URL asks for
//!                  │
//!  Negotiated::from_response      what the 101 settled
//!                  │
//!             Decoder::new ─┬─ Spdy                      SPDY/3.1: kubectl to 1.29, port-forward to 1.30
//!                           ├─ Channels, exec or attach  WebSocket v1, v4, v5, with or without base64
//!                           ├─ Channels, port-forward    WebSocket of python, node, kube-rs
//!                           └─ Tunnel                    SPDY in WebSocket: port-forward from 1.31
//! ```
//!
//! The rule for every doubt: what the client sent means what the *server* makes of it, also where that is not
//! what a specification says; what the server sent is kept, also where a client would drop it.

mod channels;
mod decoder;
mod event;
mod query;
mod radix64;
mod request;
mod resize;
mod spdy;
mod status;
mod termination;
mod transport;
mod tunnel;
mod websocket;

pub use decoder::Decoder;
pub use event::{Anomaly, Event, Side, Size, Status, Stream};
pub use request::{Request, RequestError, Subresource, boolean_parameter};
pub use transport::{Negotiated, NegotiationError, Transport};

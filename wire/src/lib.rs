//! Kubernetes streaming on the wire, without IO.
//!
//! [`Decoder`] gets a copy of the bytes of one upgraded connection, both directions, in any slices, and reports what
//! they mean: which stream carries what, terminal sizes, statuses, ends, and what no known client sends. It never needs
//! a whole frame, and its memory is bounded whatever length a frame declares.
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
//! The rule for every doubt: what the client sent means what the *server* makes of it, even if a specification says
//! otherwise; what the server sent is kept, even if a client would drop it.
//!
//! Versions of the code that is followed, where a comment names it: Kubernetes v0.35.4 (`k8s.io/apimachinery`,
//! `k8s.io/apiserver`, `k8s.io/client-go`), `golang.org/x/net` v0.47.0, `github.com/moby/spdystream` v0.5.1,
//! `github.com/gorilla/websocket` v1.5.4-0.20250319132907. fuzz/differential compares the decoder with these.

mod channels;
mod decoder;
mod event;
pub mod query;
mod request;
mod resize;
mod spdy;
mod status;
mod streaming_base64;
mod termination;
mod transport;
mod tunnel;
mod websocket;

pub use decoder::Decoder;
pub use event::{Anomaly, Event, Side, Size, Status, Stream};
pub use request::{Request, RequestError, Subresource};
pub use transport::{Negotiated, NegotiationError, Transport};

//! Kubernetes streaming on the wire, without IO.
//!
//! [`Decoder`] listens to a copy of the bytes of one upgraded connection, both directions, fed in any slices,
//! and tells what they mean: which stream carried what, sizes, statuses, ends, and what no known client sends.
//! It never needs a whole frame; memory is bounded whatever length a frame declares.

mod decoder;
mod event;
mod query;
mod request;
mod transport;

pub use decoder::Decoder;
pub use event::{Anomaly, Event, Side, Size, Status, Stream};
pub use request::{Request, RequestError, Subresource};
pub use transport::{Negotiated, NegotiationError, Transport};

use crate::{Event, Negotiated, Request, Side};

/// Decodes a copy of the bytes of one upgraded connection.
pub struct Decoder {}

impl Decoder {
    /// A decoder for what follows the 101.
    pub fn new(_negotiated: &Negotiated, _request: &Request) -> Self {
        Decoder {}
    }

    /// Feeds bytes that one side sent, in any slices; calls `sink` for each event, in order.
    pub fn feed(&mut self, _from: Side, _bytes: &[u8], _sink: &mut dyn FnMut(Event<'_>)) {}

    /// That side's bytes are over, by EOF or by reset. Ending inside a frame is no error: Go closes sockets
    /// between its small writes.
    pub fn end(&mut self, _from: Side, _sink: &mut dyn FnMut(Event<'_>)) {}

    /// How far that side's bytes are from a frame border: `Some(0)` at one, `Some(n)` n bytes before one, `None`
    /// inside a frame's header, where it cannot be known yet.
    pub fn to_border(&self, _from: Side) -> Option<u64> {
        None
    }

    /// Bytes to write to the client, at a frame border of the server's direction, that end the session visibly.
    pub fn termination(&self, _message: &str, _reason: &str, _code: u16) -> Vec<u8> {
        Vec::new()
    }
}

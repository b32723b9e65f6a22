use crate::channels::{Forward, Session};
use crate::spdy::Connection;
use crate::tunnel::Tunnel;
use crate::{Event, Negotiated, Request, Side, Subresource, Transport};

/// Decodes a copy of the bytes of one upgraded connection.
///
/// What comes out does not depend on how the bytes are cut into slices: adjacent [`Event::Data`] of a stream,
/// joined, are the same. Of the two directions' order only this matters: a SPDY stream's data is understood
/// once its SYN_STREAM was fed.
///
/// A decoder keeps a frame's head, a header block of at most 64 KiB, the error stream's first 64 KiB, a size's
/// first 4 KiB and at most 4096 streams, and takes 16 KiB to unmask in. The two zlib states of a SPDY connection
/// are the most of its memory.
pub struct Decoder {
    machine: Machine,
    /// What was asked for, until the streams that follow from it are told.
    unopened: Option<Request>,
}

enum Machine {
    Spdy(Box<Connection>),
    Tunnel(Box<Tunnel>),
    Session(Box<Session>),
    Forward(Box<Forward>),
}

impl Decoder {
    /// A decoder for what follows the 101.
    pub fn new(negotiated: &Negotiated, request: &Request) -> Self {
        let machine = match (negotiated.transport, negotiated.subresource) {
            (Transport::Spdy, subresource) => {
                Machine::Spdy(Box::new(Connection::new(subresource, negotiated.json_status)))
            }
            (Transport::Tunnel, subresource) => Machine::Tunnel(Box::new(Tunnel::new(subresource))),
            (Transport::Channels { base64, .. }, Subresource::PortForward) => {
                Machine::Forward(Box::new(Forward::new(&negotiated.ports, base64)))
            }
            (Transport::Channels { base64, close_signal }, Subresource::Exec | Subresource::Attach) => {
                Machine::Session(Box::new(Session::new(request, base64, close_signal, negotiated.json_status)))
            }
        };
        Decoder { machine, unopened: Some(request.clone()) }
    }

    /// Feeds bytes that one side sent, in any slices; calls `sink` for each event, in order.
    pub fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        self.open(sink);
        match &mut self.machine {
            Machine::Spdy(spdy) => spdy.feed(from, bytes, sink),
            Machine::Tunnel(tunnel) => tunnel.feed(from, bytes, sink),
            Machine::Session(session) => session.feed(from, bytes, sink),
            Machine::Forward(forward) => forward.feed(from, bytes, sink),
        }
    }

    /// That side's bytes are over, by EOF or by reset: a Status that waited for it is told. Ending inside a frame
    /// is no error: Go closes sockets between its small writes.
    pub fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        self.open(sink);
        match &mut self.machine {
            Machine::Spdy(spdy) => spdy.end(from, sink),
            Machine::Tunnel(tunnel) => tunnel.end(from, sink),
            Machine::Session(session) => session.end(from, sink),
            Machine::Forward(_) => {}
        }
    }

    /// How far that side's bytes are from a place where something may be put in: `Some(0)` at one, `Some(n)` n
    /// bytes before one, `None` where it cannot be known yet (inside a frame's head, a fragmented message, a
    /// tunnelled frame that goes on in the next message) and where there is none any more (behind CLOSE, or after
    /// [`Anomaly::Lost`](crate::Anomaly::Lost)).
    pub fn to_border(&self, from: Side) -> Option<u64> {
        match &self.machine {
            Machine::Spdy(spdy) => spdy.to_border(from),
            Machine::Tunnel(tunnel) => tunnel.to_border(from),
            Machine::Session(session) => session.to_border(from),
            Machine::Forward(forward) => forward.to_border(from),
        }
    }

    /// Bytes to write to the client, at a border of the server's direction, that end the session visibly: a
    /// Failure on the error stream (unless the server has begun one itself) and a proper close. kubectl prints
    /// `error: <message>` and exits with 1.
    ///
    /// `reason` and `code` are those of a Kubernetes Status, such as `Forbidden` and 403.
    pub fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        match &self.machine {
            Machine::Spdy(spdy) => spdy.termination(message, reason, code),
            Machine::Tunnel(tunnel) => tunnel.termination(message, reason, code),
            Machine::Session(session) => session.termination(message, reason, code),
            Machine::Forward(forward) => forward.termination(message),
        }
    }

    /// The streams of the channel protocols are there from the start.
    fn open(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if let Some(request) = self.unopened.take() {
            match &self.machine {
                Machine::Session(_) => Session::open(&request, sink),
                Machine::Forward(forward) => forward.open(sink),
                Machine::Spdy(_) | Machine::Tunnel(_) => {}
            }
        }
    }
}

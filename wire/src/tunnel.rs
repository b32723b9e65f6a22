//! SPDY cut into WebSocket messages, whose borders mean nothing: port-forward of kubectl from 1.31 on.

use crate::channels;
use crate::spdy::Connection;
use crate::websocket::{self, BINARY, Inbound, Item, Rules};
use crate::{Event, Side, Subresource};

pub(crate) struct Tunnel {
    client: Inbound,
    server: Inbound,
    spdy: Connection,
}

impl Tunnel {
    pub(crate) fn new(subresource: Subresource) -> Self {
        Tunnel {
            client: Inbound::new(Rules::tunnel(Side::Client)),
            server: Inbound::new(Rules::tunnel(Side::Server)),
            spdy: Connection::new(subresource, false),
        }
    }

    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let (inbound, spdy) = match from {
            Side::Client => (&mut self.client, &mut self.spdy),
            Side::Server => (&mut self.server, &mut self.spdy),
        };
        inbound.feed(bytes, &mut |item| match item {
            Item::Bytes(bytes) => spdy.feed(from, bytes, sink),
            item => channels::other(item, sink),
        });
    }

    pub(crate) fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        self.spdy.end(from, sink);
    }

    /// Known where the SPDY frame ends with the WebSocket frame; at other places more may follow in the message.
    pub(crate) fn to_border(&self, from: Side) -> Option<u64> {
        let outer = match from {
            Side::Client => self.client.to_border(),
            Side::Server => self.server.to_border(),
        }?;
        let inner = self.spdy.to_border(from)?;
        (inner == outer).then_some(outer)
    }

    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        let mut out = Vec::new();
        websocket::frame(&mut out, BINARY, &self.spdy.termination(message, reason, code));
        websocket::close(&mut out);
        out
    }
}

//! SPDY inside WebSocket messages, whose boundaries mean nothing: kubectl's port-forward from 1.31 on.

use crate::channels;
use crate::spdy::SpdyConnection;
use crate::websocket::{self, BINARY, MessageItem, MessageReader, ReadingRules};
use crate::{Event, Side, Subresource};

pub(crate) struct Tunnel {
    client: MessageReader,
    server: MessageReader,
    spdy: SpdyConnection,
}

impl Tunnel {
    pub(crate) fn new(subresource: Subresource) -> Self {
        Tunnel {
            client: MessageReader::new(ReadingRules::tunnel(Side::Client)),
            server: MessageReader::new(ReadingRules::tunnel(Side::Server)),
            spdy: SpdyConnection::new(subresource, false),
        }
    }

    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let (inbound, spdy) = match from {
            Side::Client => (&mut self.client, &mut self.spdy),
            Side::Server => (&mut self.server, &mut self.spdy),
        };
        inbound.feed(bytes, &mut |item| match item {
            MessageItem::Bytes(bytes) => spdy.feed(from, bytes, sink),
            item => channels::other(item, sink),
        });
    }

    pub(crate) fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        self.spdy.end(from, sink);
    }

    /// Known if the SPDY frame ends with the WebSocket frame; else more may follow in the message.
    pub(crate) fn bytes_to_frame_boundary(&self, from: Side) -> Option<u64> {
        let outer = match from {
            Side::Client => self.client.bytes_to_frame_boundary(),
            Side::Server => self.server.bytes_to_frame_boundary(),
        }?;
        let inner = self.spdy.bytes_to_frame_boundary(from)?;
        (inner == outer).then_some(outer)
    }

    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        let mut out = Vec::new();
        websocket::frame(&mut out, BINARY, &self.spdy.termination(message, reason, code));
        websocket::close(&mut out);
        out
    }
}

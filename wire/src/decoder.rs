use crate::channels::{ChannelPortForward, RemoteCommand};
use crate::spdy::SpdyConnection;
use crate::tunnel::Tunnel;
use crate::{Event, Negotiated, Request, Side, Subresource, Transport};

/// Decodes a copy of the bytes of one upgraded connection.
///
/// The events do not depend on how the bytes are cut into slices, except that [`Event::Data`] may be split. Of the
/// order of the two directions only this matters: a SPDY stream's data is understood once its SYN_STREAM was fed.
///
/// Memory is bounded: a decoder keeps a frame's header, a header block of at most 4 KiB, 64 KiB inflated, the error
/// stream's first 64 KiB, a terminal size's first 4 KiB and at most 4096 streams, and unmasks into 16 KiB. The two
/// zlib states of a SPDY connection are most of it.
pub struct Decoder {
    protocol: ProtocolDecoder,
    /// The request, until the streams that follow from it are reported.
    unopened: Option<Request>,
}

enum ProtocolDecoder {
    Spdy(Box<SpdyConnection>),
    Tunnel(Box<Tunnel>),
    RemoteCommand(Box<RemoteCommand>),
    ChannelPortForward(Box<ChannelPortForward>),
}

impl Decoder {
    /// A decoder for the bytes behind the 101 response.
    pub fn new(negotiated: &Negotiated, request: &Request) -> Self {
        let protocol = match (negotiated.transport, negotiated.subresource) {
            (Transport::Spdy, subresource) => {
                ProtocolDecoder::Spdy(Box::new(SpdyConnection::new(subresource, negotiated.json_status)))
            }
            (Transport::Tunnel, subresource) => ProtocolDecoder::Tunnel(Box::new(Tunnel::new(subresource))),
            (Transport::Channels { base64, .. }, Subresource::PortForward) => {
                ProtocolDecoder::ChannelPortForward(Box::new(ChannelPortForward::new(&negotiated.ports, base64)))
            }
            (Transport::Channels { base64, close_signal }, Subresource::Exec | Subresource::Attach) => {
                ProtocolDecoder::RemoteCommand(Box::new(RemoteCommand::new(
                    request,
                    base64,
                    close_signal,
                    negotiated.json_status,
                )))
            }
        };
        Decoder { protocol, unopened: Some(request.clone()) }
    }

    /// Decodes `bytes`, the next ones that `from` sent, and calls `sink` for each event, in order. Any slices will do.
    pub fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        self.open(sink);
        match &mut self.protocol {
            ProtocolDecoder::Spdy(spdy) => spdy.feed(from, bytes, sink),
            ProtocolDecoder::Tunnel(tunnel) => tunnel.feed(from, bytes, sink),
            ProtocolDecoder::RemoteCommand(command) => command.feed(from, bytes, sink),
            ProtocolDecoder::ChannelPortForward(forward) => forward.feed(from, bytes, sink),
        }
    }

    /// No byte follows from that side, by EOF or by reset: reports a Status that waited for it. An end inside a frame
    /// is no error: Go closes sockets between its small writes.
    pub fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        self.open(sink);
        match &mut self.protocol {
            ProtocolDecoder::Spdy(spdy) => spdy.end(from, sink),
            ProtocolDecoder::Tunnel(tunnel) => tunnel.end(from, sink),
            ProtocolDecoder::RemoteCommand(command) => command.end(from, sink),
            ProtocolDecoder::ChannelPortForward(_) => {}
        }
    }

    /// How many bytes of that side are missing to the next frame boundary, where bytes of another sender may be
    /// inserted. 0 at a boundary. `None` if it is not known yet (inside a frame header, a fragmented message, or a
    /// tunnelled frame that continues in the next message) or if there is none any more (behind CLOSE, or after
    /// [`Anomaly::Lost`](crate::Anomaly::Lost)).
    pub fn bytes_to_frame_boundary(&self, from: Side) -> Option<u64> {
        match &self.protocol {
            ProtocolDecoder::Spdy(spdy) => spdy.bytes_to_frame_boundary(from),
            ProtocolDecoder::Tunnel(tunnel) => tunnel.bytes_to_frame_boundary(from),
            ProtocolDecoder::RemoteCommand(command) => command.bytes_to_frame_boundary(from),
            ProtocolDecoder::ChannelPortForward(forward) => forward.bytes_to_frame_boundary(from),
        }
    }

    /// Bytes that end the session visibly, to be written to the client at a frame boundary of the server's direction: a
    /// Failure on the error stream (unless the server has begun a Status itself), and a proper close. kubectl prints
    /// `error: <message>` and exits with 1.
    ///
    /// `reason` and `code` are those of a Kubernetes Status, such as `Forbidden` and 403.
    pub fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        match &self.protocol {
            ProtocolDecoder::Spdy(spdy) => spdy.termination(message, reason, code),
            ProtocolDecoder::Tunnel(tunnel) => tunnel.termination(message, reason, code),
            ProtocolDecoder::RemoteCommand(command) => command.termination(message, reason, code),
            ProtocolDecoder::ChannelPortForward(forward) => forward.termination(message),
        }
    }

    /// Reports the streams of the channel protocols, which exist from the start.
    fn open(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        if let Some(request) = self.unopened.take() {
            match &self.protocol {
                ProtocolDecoder::RemoteCommand(_) => RemoteCommand::open(&request, sink),
                ProtocolDecoder::ChannelPortForward(forward) => forward.open(sink),
                ProtocolDecoder::Spdy(_) | ProtocolDecoder::Tunnel(_) => {}
            }
        }
    }
}

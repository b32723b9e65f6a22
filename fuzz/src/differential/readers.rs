//! The ends of connections whose reading is compared.

use wire::{Decoder, Negotiated, Request, Side, Subresource};

use crate::spdy::Frames;
use crate::websocket;

/// Numbered as `readers` in fuzz/differential/main.go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reader {
    ChannelServerV4,
    ChannelServerV5,
    ChannelServerBase64,
    ChannelServerPorts,
    KubectlChannels,
    XnetChannels,
    SpdyExecServer,
    SpdyForwardServer,
    SpdyClient,
    TunnelServer,
    TunnelClient,
}

/// What is framed how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Channels,
    Spdy,
    Tunnel,
}

impl Reader {
    pub(crate) const ALL: [Reader; 11] = [
        Reader::ChannelServerV4,
        Reader::ChannelServerV5,
        Reader::ChannelServerBase64,
        Reader::ChannelServerPorts,
        Reader::KubectlChannels,
        Reader::XnetChannels,
        Reader::SpdyExecServer,
        Reader::SpdyForwardServer,
        Reader::SpdyClient,
        Reader::TunnelServer,
        Reader::TunnelClient,
    ];

    /// Who sends what it reads.
    pub(crate) fn sender(self) -> Side {
        match self {
            Reader::KubectlChannels | Reader::XnetChannels | Reader::SpdyClient | Reader::TunnelClient => Side::Server,
            Reader::ChannelServerV4
            | Reader::ChannelServerV5
            | Reader::ChannelServerBase64
            | Reader::ChannelServerPorts
            | Reader::SpdyExecServer
            | Reader::SpdyForwardServer
            | Reader::TunnelServer => Side::Client,
        }
    }

    pub(crate) fn framing(self) -> Framing {
        match self {
            Reader::SpdyExecServer | Reader::SpdyForwardServer | Reader::SpdyClient => Framing::Spdy,
            Reader::TunnelServer | Reader::TunnelClient => Framing::Tunnel,
            Reader::ChannelServerV4
            | Reader::ChannelServerV5
            | Reader::ChannelServerBase64
            | Reader::ChannelServerPorts
            | Reader::KubectlChannels
            | Reader::XnetChannels => Framing::Channels,
        }
    }

    pub(crate) fn forwards(self) -> bool {
        matches!(
            self,
            Reader::ChannelServerPorts | Reader::SpdyForwardServer | Reader::TunnelServer | Reader::TunnelClient
        )
    }

    /// Streams that the other library has beside those that its real user reads are not compared.
    pub(crate) fn reads(self, stream: u32) -> bool {
        match self {
            // kubectl reads stdout, stderr and the error stream.
            Reader::KubectlChannels | Reader::XnetChannels => (1..=3).contains(&stream),
            // Of the streams of `preamble`, all but stdin.
            Reader::SpdyClient => stream < 7,
            _ => true,
        }
    }

    pub(crate) fn decoder(self) -> Decoder {
        const EXEC: &str = "command=tar&stdin=true&stdout=true&stderr=true";
        let (subresource, query, upgrade, protocol) = match self {
            Reader::ChannelServerV4 => (Subresource::Exec, EXEC, "websocket", "v4.channel.k8s.io"),
            Reader::ChannelServerBase64 => (Subresource::Exec, EXEC, "websocket", "v4.base64.channel.k8s.io"),
            Reader::ChannelServerPorts => {
                (Subresource::PortForward, "ports=80&ports=81", "websocket", "v4.channel.k8s.io")
            }
            Reader::ChannelServerV5 | Reader::KubectlChannels | Reader::XnetChannels => {
                (Subresource::Exec, EXEC, "websocket", "v5.channel.k8s.io")
            }
            Reader::SpdyExecServer | Reader::SpdyClient => (Subresource::Exec, EXEC, "SPDY/3.1", "v4.channel.k8s.io"),
            Reader::SpdyForwardServer => (Subresource::PortForward, "", "SPDY/3.1", "portforward.k8s.io"),
            Reader::TunnelServer | Reader::TunnelClient => {
                (Subresource::PortForward, "", "websocket", "SPDY/3.1+portforward.k8s.io")
            }
        };
        let request = Request::parse(subresource, query).expect("a request of ours");
        let negotiated = Negotiated::from_response(&request, upgrade, Some(protocol)).expect("a protocol of ours");
        Decoder::new(&negotiated, &request)
    }

    /// What the client sent before the server's bytes: the streams that `spdyClient` in fuzz/differential/spdy.go has.
    pub(crate) fn preamble(self) -> Vec<u8> {
        let kinds = match self {
            Reader::SpdyClient => ["error", "stdout", "stderr", "stdin"],
            Reader::TunnelClient => ["error", "data", "error", "data"],
            _ => return Vec::new(),
        };
        let mut frames = Frames::new();
        let streams: Vec<u8> =
            [1, 3, 5, 7].iter().zip(kinds).flat_map(|(id, kind)| frames.stream(*id, kind, *id / 4)).collect();
        if self == Reader::TunnelClient { websocket::frame(0x82, Some([1, 2, 3, 4]), &streams) } else { streams }
    }
}

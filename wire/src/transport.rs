use thiserror::Error;

use crate::{Request, Subresource};

/// How the bytes of an upgraded connection are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// SPDY/3.1 over the raw connection.
    Spdy,
    /// WebSocket, one channel byte per frame.
    Channels {
        /// Messages are an ASCII digit and base64.
        base64: bool,
        /// `FF <channel>` closes a channel (v5).
        close_signal: bool,
    },
    /// SPDY/3.1 inside WebSocket messages.
    Tunnel,
}

/// What both ends agreed on, by the *response*; the request's list of protocols does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Negotiated {
    /// exec, attach or portforward. They use channel numbers differently.
    pub subresource: Subresource,
    /// How the bytes are framed.
    pub transport: Transport,
    /// The protocol that the response named; empty if it named none, which means v1.
    pub protocol: String,
    /// Whether the error stream is a JSON Status (v4, v5) or text (v1 to v3).
    pub json_status: bool,
    /// Ports from the request's query, for port-forward over channels.
    pub ports: Vec<u16>,
}

/// Why the bytes after a 101 cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NegotiationError {
    /// Neither `SPDY/3.1` nor `websocket`.
    #[error("the server upgraded to {0:?}, which is neither SPDY/3.1 nor websocket")]
    Upgrade(String),
    /// The subresource does not have this protocol on this transport.
    #[error("the server chose {protocol:?} on {upgrade}, which is no protocol for this request")]
    Protocol {
        /// The upgrade token.
        upgrade: String,
        /// `Sec-WebSocket-Protocol` or `X-Stream-Protocol-Version` of the response.
        protocol: String,
    },
}

impl Negotiated {
    /// Reads the headers of the 101 response.
    ///
    /// `upgrade` is its `Upgrade` header. `protocol` is its `Sec-WebSocket-Protocol` or, for SPDY, its
    /// `X-Stream-Protocol-Version`; both absent and empty mean the protocol's first version.
    ///
    /// # Errors
    ///
    /// [`NegotiationError`] if the bytes that follow cannot be decoded: such a connection must not be passed through.
    pub fn from_response(
        request: &Request,
        upgrade: &str,
        protocol: Option<&str>,
    ) -> Result<Negotiated, NegotiationError> {
        let protocol = protocol.unwrap_or_default().trim();
        let (transport, json_status) = if upgrade.trim().eq_ignore_ascii_case("websocket") {
            websocket(request.subresource, protocol)
        } else if upgrade.to_ascii_lowercase().contains("spdy/3.1") {
            spdy(request.subresource, protocol)
        } else {
            return Err(NegotiationError::Upgrade(upgrade.to_owned()));
        }
        .ok_or_else(|| NegotiationError::Protocol { upgrade: upgrade.to_owned(), protocol: protocol.to_owned() })?;
        let (subresource, ports) = (request.subresource, request.ports.clone());
        Ok(Negotiated { subresource, transport, protocol: protocol.to_owned(), json_status, ports })
    }
}

/// The transport, and whether the error stream is JSON.
type Framing = Option<(Transport, bool)>;

fn websocket(subresource: Subresource, protocol: &str) -> Framing {
    let channels = |base64, close_signal| Transport::Channels { base64, close_signal };
    let forwarding = subresource == Subresource::PortForward;
    Some(match protocol {
        "" | "channel.k8s.io" => (channels(false, false), false),
        "base64.channel.k8s.io" => (channels(true, false), false),
        "v4.channel.k8s.io" => (channels(false, false), !forwarding),
        "v4.base64.channel.k8s.io" => (channels(true, false), !forwarding),
        "v5.channel.k8s.io" if !forwarding => (channels(false, true), true),
        "SPDY/3.1+portforward.k8s.io" if forwarding => (Transport::Tunnel, false),
        _ => return None,
    })
}

fn spdy(subresource: Subresource, protocol: &str) -> Framing {
    let json_status = match (subresource, protocol) {
        (Subresource::PortForward, "" | "portforward.k8s.io") => false,
        (Subresource::PortForward, _) => return None,
        (_, "" | "channel.k8s.io" | "v2.channel.k8s.io" | "v3.channel.k8s.io") => false,
        (_, "v4.channel.k8s.io" | "v5.channel.k8s.io") => true,
        _ => return None,
    };
    Some((Transport::Spdy, json_status))
}

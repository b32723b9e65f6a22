use crate::Subresource;

/// The bytes' shape on an upgraded connection.
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
    /// SPDY/3.1 cut into WebSocket messages.
    Tunnel,
}

/// What both ends agreed on: from the *response*, never from the request's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Negotiated {
    /// exec, attach or portforward: channel numbers mean different things.
    pub subresource: Subresource,
    /// The bytes' shape.
    pub transport: Transport,
    /// Protocol as the response named it; empty where it named none (then v1's rules hold).
    pub protocol: String,
    /// Whether the error stream is a JSON Status (v4, v5) or text (v1 to v3, none).
    pub json_status: bool,
    /// Ports of the query, for legacy WebSocket port-forward.
    pub ports: Vec<u16>,
}

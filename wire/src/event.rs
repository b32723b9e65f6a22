use std::fmt;

/// Which end of the connection sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// kubectl, or another client.
    Client,
    /// The API server, kubelet or container runtime.
    Server,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Client to process.
    Stdin,
    /// Process to client. With a terminal, stderr is in it.
    Stdout,
    /// Process to client.
    Stderr,
    /// The Status, or text in v1 to v3.
    Error,
    /// Terminal sizes as JSON.
    Resize,
    /// A forwarded connection's bytes.
    PortData,
    /// A forwarded connection's error text.
    PortError,
}

/// A terminal's size in character cells, as the client sent it. 0 is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// What the error stream said, once it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// `status: Success`, or an empty error stream in v1 to v3.
    Success,
    /// The exit code of the process, which is not 0. Linux has 1 to 255; Windows uses all of 32 bits, which runtimes
    /// write signed or unsigned.
    ExitCode(i64),
    /// Any other failure.
    Failure {
        /// The `message`, or the text of v1 to v3.
        message: String,
        /// The HTTP-like `code`, if there is one.
        code: Option<u16>,
    },
}

/// Something that the server may read otherwise than a reader of the specification would, or that no known client
/// sends. A strict recorder ends the session.
///
/// Offsets count that direction's bytes from the end of the 101 response, and point at the first byte of the frame.
/// Inside a tunnel, the offset of a SPDY frame counts the tunnelled bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Odd, but decoded as the receiving end decodes it: later events can be relied on.
    Wire {
        /// Offset of the frame.
        offset: u64,
        /// What is odd.
        what: &'static str,
    },
    /// The decoder reads no more of this direction. The receiving end drops the connection, or is likely to read the
    /// bytes in another way. A recorder must end the session.
    Lost {
        /// Offset of the frame.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Anomaly {
    /// Offset of the frame's first byte.
    pub fn offset(&self) -> u64 {
        match self {
            Anomaly::Wire { offset, .. } | Anomaly::Lost { offset, .. } => *offset,
        }
    }

    /// What is odd or wrong, in words that contain nothing a peer sent.
    pub fn what(&self) -> &'static str {
        match self {
            Anomaly::Wire { what, .. } | Anomaly::Lost { what, .. } => what,
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what(), self.offset())
    }
}

/// What bytes meant. Borrows from the bytes that were fed, or from the decoder's buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stream was opened. The streams of channel protocols are opened before the first byte.
    Opened {
        /// SPDY stream id, or channel number.
        id: u32,
        /// What it carries.
        stream: Stream,
        /// The pod's port, for port-forward; else `None`.
        port: Option<u16>,
        /// For port-forward, the number of the forwarded connection: `requestid` of SPDY, the channel pair's number
        /// otherwise.
        connection: Option<u32>,
    },
    /// Bytes of a stream: a frame, or a part of one.
    Data {
        /// SPDY stream id, or channel number.
        id: u32,
        /// What it carries.
        stream: Stream,
        /// The bytes, unmasked and without channel byte or base64.
        data: &'a [u8],
    },
    /// A complete size was read from the resize stream.
    Resize(Size),
    /// The sender sends no more on this stream (FIN, or the close signal of v5).
    HalfClosed {
        /// Stream id or channel.
        id: u32,
        /// What it carries.
        stream: Stream,
    },
    /// RST_STREAM: both directions of the stream are over.
    Reset {
        /// Stream id.
        id: u32,
        /// What it carries.
        stream: Stream,
        /// RST_STREAM status.
        code: u32,
    },
    /// The error stream is complete.
    Status(Status),
    /// PING of either protocol.
    Ping,
    /// PONG, or the answer to a SPDY PING.
    Pong,
    /// WebSocket CLOSE, or SPDY GOAWAY.
    Close {
        /// Close code or GOAWAY status; `None` if the frame has none.
        code: Option<u32>,
        /// Reason text.
        reason: String,
    },
    /// See [`Anomaly`].
    Anomaly(Anomaly),
}

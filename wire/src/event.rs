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
    /// Process to client; everything, where there is a terminal.
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

/// A terminal's size, as the client wrote it. 0 is possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// What the error stream said, once it was complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// `status: Success`, or an empty error stream in v1 to v3.
    Success,
    /// The process ended with another code than 0. Linux has 1 to 255; Windows all of 32 bits, which runtimes write
    /// signed or unsigned.
    ExitCode(i64),
    /// Anything else: the message, and the HTTP-like code where there was one.
    Failure {
        /// `message`, or the text of v1 to v3.
        message: String,
        /// `code`
        code: Option<u16>,
    },
}

/// Something that the server may read otherwise than a reader of the specification would, or that no known
/// client sends. A strict recorder ends the session.
///
/// Offsets count that direction's bytes since the 101, and point at the offending frame's first byte; inside a
/// tunnel those of a SPDY frame count the tunnelled bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Odd, but decoded as the receiving end decodes it; what follows can be relied on.
    Wire {
        /// Where.
        offset: u64,
        /// What is odd.
        what: &'static str,
    },
    /// The decoder does not follow this direction any further: nothing behind it is decoded. The receiving end
    /// drops the connection for it, or is likely to read it in another way. A recorder must end the session.
    Lost {
        /// Where.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Anomaly {
    /// Offset of the offending frame's first byte.
    pub fn offset(&self) -> u64 {
        match self {
            Anomaly::Wire { offset, .. } | Anomaly::Lost { offset, .. } => *offset,
        }
    }

    /// What is odd, in words that hold nothing a peer sent.
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

/// What a piece of bytes meant. Borrowed from the bytes that were fed (or from the decoder's scratch space).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A stream came to be. For channel protocols all streams are opened before the first byte.
    Opened {
        /// SPDY stream id, or channel number.
        id: u32,
        /// What it carries.
        stream: Stream,
        /// The pod's port, for port-forward.
        port: Option<u16>,
        /// `requestid`, for SPDY port-forward; the channel pair's number otherwise.
        connection: Option<u32>,
    },
    /// Bytes of a stream: a part of a frame, or a whole one.
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
    /// The sender will send no more on this stream (FIN, or v5's close signal).
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
    /// Keep-alive.
    Ping,
    /// Answer to a keep-alive.
    Pong,
    /// WebSocket CLOSE, or SPDY GOAWAY.
    Close {
        /// Close code or GOAWAY status; none where the frame had none.
        code: Option<u32>,
        /// Reason text.
        reason: String,
    },
    /// See [`Anomaly`].
    Anomaly(Anomaly),
}

//! What a frame means to the end that reads it.
//!
//! Servers read channel protocols with `golang.org/x/net/websocket`, by way of
//! `k8s.io/apimachinery/pkg/util/httpstream/wsstream/conn.go`. It does not read by RFC 6455: `Message.Receive` makes a
//! message of every frame, and `hybiFrameHandler.HandleFrame` (`hybi.go`) looks at the mask and at the opcodes CLOSE,
//! PING and PONG only:
//!
//! ```text
//!  from the client                  RFC 6455          the server
//!  FIN=0 BINARY, FIN=1 CONTINUATION one message       two messages, each with a channel byte
//!  CONTINUATION first               protocol error    a message
//!  opcodes 3 to 7, 11 to 15         protocol error    a message
//!  a reserved bit                   protocol error    a message
//!  a PING of 200 bytes              protocol error    a PONG with the first 125
//!  no mask                          protocol error    CLOSE 1002, end
//!  more than 32 MiB                 a message         end
//! ```
//!
//! Clients read by RFC 6455, and so do both ends of a tunnel (`github.com/gorilla/websocket`).

use super::frame::{Opcode, WsFrameHeader};
use crate::Side;

/// `DefaultMaxPayloadBytes` in `golang.org/x/net/websocket/websocket.go`: a longer frame ends the session.
const MAX_FRAME_BYTES: u64 = 32 << 20;
/// RFC 6455, section 5.5.
const MAX_CONTROL_BYTES: u64 = 125;

/// How the reading end takes TEXT messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextPolicy {
    /// As data.
    Data,
    /// kubectl refuses them with `unexpected message type: 1` (`readDemuxLoop` in
    /// `k8s.io/client-go/tools/remotecommand/websocket.go`); other clients do not.
    Odd,
    /// The reading end drops the connection: a tunnel's ends do.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameMeaning {
    /// A message's bytes: all of it, or a fragment.
    Data {
        begins: bool,
        ends: bool,
    },
    Ping,
    Pong,
    Close,
    /// A frame whose payload means nothing to the reader.
    Skip,
}

/// A frame's meaning, and what is odd about it. `Err`: the reading end drops the connection.
type Verdict = Result<(FrameMeaning, Option<&'static str>), &'static str>;

/// How one direction is read.
pub(crate) struct ReadingRules {
    sender: Side,
    /// Each data frame is a message, whatever FIN, reserved bits and opcode say.
    per_frame: bool,
    text: TextPolicy,
    /// Whether a fragment is reported as odd: on exec and attach no server sends them.
    fragments_are_odd: bool,
    /// A fragmented message has begun and not ended.
    in_message: bool,
}

impl ReadingRules {
    /// The server's rules for channel protocols: those of x/net.
    pub(crate) fn per_frame() -> Self {
        ReadingRules {
            sender: Side::Client,
            per_frame: true,
            text: TextPolicy::Data,
            fragments_are_odd: true,
            in_message: false,
        }
    }

    /// A client's rules for channel protocols: RFC 6455.
    pub(crate) fn client(text: TextPolicy) -> Self {
        ReadingRules { sender: Side::Server, per_frame: false, text, fragments_are_odd: true, in_message: false }
    }

    /// The rules of either end of a tunnel: RFC 6455.
    pub(crate) fn tunnel(sender: Side) -> Self {
        ReadingRules {
            sender,
            per_frame: false,
            text: TextPolicy::Refused,
            fragments_are_odd: false,
            in_message: false,
        }
    }

    pub(super) fn in_message(&self) -> bool {
        self.in_message
    }

    /// The fast path for what nearly every frame is: a complete BINARY message.
    #[inline]
    pub(super) fn classify(&mut self, header: &WsFrameHeader) -> Verdict {
        let masked_right = header.key.is_some() == (self.sender == Side::Client);
        let plain = header.fin && !header.reserved_bits && header.opcode == Opcode::Binary;
        if plain && masked_right && !self.in_message && header.length <= MAX_FRAME_BYTES {
            return Ok((FrameMeaning::Data { begins: true, ends: true }, None));
        }
        self.classify_slowly(header)
    }

    fn classify_slowly(&mut self, header: &WsFrameHeader) -> Verdict {
        match (self.sender, header.key) {
            (Side::Client, None) => return Err("an unmasked frame of the client"),
            (Side::Server, Some(_)) => return Err("a masked frame of the server"),
            _ => {}
        }
        if header.opcode.is_control() {
            return Ok(control(header));
        }
        if self.per_frame { frame(header) } else { self.fragment(header) }
    }

    fn fragment(&mut self, header: &WsFrameHeader) -> Verdict {
        if header.length > i64::MAX as u64 {
            return Err("a frame length of more than 63 bits");
        }
        let was_open = self.in_message;
        let kind = match header.opcode {
            Opcode::Continuation if was_open => FrameMeaning::Data { begins: false, ends: header.fin },
            Opcode::Continuation => return Ok((FrameMeaning::Skip, Some("a CONTINUATION of no message"))),
            Opcode::Text if self.text == TextPolicy::Refused => return Err("a TEXT message in the tunnel"),
            Opcode::Text | Opcode::Binary => FrameMeaning::Data { begins: true, ends: header.fin },
            _ => return Ok((FrameMeaning::Skip, Some("a reserved opcode"))),
        };
        self.in_message = !header.fin;
        Ok((kind, self.oddity(header, was_open)))
    }

    fn oddity(&self, header: &WsFrameHeader, was_open: bool) -> Option<&'static str> {
        let begins = header.opcode != Opcode::Continuation;
        if header.reserved_bits {
            Some("a reserved bit without an extension")
        } else if begins && was_open {
            Some("a message inside a fragmented message")
        } else if begins && !header.fin && self.fragments_are_odd {
            Some("a fragmented message")
        } else if header.opcode == Opcode::Text && self.text == TextPolicy::Odd {
            Some("a TEXT message of the server")
        } else {
            None
        }
    }
}

/// x/net does not limit the size of control frames: it answers a PING with its first 125 bytes
/// (`maxControlFramePayloadLength` in `hybi.go`).
fn control(header: &WsFrameHeader) -> (FrameMeaning, Option<&'static str>) {
    let kind = match header.opcode {
        Opcode::Ping => FrameMeaning::Ping,
        Opcode::Pong => FrameMeaning::Pong,
        _ => FrameMeaning::Close,
    };
    let odd = if header.length > MAX_CONTROL_BYTES {
        Some("a control frame of more than 125 bytes")
    } else if !header.fin {
        Some("a fragmented control frame")
    } else if header.reserved_bits {
        Some("a reserved bit without an extension")
    } else {
        None
    };
    (kind, odd)
}

/// x/net reads continuations, reserved opcodes and frames with reserved bits as messages of their own: see the table
/// above.
fn frame(header: &WsFrameHeader) -> Verdict {
    // x/net drops the first of the 64 bits (`NewFrameReader` in `hybi.go`).
    if header.length & i64::MAX as u64 > MAX_FRAME_BYTES {
        return Err("a frame of more than 32 MiB, which the server refuses");
    }
    let odd = match header.opcode {
        Opcode::Continuation => Some("a CONTINUATION frame of the client"),
        Opcode::Reserved => Some("a reserved opcode"),
        _ if header.reserved_bits => Some("a reserved bit without an extension"),
        _ if !header.fin => Some("a fragmented message"),
        _ => None,
    };
    Ok((FrameMeaning::Data { begins: true, ends: true }, odd))
}

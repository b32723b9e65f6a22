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
//!  a PING without FIN               protocol error    a PONG
//!  no mask                          protocol error    CLOSE 1002, end
//!  a length of 64 bits              protocol error    one of 63: see `length.rs`
//!  a length in a longer form        protocol error    the length
//! ```
//!
//! Clients read by RFC 6455, and so do both ends of a tunnel (`advanceFrame` in `conn.go` of
//! `github.com/gorilla/websocket`): they drop the connection at what the table calls a protocol error, except for the last
//! row.

use super::frame::{Opcode, WsFrameHeader};
use crate::Side;

/// RFC 6455, section 5.5.
const MAX_CONTROL_BYTES: u64 = 125;
const RESERVED_BIT: &str = "a reserved bit without an extension";
const RESERVED_OPCODE: &str = "a reserved opcode";

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
        let plain = header.fin && !header.reserved_bits && header.opcode == Opcode::Binary && header.length.minimal;
        if plain && masked_right && !self.in_message {
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
        let (meaning, odd) = match (self.per_frame, header.opcode.is_control()) {
            (true, true) => (control(header.opcode), control_fault(header)),
            (true, false) => (FrameMeaning::Data { begins: true, ends: true }, frame_fault(header)),
            (false, true) => (control(header.opcode), control_fault(header).map_or(Ok(None), Err)?),
            (false, false) => self.fragment(header)?,
        };
        Ok((meaning, odd.or((!header.length.minimal).then_some("a length that is not in its shortest form"))))
    }

    /// A data frame by RFC 6455, sections 5.2 and 5.4.
    fn fragment(&mut self, header: &WsFrameHeader) -> Verdict {
        let begins = header.opcode != Opcode::Continuation;
        match header.opcode {
            _ if header.reserved_bits => return Err(RESERVED_BIT),
            Opcode::Text if self.text == TextPolicy::Refused => return Err("a TEXT message in the tunnel"),
            Opcode::Text | Opcode::Binary if self.in_message => return Err("a message inside a fragmented message"),
            Opcode::Continuation if !self.in_message => return Err("a CONTINUATION of no message"),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {}
            _ => return Err(RESERVED_OPCODE),
        }
        self.in_message = !header.fin;
        let odd = if begins && !header.fin && self.fragments_are_odd {
            Some("a fragmented message")
        } else if header.opcode == Opcode::Text && self.text == TextPolicy::Odd {
            Some("a TEXT message of the server")
        } else {
            None
        };
        Ok((FrameMeaning::Data { begins, ends: header.fin }, odd))
    }
}

fn control(opcode: Opcode) -> FrameMeaning {
    match opcode {
        Opcode::Ping => FrameMeaning::Ping,
        Opcode::Pong => FrameMeaning::Pong,
        _ => FrameMeaning::Close,
    }
}

/// RFC 6455, section 5.5. x/net does not look: it answers a PING with its first 125 bytes (`maxControlFramePayloadLength`
/// in `hybi.go`).
fn control_fault(header: &WsFrameHeader) -> Option<&'static str> {
    if header.length.bytes > MAX_CONTROL_BYTES {
        Some("a control frame of more than 125 bytes")
    } else if !header.fin {
        Some("a fragmented control frame")
    } else if header.reserved_bits {
        Some(RESERVED_BIT)
    } else {
        None
    }
}

/// What x/net takes for a message of its own all the same: see the table above.
fn frame_fault(header: &WsFrameHeader) -> Option<&'static str> {
    match header.opcode {
        Opcode::Continuation => Some("a CONTINUATION frame of the client"),
        Opcode::Reserved => Some(RESERVED_OPCODE),
        _ if header.reserved_bits => Some(RESERVED_BIT),
        _ if !header.fin => Some("a fragmented message"),
        _ => None,
    }
}

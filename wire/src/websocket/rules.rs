//! What a frame means to the end that reads it.

use super::frame::{Head, Opcode};
use crate::Side;

/// golang.org/x/net/websocket `DefaultMaxPayloadBytes`: a longer frame ends the session.
const LONGEST_FRAME: u64 = 32 << 20;
/// RFC 6455, section 5.5.
const LONGEST_CONTROL: u64 = 125;

/// How the reading end takes TEXT messages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// As data.
    Data,
    /// It refuses them (kubectl: `unexpected message type: 1`); other clients do not.
    Odd,
    /// It drops the connection (the tunnel's ends).
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message's bytes: the whole of it, or a fragment.
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
type Verdict = Result<(Kind, Option<&'static str>), &'static str>;

/// How one direction is read.
pub(crate) struct Rules {
    sender: Side,
    /// x/net: each data frame is a message by itself, whatever FIN, RSV and opcode say.
    per_frame: bool,
    text: Text,
    /// Whether fragments are worth a word: on exec and attach no server sends them.
    fragments_are_odd: bool,
    /// A fragmented message has begun and not ended.
    in_message: bool,
}

impl Rules {
    /// The API server, kubelet or runtime reading channel protocols, with x/net's leniency.
    pub(crate) fn per_frame() -> Self {
        Rules { sender: Side::Client, per_frame: true, text: Text::Data, fragments_are_odd: true, in_message: false }
    }

    /// A client reading channel protocols by RFC 6455.
    pub(crate) fn client(text: Text) -> Self {
        Rules { sender: Side::Server, per_frame: false, text, fragments_are_odd: true, in_message: false }
    }

    /// Either end of a tunnel, by RFC 6455.
    pub(crate) fn tunnel(sender: Side) -> Self {
        Rules { sender, per_frame: false, text: Text::Refused, fragments_are_odd: false, in_message: false }
    }

    pub(super) fn in_message(&self) -> bool {
        self.in_message
    }

    /// The fast way for what nearly every frame is: a whole BINARY message.
    #[inline]
    pub(super) fn judge(&mut self, head: &Head) -> Verdict {
        let masked_right = head.key.is_some() == (self.sender == Side::Client);
        let plain = head.fin && !head.reserved_bits && head.opcode == Opcode::Binary;
        if plain && masked_right && !self.in_message && head.length <= LONGEST_FRAME {
            return Ok((Kind::Data { begins: true, ends: true }, None));
        }
        self.judge_closely(head)
    }

    fn judge_closely(&mut self, head: &Head) -> Verdict {
        match (self.sender, head.key) {
            (Side::Client, None) => return Err("an unmasked frame of the client"),
            (Side::Server, Some(_)) => return Err("a masked frame of the server"),
            _ => {}
        }
        if head.opcode.is_control() {
            return Ok(control(head));
        }
        if self.per_frame { frame(head) } else { self.fragment(head) }
    }

    fn fragment(&mut self, head: &Head) -> Verdict {
        if head.length > i64::MAX as u64 {
            return Err("a frame length of more than 63 bits");
        }
        let was_open = self.in_message;
        let kind = match head.opcode {
            Opcode::Continuation if was_open => Kind::Data { begins: false, ends: head.fin },
            Opcode::Continuation => return Ok((Kind::Skip, Some("a CONTINUATION of no message"))),
            Opcode::Text if self.text == Text::Refused => return Err("a TEXT message in the tunnel"),
            Opcode::Text | Opcode::Binary => Kind::Data { begins: true, ends: head.fin },
            _ => return Ok((Kind::Skip, Some("a reserved opcode"))),
        };
        self.in_message = !head.fin;
        Ok((kind, self.oddity(head, was_open)))
    }

    fn oddity(&self, head: &Head, was_open: bool) -> Option<&'static str> {
        let begins = head.opcode != Opcode::Continuation;
        if head.reserved_bits {
            Some("a reserved bit without an extension")
        } else if begins && was_open {
            Some("a message inside a fragmented message")
        } else if begins && !head.fin && self.fragments_are_odd {
            Some("a fragmented message")
        } else if head.opcode == Opcode::Text && self.text == Text::Odd {
            Some("a TEXT message of the server")
        } else {
            None
        }
    }
}

/// Sizes are not limited by x/net: PING is answered with the first 125 bytes.
fn control(head: &Head) -> (Kind, Option<&'static str>) {
    let kind = match head.opcode {
        Opcode::Ping => Kind::Ping,
        Opcode::Pong => Kind::Pong,
        _ => Kind::Close,
    };
    let odd = if head.length > LONGEST_CONTROL {
        Some("a control frame of more than 125 bytes")
    } else if !head.fin {
        Some("a fragmented control frame")
    } else if head.reserved_bits {
        Some("a reserved bit without an extension")
    } else {
        None
    };
    (kind, odd)
}

/// Reference, section 5: x/net executes continuations, reserved opcodes and RSV frames as data of their own.
fn frame(head: &Head) -> Verdict {
    // x/net masks off the first of the 64 bits.
    if head.length & i64::MAX as u64 > LONGEST_FRAME {
        return Err("a frame of more than 32 MiB, which the server refuses");
    }
    let odd = match head.opcode {
        Opcode::Continuation => Some("a CONTINUATION frame of the client"),
        Opcode::Reserved => Some("a reserved opcode"),
        _ if head.reserved_bits => Some("a reserved bit without an extension"),
        _ if !head.fin => Some("a fragmented message"),
        _ => None,
    };
    Ok((Kind::Data { begins: true, ends: true }, odd))
}

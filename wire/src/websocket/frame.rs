//! Frames, cut out of a stream of slices (RFC 6455, section 5.2).

use super::length::{PayloadLength, payload_length};

/// ```text
/// FIN RSV1-3 opcode:4 | MASK length:7 | length:16 or :64 if the 7 bits are 126 or 127 | key:32 if MASK
/// ```
const MAX_HEADER_BYTES: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    /// 3 to 7 and 11 to 15.
    Reserved,
}

impl Opcode {
    fn from_bits(byte: u8) -> Self {
        match byte & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => Opcode::Reserved,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WsFrameHeader {
    pub(super) fin: bool,
    /// Any of the three reserved bits.
    pub(super) reserved_bits: bool,
    pub(super) opcode: Opcode,
    pub(super) key: Option<[u8; 4]>,
    pub(super) length: PayloadLength,
}

impl WsFrameHeader {
    /// The header at the beginning of `bytes`, and the header's own length. `None` if it is not complete yet. `Err`: it has
    /// no length.
    #[inline]
    fn parse(bytes: &[u8]) -> Option<Result<(WsFrameHeader, usize), &'static str>> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (length, rest) = match payload_length(second, rest)? {
            Ok(length) => length,
            Err(what) => return Some(Err(what)),
        };
        let (key, rest) = if second & 0x80 != 0 {
            rest.split_first_chunk().map(|(key, rest)| (Some(*key), rest))?
        } else {
            (None, rest)
        };
        let header = WsFrameHeader {
            fin: first & 0x80 != 0,
            reserved_bits: first & 0x70 != 0,
            opcode: Opcode::from_bits(first),
            key,
            length,
        };
        Some(Ok((header, bytes.len() - rest.len())))
    }
}

/// The next item in the stream.
pub(super) enum WsFrameItem<'a> {
    /// A frame begins.
    Header(WsFrameHeader),
    /// A frame without a length: nothing behind it can be read.
    Refused(&'static str),
    /// Payload as it stands on the wire; never empty.
    Payload(&'a [u8]),
    /// The frame is complete.
    End,
}

/// Cuts one direction's bytes into the items of frames. Keeps at most a header.
pub(super) struct WsFrameReader {
    header: [u8; MAX_HEADER_BYTES],
    held: usize,
    /// Payload still to come; `None` between frames.
    left: Option<u64>,
    /// Bytes taken so far, and how many they were when the current frame began.
    taken: u64,
    frame: u64,
}

impl WsFrameReader {
    pub(super) fn new() -> Self {
        WsFrameReader { header: [0; MAX_HEADER_BYTES], held: 0, left: None, taken: 0, frame: 0 }
    }

    /// Takes the next item off the front of `input`. `None` if more bytes are needed; a frame's end needs none.
    #[inline]
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<WsFrameItem<'a>> {
        match self.left {
            None => self.header(input),
            Some(0) => {
                self.left = None;
                Some(WsFrameItem::End)
            }
            Some(left) => self.payload(left, input).map(WsFrameItem::Payload),
        }
    }

    /// Offset of the current frame's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.frame
    }

    /// Bytes to the end of the frame. `None` inside a header.
    pub(super) fn bytes_to_frame_boundary(&self) -> Option<u64> {
        match self.left {
            None if self.held > 0 => None,
            left => Some(left.unwrap_or(0)),
        }
    }

    #[inline]
    fn payload<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        if input.is_empty() {
            return None;
        }
        let (payload, rest) = input.split_at(input.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        *input = rest;
        self.taken += payload.len() as u64;
        self.left = Some(left - payload.len() as u64);
        Some(payload)
    }

    #[inline]
    fn header<'a>(&mut self, input: &mut &[u8]) -> Option<WsFrameItem<'a>> {
        if self.held == 0 {
            self.frame = self.taken;
            if let Some(parsed) = WsFrameHeader::parse(input) {
                let length = parsed.as_ref().map_or(0, |(_, length)| *length);
                *input = &input[length..];
                self.taken += length as u64;
                return Some(self.begin(parsed));
            }
        }
        self.split_header(input)
    }

    /// Completes a header that the end of a slice cut, byte by byte.
    fn split_header<'a>(&mut self, input: &mut &[u8]) -> Option<WsFrameItem<'a>> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.taken += 1;
            self.header[self.held] = byte;
            self.held += 1;
            if let Some(parsed) = WsFrameHeader::parse(&self.header[..self.held]) {
                self.held = 0;
                return Some(self.begin(parsed));
            }
        }
        None
    }

    #[inline]
    fn begin<'a>(&mut self, parsed: Result<(WsFrameHeader, usize), &'static str>) -> WsFrameItem<'a> {
        match parsed {
            Ok((header, _)) => {
                self.left = Some(header.length.bytes);
                WsFrameItem::Header(header)
            }
            Err(what) => WsFrameItem::Refused(what),
        }
    }
}
